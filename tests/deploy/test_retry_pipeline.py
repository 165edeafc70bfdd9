"""The playbook for pipelines: it reruns once, and whatever goes wrong it says so."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from pipemend.core.attempt import Declined, Running, Unknown
from pipemend.platforms.data_factory import DataFactory
from tests.deploy.shipped import Shipped, of_pipeline, put
from tests.platforms.adf import RESOURCE, failed_run
from tests.twin.door import standing
from tests.twin.stage import Stage

NAME = "retry_pipeline"


@pytest.fixture
async def playbook(stage: Stage, adf: DataFactory) -> AsyncIterator[Shipped]:
    url = await put(stage, NAME, factories=["/subscriptions/other", RESOURCE])
    made = Shipped(stage, NAME, url, adf.remedies[NAME], adf)
    yield made
    await made.http.close()


async def starts(stage: Stage) -> list[dict[str, Any]]:
    return list((await stage.get("starts"))["starts"])


async def test_it_reruns_what_failed_in_the_group_of_the_run(stage: Stage, adf: DataFactory, playbook: Shipped):
    failed = await failed_run(stage, adf)

    said = await playbook.ask(of_pipeline(failed.ref.run_id))

    assert isinstance(said, Running)
    rerun = await stage.ended(said.rerun.run_id)
    assert (rerun["status"], rerun["runGroupId"]) == ("Succeeded", failed.ref.run_id)
    [start] = await starts(stage)
    assert start["repeats"] == failed.ref.run_id
    assert start["key"] == of_pipeline(failed.ref.run_id).key
    assert start["asked_by"] == "logic_app:retry_pipeline"


async def test_the_next_attempt_repeats_the_latest_failed_run(stage: Stage, adf: DataFactory, playbook: Shipped):
    await stage.pipeline("nightly-load", "GatewayTimeout", "GatewayTimeout", "Succeeded")
    original = await stage.trigger("nightly-load")
    await stage.ended(original)
    first = await playbook.ask(of_pipeline(original))
    assert isinstance(first, Running)
    await stage.ended(first.rerun.run_id)

    second = await playbook.ask(of_pipeline(original, 2, reference_run_id=first.rerun.run_id))

    assert isinstance(second, Running)
    assert [start["repeats"] for start in await starts(stage)] == [original, first.rerun.run_id]


async def test_two_calls_of_one_attempt_start_one_run(stage: Stage, adf: DataFactory, playbook: Shipped):
    failed = await failed_run(stage, adf)
    asked = of_pipeline(failed.ref.run_id)

    said = await asyncio.gather(playbook.ask(asked), playbook.ask(asked), playbook.ask(asked))

    assert len({one.rerun.run_id for one in said if isinstance(one, Running)}) == 1
    assert all(isinstance(one, Running) for one in said)
    assert len(await starts(stage)) == 1


async def test_a_run_that_data_factory_does_not_list_yet_is_not_started_again(
    stage: Stage, adf: DataFactory, playbook: Shipped
):
    failed = await failed_run(stage, adf)
    old = 1.0  # seconds: the failed run is listed by now, and its rerun is not for so long
    await stage.put("data-factory", visible_after=old)
    window = {"lastUpdatedAfter": "2000-01-01", "lastUpdatedBefore": "2100-01-01"}
    await stage.until(lambda found: found.json()["value"], lambda: stage.arm("POST", "/queryPipelineRuns", window))
    asked = of_pipeline(failed.ref.run_id)

    first, second = await playbook.ask(asked), await playbook.ask(asked)

    assert isinstance(first, Running)
    assert isinstance(second, Unknown | Running)  # on a busy machine it may be listed by then
    assert len(await starts(stage)) == 1


async def test_a_failed_run_that_is_in_no_list_is_not_repeated_blindly(
    stage: Stage, adf: DataFactory, playbook: Shipped
):
    failed = await failed_run(stage, adf)
    await stage.put("data-factory", visible_after=3600.0)

    said = await playbook.ask(of_pipeline(failed.ref.run_id))

    assert isinstance(said, Declined)
    assert "does not list the failed run" in said.reason
    assert await starts(stage) == []


async def test_a_rerun_of_somebody_else_is_named_and_nothing_is_started(
    stage: Stage, adf: DataFactory, playbook: Shipped
):
    failed = await failed_run(stage, adf)
    theirs = (await stage.post(f"runs/{failed.ref.run_id}/rerun"))["runId"]

    said = await playbook.ask(of_pipeline(failed.ref.run_id))

    assert isinstance(said, Running)
    assert said.rerun.run_id == theirs
    assert await starts(stage) == []


async def test_pipemend_is_told_that_there_is_an_answer(stage: Stage, adf: DataFactory, playbook: Shipped):
    failed = await failed_run(stage, adf)
    async with standing() as door:
        playbook.callback = door.url.removesuffix("/hook")
        playbook.url = await put(stage, NAME, factories=[RESOURCE], pipemendUrl=playbook.callback)

        await playbook.ask(of_pipeline(failed.ref.run_id))
        await playbook.ended()

        [told] = door.came
    assert told["idempotency_key"] == of_pipeline(failed.ref.run_id).key


async def test_nobody_else_is_called_back(stage: Stage, adf: DataFactory, playbook: Shipped):
    failed = await failed_run(stage, adf)
    async with standing() as door:
        playbook.callback = door.url.removesuffix("/hook")
        playbook.url = await put(stage, NAME, factories=[RESOURCE], pipemendUrl="https://pipemend.example")

        assert isinstance(await playbook.ask(of_pipeline(failed.ref.run_id)), Running)
        assert (await playbook.ended())["state"] == "Succeeded"

        assert door.came == []


@pytest.mark.parametrize(
    "resource",
    [
        RESOURCE + "x",
        RESOURCE.replace("adf-twin", "adf-other"),
        f"/subscriptions/other','{RESOURCE}",
    ],
)
async def test_another_factory_is_refused_and_its_address_is_never_called(
    stage: Stage, adf: DataFactory, playbook: Shipped, resource: str
):
    failed = await failed_run(stage, adf)
    before = len(await stage.requests("arm"))

    said = await playbook.ask(of_pipeline(failed.ref.run_id, resource=resource))

    assert isinstance(said, Declined)
    assert said.final
    assert len(await stage.requests("arm")) == before


@pytest.mark.parametrize(
    ("operation", "status", "final"),
    [
        ("listWorkflowRuns", 403, True),
        ("getRun", 404, True),
        ("getRun", 500, False),
        ("queryPipelineRuns", 403, True),
        ("queryPipelineRuns", 429, False),
    ],
)
async def test_what_cannot_be_looked_up_is_answered_and_nothing_is_started(
    stage: Stage, adf: DataFactory, playbook: Shipped, operation: str, status: int, final: bool
):
    failed = await failed_run(stage, adf)
    await stage.fault("arm", operation, "status", status=status, times=-1)

    said = await playbook.ask(of_pipeline(failed.ref.run_id))

    assert isinstance(said, Declined)
    assert said.final is final
    assert "Nothing was started" in said.reason
    assert str(status) in said.reason
    assert await starts(stage) == []


@pytest.mark.parametrize("kind", ["drop_before", "html", "garbage", "empty"])
async def test_nonsense_in_place_of_an_answer_starts_nothing(
    stage: Stage, adf: DataFactory, playbook: Shipped, kind: str
):
    failed = await failed_run(stage, adf)
    await stage.fault("arm", "queryPipelineRuns", kind, times=-1)

    said = await playbook.ask(of_pipeline(failed.ref.run_id))

    assert isinstance(said, Declined)
    assert await starts(stage) == []


@pytest.mark.parametrize(("status", "final"), [(400, True), (403, True), (404, True), (409, False), (429, False)])
async def test_a_refusal_is_passed_on_in_words(
    stage: Stage, adf: DataFactory, playbook: Shipped, status: int, final: bool
):
    failed = await failed_run(stage, adf)
    await stage.fault("arm", "createRun", "status", status=status, times=-1)

    said = await playbook.ask(of_pipeline(failed.ref.run_id))

    assert isinstance(said, Declined)
    assert said.final is final
    assert f"Data Factory answered {status}" in said.reason
    assert len(await stage.requests("arm", "createRun")) == 1


@pytest.mark.parametrize("kind", ["drop_after", "status_after", "html_after", "empty_after"])
async def test_an_unclear_end_is_no_failure_and_the_call_is_not_repeated(
    stage: Stage, adf: DataFactory, playbook: Shipped, kind: str
):
    failed = await failed_run(stage, adf)
    await stage.fault("arm", "createRun", kind, status=200 if "html" in kind or "empty" in kind else 500)

    said = await playbook.ask(of_pipeline(failed.ref.run_id))

    assert isinstance(said, Unknown)
    assert len(await starts(stage)) == 1
    assert (await playbook.ended())["state"] == "Succeeded"


async def test_a_request_with_other_fields_is_refused_at_the_door(stage: Stage, adf: DataFactory, playbook: Shipped):
    failed = await failed_run(stage, adf)
    strange = replace(of_pipeline(failed.ref.run_id), pipeline="../../pipelines/other")

    said = await playbook.ask(strange)

    assert isinstance(said, Declined)
    assert said.final
    assert await starts(stage) == []
