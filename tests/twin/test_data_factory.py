"""Data Factory through the official SDK."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
    ServiceRequestError,
)
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.identity.aio import ManagedIdentityCredential
from azure.mgmt.datafactory.aio import DataFactoryManagementClient
from azure.mgmt.datafactory.models import RunFilterParameters, RunQueryFilter

from tests.twin.stage import ALWAYS, FACTORY, GROUP, SUBSCRIPTION, Stage


class AllowHttp(SansIOHTTPPolicy[Any, Any]):
    def on_request(self, request):
        request.context.options.setdefault("enforce_https", False)


@pytest.fixture
async def factory(stage: Stage, monkeypatch) -> AsyncIterator[DataFactoryManagementClient]:
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{stage.base_url}/identity/token")
    monkeypatch.setenv("IDENTITY_HEADER", "twin-identity")
    async with (
        ManagedIdentityCredential() as credential,
        DataFactoryManagementClient(
            credential, SUBSCRIPTION, base_url=stage.base_url, per_call_policies=[AllowHttp()], retry_total=0
        ) as client,
    ):
        yield client


def code(error: HttpResponseError) -> str | None:
    return error.error.code if error.error else None


def window(*filters: RunQueryFilter, token: str | None = None) -> RunFilterParameters:
    now = datetime.now(UTC)
    hour = timedelta(hours=1)
    return RunFilterParameters(
        last_updated_after=now - hour, last_updated_before=now + hour, filters=list(filters), continuation_token=token
    )


async def test_a_run_fails_by_itself_and_tells_why(stage, factory):
    await stage.pipeline("nightly", "TypeConversion")

    started = await factory.pipelines.create_run(GROUP, FACTORY, "nightly", parameters={"day": "2025-11-24"})
    await stage.ended(started.run_id)
    run = await factory.pipeline_runs.get(GROUP, FACTORY, started.run_id)
    activities = await factory.activity_runs.query_by_pipeline_run(GROUP, FACTORY, run.run_id, window())

    assert (run.status, run.run_group_id, run.invoked_by.invoked_by_type) == ("Failed", run.run_id, "Manual")
    assert run.parameters == {"day": "2025-11-24"}
    assert run.message.startswith("Operation on target Copy data1 failed: ErrorCode=TypeConversionFailure")
    assert run.run_end >= run.run_start
    assert [activity.status for activity in activities.value] == ["Failed"]
    assert activities.value[0].error["errorCode"] == "2200"
    assert activities.value[0].error["failureType"] == "UserError"


async def test_a_run_goes_from_queued_to_in_progress_to_its_end(stage, factory):
    await stage.pipeline("slow", "Succeeded", queued=0.1, duration=0.1)

    started = await factory.pipelines.create_run(GROUP, FACTORY, "slow")
    seen: list[str | None] = []
    while not seen or seen[-1] != "Succeeded":
        status = (await factory.pipeline_runs.get(GROUP, FACTORY, started.run_id)).status
        seen += [status] if status not in seen else []

    assert seen == ["Queued", "InProgress", "Succeeded"]


async def test_recovery_joins_the_group_and_keeps_the_parameters(stage, factory):
    await stage.pipeline("nightly", "GatewayTimeout", "Succeeded")
    failed = (await factory.pipelines.create_run(GROUP, FACTORY, "nightly", parameters={"n": 1})).run_id
    await stage.ended(failed)

    again = (
        await factory.pipelines.create_run(
            GROUP,
            FACTORY,
            "nightly",
            reference_pipeline_run_id=failed,
            is_recovery=True,
            start_from_failure=True,
        )
    ).run_id
    await stage.ended(again)

    in_group = RunQueryFilter(operand="RunGroupId", operator="Equals", values_property=[failed])
    latest = RunQueryFilter(operand="LatestOnly", operator="Equals", values_property=["true"])
    group = await factory.pipeline_runs.query_by_factory(GROUP, FACTORY, window(in_group))
    newest = await factory.pipeline_runs.query_by_factory(GROUP, FACTORY, window(in_group, latest))
    assert [(run.run_id, run.status) for run in group.value] == [(again, "Succeeded"), (failed, "Failed")]
    assert [run.run_id for run in newest.value] == [again]
    assert newest.value[0].parameters == {"n": "1"}
    assert (await stage.run(again))["referencedRunId"] == failed


async def test_a_reference_without_recovery_makes_a_group_of_its_own(stage, factory):
    await stage.pipeline("nightly", "GatewayTimeout")
    failed = (await factory.pipelines.create_run(GROUP, FACTORY, "nightly")).run_id

    again = await factory.pipelines.create_run(GROUP, FACTORY, "nightly", reference_pipeline_run_id=failed)

    assert (await stage.run(again.run_id))["runGroupId"] == again.run_id


async def test_queries_are_answered_in_pages(stage, factory):
    await stage.put("data-factory", page_size=2)
    await stage.pipeline("nightly", "Succeeded")
    started = [await stage.trigger("nightly") for _ in range(5)]

    seen: list[str] = []
    token = None
    while not seen or token:
        page = await factory.pipeline_runs.query_by_factory(GROUP, FACTORY, window(token=token))
        assert len(page.value) <= 2
        seen += [str(run.run_id) for run in page.value]
        token = page.continuation_token

    assert sorted(seen) == sorted(started)


async def test_new_runs_may_show_up_late(stage, factory):
    await stage.put("data-factory", visible_after=0.2)
    await stage.pipeline("nightly", "Succeeded")
    run_id = await stage.trigger("nightly")

    async def read():
        return (await factory.pipeline_runs.query_by_factory(GROUP, FACTORY, window())).value

    assert await read() == []
    assert (await factory.pipeline_runs.get(GROUP, FACTORY, run_id)).run_id == run_id
    assert [run.run_id for run in await stage.until(bool, read)] == [run_id]


async def test_cancelling_takes_the_children_along(stage, factory):
    await stage.pipeline("child", "Succeeded", duration=30)
    await stage.pipeline("parent", children=["child"])
    parent = await stage.trigger("parent")
    child = await stage.until(bool, lambda: child_of(stage, parent))

    await factory.pipeline_runs.cancel(GROUP, FACTORY, parent, is_recursive=True)

    assert (await factory.pipeline_runs.get(GROUP, FACTORY, parent)).status == "Canceling"
    assert (await stage.ended(parent))["status"] == "Cancelled"
    assert (await stage.ended(child))["status"] == "Cancelled"
    with pytest.raises(HttpResponseError) as refused:
        await factory.pipeline_runs.cancel(GROUP, FACTORY, parent)
    assert refused.value.status_code == 400


async def child_of(stage: Stage, parent: str) -> str | None:
    runs = (await stage.get("runs"))["runs"]
    return next((r["runId"] for r in runs if r["invokedBy"].get("pipelineRunId") == parent), None)


async def test_the_failure_of_a_child_fails_its_parent_and_recovery_repeats_the_child_alone(stage, factory):
    await stage.pipeline("child", "GatewayTimeout", "Succeeded")
    await stage.pipeline("parent", "Succeeded", children=["child"], activities=2)

    parent = await stage.trigger("parent")
    failed = await stage.ended(parent)
    activities = (await factory.activity_runs.query_by_pipeline_run(GROUP, FACTORY, parent, window())).value
    child = await factory.pipeline_runs.get(GROUP, FACTORY, activities[-1].output["pipelineRunId"])

    assert failed["message"].startswith("Operation on target Execute child failed: Operation on target Call partner")
    assert [activity.activity_type for activity in activities] == ["Copy", "Copy", "ExecutePipeline"]
    assert activities[-1].error["errorCode"] == "BadRequest"
    assert (child.invoked_by.pipeline_name, child.invoked_by.pipeline_run_id) == ("parent", parent)
    assert child.invoked_by.invoked_by_type == "PipelineActivity"

    again = await factory.pipelines.create_run(
        GROUP, FACTORY, "parent", reference_pipeline_run_id=parent, is_recovery=True, start_from_failure=True
    )
    recovered = await stage.ended(again.run_id)
    assert recovered["status"] == "Succeeded"
    assert [activity["name"] for activity in recovered["activities"]] == ["Execute child"]


async def test_a_second_recovery_still_skips_what_the_first_run_had_done(stage):
    await stage.pipeline("nightly", "GatewayTimeout", "GatewayTimeout", "Succeeded", activities=3)
    first = await stage.trigger("nightly")
    await stage.ended(first)

    second = (await stage.post(f"runs/{first}/rerun"))["runId"]
    await stage.ended(second)
    third = (await stage.post(f"runs/{second}/rerun"))["runId"]

    assert [activity["name"] for activity in (await stage.ended(third))["activities"]] == ["Call partner endpoint"]


async def test_a_recovery_may_start_at_a_named_activity(stage):
    await stage.pipeline("nightly", "Succeeded", activities=3)
    first = await stage.trigger("nightly")
    await stage.ended(first)

    query = {"referencePipelineRunId": first, "isRecovery": "true", "startActivityName": "Copy data3"}
    again = (await stage.arm("POST", "/pipelines/nightly/createRun", **query)).json()["runId"]

    assert [activity["name"] for activity in (await stage.ended(again))["activities"]] == ["Copy data3"]


async def test_what_is_not_there_is_refused_as_resource_manager_does(stage, factory):
    await stage.pipeline("nightly", "Succeeded")

    await factory.factories.get(GROUP, FACTORY)
    with pytest.raises(ResourceNotFoundError) as no_factory:
        await factory.factories.get(GROUP, "adf-other")
    with pytest.raises(ResourceNotFoundError) as no_group:
        await factory.factories.get("rg-other", FACTORY)
    with pytest.raises(ResourceNotFoundError) as no_pipeline:
        await factory.pipelines.create_run(GROUP, FACTORY, "weekly")
    with pytest.raises(ResourceNotFoundError) as no_run:
        await factory.pipeline_runs.get(GROUP, FACTORY, "11111111-2222-3333-4444-555555555555")
    with pytest.raises(HttpResponseError) as no_reference:
        await factory.pipelines.create_run(GROUP, FACTORY, "nightly", reference_pipeline_run_id="{}")

    codes = [code(found.value) for found in (no_factory, no_group, no_pipeline, no_run, no_reference)]
    assert codes == [
        "ResourceNotFound",
        "ResourceGroupNotFound",
        "PipelineNotFound",
        "PipelineRunNotFound",
        "ReferencedPipelineRunNotValid",
    ]


async def test_factories_and_pipelines_can_be_read_whatever_the_case(stage, factory):
    await stage.pipeline("Nightly", "Succeeded", children=["child"])

    shown = await factory.factories.get(GROUP.upper(), FACTORY.upper())
    pipeline = await factory.pipelines.get(GROUP, FACTORY, "nightly")

    assert (shown.name, shown.provisioning_state) == (FACTORY, "Succeeded")
    assert [activity.name for activity in pipeline.activities] == ["Execute child"]


async def test_tokens_can_be_taken_back(stage, factory):
    await factory.factories.get(GROUP, FACTORY)
    await stage.put("identity", generation=1)

    with pytest.raises(ClientAuthenticationError) as refused:
        await factory.factories.get(GROUP, FACTORY)

    assert code(refused.value) == "InvalidAuthenticationToken"


async def test_a_wrong_identity_header_gets_no_token(stage, monkeypatch):
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{stage.base_url}/identity/token")
    monkeypatch.setenv("IDENTITY_HEADER", "something else")

    async with ManagedIdentityCredential(retry_total=0) as credential:
        with pytest.raises(ClientAuthenticationError):
            await credential.get_token("https://management.azure.com/.default")


async def test_a_lost_answer_looks_like_a_request_that_was_never_sent(stage, factory):
    await stage.pipeline("nightly", "Succeeded")
    await stage.fault("arm", "createRun", "drop_after")

    with pytest.raises(ServiceRequestError):
        await factory.pipelines.create_run(GROUP, FACTORY, "nightly", retry_total=0)

    assert len((await stage.get("runs", pipeline="nightly"))["runs"]) == 1


@pytest.mark.parametrize(("options", "sent"), [({"retry_total": 0}, 1), ({"retry_backoff_factor": 0}, 4)])
async def test_what_the_library_sends_again_can_be_counted(stage, factory, options, sent):
    await stage.pipeline("nightly", "Succeeded")
    await stage.fault("arm", "createRun", "status_after", status=503, times=-1)

    with pytest.raises(HttpResponseError):
        await factory.pipelines.create_run(GROUP, FACTORY, "nightly", **{"retry_total": 3, **options})

    assert len(await stage.requests("arm", "createRun")) == sent
    assert len((await stage.get("runs"))["runs"]) == sent


async def test_a_deleted_run_is_found_by_nobody(stage: Stage):
    await stage.pipeline("nightly", "Succeeded")
    run_id = await stage.trigger("nightly")
    await stage.ended(run_id)

    assert (await stage.http.delete(f"/twin/runs/{run_id}")).status_code == 200

    assert (await stage.arm("GET", f"/pipelineruns/{run_id}")).status_code == 404
    assert (await stage.arm("POST", "/queryPipelineRuns", ALWAYS)).json()["value"] == []
    assert (await stage.http.delete(f"/twin/runs/{run_id}")).status_code == 404
