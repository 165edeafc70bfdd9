"""Playbooks: what they start, and how they answer."""

import asyncio
import json

import httpx
import pytest

from tests.twin.stage import FACTORY, PLACE, Stage, sample

STARTED = ("sync", "sync_text", "accepted", "202_with_run_id", "202_empty", "no_response_502", "gateway_504", "html")


async def failed_run(stage: Stage) -> str:
    await stage.pipeline("nightly", "GatewayTimeout", "Succeeded")
    run_id = await stage.trigger("nightly", parameters={"day": "1"})
    await stage.ended(run_id)
    return run_id


def request(run_id: str, **more: object) -> dict[str, object]:
    return {
        "pipeline_name": "nightly",
        "ticket_id": "ADF-1",
        "error_type": "GatewayTimeout",
        "original_run_id": run_id,
        "retry_attempt": 1,
        "remediation_action": "retry_pipeline",
        **more,
    }


async def test_the_default_playbook_reruns_the_pipeline_in_the_group_of_the_run(stage: Stage):
    original = await failed_run(stage)
    url = await stage.workflow()

    answer = await stage.http.post(url, json=request(original, resource=f"{PLACE}"))
    rerun = await stage.ended(answer.json()["run_id"])

    assert set(answer.json()) == set(sample("prototype/contract_logicapp_response_v1_success.json"))
    assert (rerun["runGroupId"], rerun["referencedRunId"]) == (original, original)
    assert (rerun["status"], rerun["parameters"]) == ("Succeeded", {"day": "1"})
    assert rerun["askedBy"] == "logic_app:retry-pipeline"
    assert rerun["requestId"] == answer.headers["x-ms-workflow-run-id"]


async def test_a_second_request_continues_from_the_latest_run_of_the_group(stage: Stage):
    original = await failed_run(stage)
    url = await stage.workflow()

    first = (await stage.http.post(url, json=request(original))).json()["run_id"]
    second = (await stage.http.post(url, json=request(original))).json()["run_id"]

    assert (await stage.run(second))["referencedRunId"] == first


@pytest.mark.parametrize(
    ("behaviour", "status", "workflow_run"),
    [
        ("sync", 200, True),
        ("sync_text", 200, True),
        ("accepted", 200, True),
        ("202_with_run_id", 202, True),
        ("202_empty", 202, True),
        ("failed", 200, True),
        ("500_failed", 500, True),
        ("no_response_502", 502, True),
        ("gateway_504", 504, True),
        ("html", 200, True),
        ("disabled", 400, False),
        ("not_found", 404, False),
        ("throttled:7", 429, False),
        ("schema_mismatch", 400, False),
    ],
)
async def test_every_way_of_answering(stage: Stage, behaviour, status, workflow_run):
    original = await failed_run(stage)
    url = await stage.workflow(behaviour=behaviour)

    answer = await stage.http.post(url, json=request(original), headers={"x-ms-client-tracking-id": "ADF-1-1"})

    assert answer.status_code == status
    assert ("x-ms-workflow-run-id" in answer.headers) is workflow_run
    assert (answer.headers.get("x-ms-client-tracking-id") == "ADF-1-1") is workflow_run
    reruns = [run for run in (await stage.get("runs"))["runs"] if run["referencedRunId"]]
    assert len(reruns) == (1 if behaviour in STARTED else 0)


async def test_what_each_answer_says(stage: Stage):
    original = await failed_run(stage)

    async def answer(behaviour: str) -> httpx.Response:
        return await stage.http.post(await stage.workflow(behaviour=behaviour), json=request(original))

    text = await answer("sync_text")
    assert (text.headers["content-type"].split(";")[0], json.loads(text.text)["status"]) == ("text/plain", "success")
    assert (await answer("202_empty")).content == b""
    assert set((await answer("accepted")).json()) == set(
        sample("prototype/contract_logicapp_response_v2_accepted.json")
    )
    assert set((await answer("failed")).json()) == set(sample("prototype/contract_logicapp_response_v1_failed.json"))
    assert (await answer("no_response_502")).json() == sample("logicapp-502-noresponse.json")["response"]["body"]
    assert (await answer("throttled:7")).headers["retry-after"] == "7"
    assert (await answer("disabled")).json()["error"]["code"] == "WorkflowTriggerIsNotEnabled"
    assert (await answer("not_found")).json()["error"]["code"] == "WorkflowNotFound"
    assert (await answer("schema_mismatch")).json()["error"]["code"] == "TriggerInputSchemaMismatch"


async def test_the_headers_are_those_that_were_captured(stage: Stage):
    answer = await stage.http.post(await stage.workflow(), json=request(await failed_run(stage)))

    captured = {name.lower() for name in sample("logicapp-trigger-201-sync-response.json")["response"]["headers"]}
    assert captured <= set(answer.headers)


async def test_a_slow_playbook_starts_at_once_and_answers_late(stage: Stage):
    original = await failed_run(stage)
    url = await stage.workflow(behaviour="slow:0.3")

    with pytest.raises(httpx.ReadTimeout):
        await stage.http.post(url, json=request(original), timeout=0.1)

    assert [run["referencedRunId"] for run in (await stage.get("runs"))["runs"]] == [None, original]


async def test_without_the_right_signature_nothing_happens(stage: Stage):
    original = await failed_run(stage)
    url = await stage.workflow(sig="right")

    wrong = await stage.http.post(url.replace("sig=right", "sig=left"), json=request(original))
    missing = await stage.http.post(url.replace("&sig=right", ""), json=request(original))

    assert (wrong.status_code, missing.status_code) == (401, 401)
    assert "x-ms-workflow-run-id" not in wrong.headers
    assert len((await stage.get("runs"))["runs"]) == 1


async def test_an_unknown_run_is_a_failed_answer(stage: Stage):
    answer = await stage.http.post(await stage.workflow(), json=request("11111111-2222-3333-4444-555555555555"))

    assert (answer.status_code, answer.json()["status"]) == (200, "failed")


async def test_a_playbook_may_know_a_key_it_has_seen(stage: Stage):
    original = await failed_run(stage)
    url = await stage.workflow(deduplicates=True)
    body = request(original, idempotency_key="ADF-1-1")

    first, second = [(await stage.http.post(url, json=body)).json()["run_id"] for _ in range(2)]

    assert first == second
    assert len((await stage.get("runs"))["runs"]) == 2


async def test_the_rerun_may_start_later_than_the_answer(stage: Stage):
    original = await failed_run(stage)
    url = await stage.workflow(behaviour="202_empty", start_after=1)

    await stage.http.post(url, json=request(original))

    assert len((await stage.get("runs"))["runs"]) == 1
    async with asyncio.timeout(20):
        while len(runs := (await stage.get("runs"))["runs"]) < 2:
            await asyncio.sleep(0.1)
    assert runs[1]["referencedRunId"] == original


async def test_the_history_keeps_what_was_asked(stage: Stage):
    original = await failed_run(stage)
    body = request(original, idempotency_key="ADF-1-1")
    answer = await stage.http.post(await stage.workflow(), json=body, headers={"x-ms-client-tracking-id": "ADF-1-1"})

    kept = (await stage.get("workflows/retry-pipeline/runs"))["runs"]

    assert [one["body"] for one in kept] == [body]
    assert kept[0]["headers"]["x-ms-client-tracking-id"] == "ADF-1-1"
    assert (kept[0]["status"], kept[0]["run_id"]) == (200, answer.json()["run_id"])


async def test_a_playbook_may_call_back_when_the_rerun_has_ended(stage: Stage):
    original = await failed_run(stage)
    url = await stage.workflow(callbacks=2)
    nowhere = f"{stage.base_url}/nothing/is/here"

    await stage.http.post(url, json=request(original, callback_url=nowhere))

    async def read():
        return (await stage.get("callbacks"))["callbacks"]

    told = await stage.until(lambda found: len(found) == 2 and all(one["done"] for one in found), read)
    assert set(told[0]["body"]) == set(sample("prototype/contract_callback_adf_succeeded.json"))
    assert (told[0]["body"]["success"], told[0]["status"]) == (True, 404)


async def test_a_new_workflow_needs_only_a_name(stage: Stage):
    original = await failed_run(stage)
    unknown = await stage.http.post((await stage.workflow()).replace("retry-pipeline", "rerun-upstream"), json={})
    url = await stage.workflow("rerun-upstream", behaviour="accepted")

    answer = await stage.http.post(url, json=request(original, resource=FACTORY))

    assert unknown.status_code == 404
    assert answer.json()["status"] == "accepted"
