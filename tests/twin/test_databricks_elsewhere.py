"""Databricks together with the twin's Data Factory and its Logic Apps."""

from typing import Any

import pytest

from tests.twin.bricks import Bricks, result
from tests.twin.door import standing
from tests.twin.stage import ALWAYS, Stage, keys, sample


@pytest.fixture
def bricks(stage: Stage) -> Bricks:
    return Bricks(stage)


async def activity(stage: Stage, run_id: str) -> dict[str, Any]:
    answer = await stage.arm("POST", f"/pipelineruns/{run_id}/queryActivityruns", ALWAYS)
    return dict(answer.raise_for_status().json()["value"][0])


async def asked_by(bricks: Bricks, job: str) -> list[tuple[str, str]]:
    runs = (await bricks.stage.get("databricks/dbx-twin/runs", job=job))["runs"]
    return [(run["askedBy"], run["requestId"]) for run in runs]


async def test_a_pipeline_fails_with_the_job_that_its_activity_runs_and_a_rerun_runs_it_anew(bricks: Bricks):
    await bricks.job("orders", "FileNotFound", "Succeeded")
    await bricks.stage.pipeline("nightly", jobs=["dbx-twin/orders"])
    first = await bricks.stage.trigger("nightly")
    failed = await bricks.stage.ended(first)
    step = await activity(bricks.stage, first)

    second = (await bricks.stage.post(f"runs/{first}/rerun"))["runId"]

    assert failed["status"] == "Failed"
    assert failed["message"].startswith("Operation on target Run orders failed: Databricks execution failed with error")
    assert (step["activityType"], step["error"]["errorCode"]) == ("DatabricksNotebook", "3204")
    assert set(sample("adf-activity-output-databricks-notebook.json")) - {"runOutput"} <= set(step["output"])
    run = await bricks.run(step["output"]["runId"])
    assert run["run_page_url"] == step["output"]["runPageUrl"]
    assert run["run_page_url"] in step["error"]["message"]
    assert (run["run_type"], result(run)) == ("SUBMIT_RUN", "FAILED")
    assert (await bricks.stage.ended(second))["status"] == "Succeeded"
    assert await asked_by(bricks, "orders") == [("data_factory:nightly", first), ("data_factory:nightly", second)]


async def test_a_job_activity_runs_a_job_of_another_workspace(bricks: Bricks):
    made = await bricks.stage.put("databricks/team-1")
    team = Bricks(bricks.stage, "team-1", made["url"], "dapi-twin-team-1")
    await team.job("orders")
    await bricks.stage.pipeline("nightly", jobs=["team-1/orders"], job_activity="DatabricksJob")

    run_id = await bricks.stage.trigger("nightly")
    await bricks.stage.ended(run_id)

    step = await activity(bricks.stage, run_id)
    assert step["activityType"] == "DatabricksJob"
    assert step["output"]["runPageUrl"].startswith(f"{team.url}/?o={made['workspace_id']}#job/")
    assert (await team.run(step["output"]["runId"]))["run_type"] == "JOB_RUN"


async def test_cancelling_a_pipeline_cancels_its_job(bricks: Bricks):
    await bricks.job("orders", "Running")
    await bricks.stage.pipeline("nightly", jobs=["dbx-twin/orders"])
    run_id = await bricks.stage.trigger("nightly")
    await bricks.stage.until(lambda run: run["activities"], lambda: bricks.stage.run(run_id))
    output = (await activity(bricks.stage, run_id))["output"]

    await bricks.stage.post(f"runs/{run_id}/cancel")

    assert set(output) == {"runPageUrl", "runId"}
    assert (await bricks.stage.ended(run_id))["status"] == "Cancelled"
    assert result(await bricks.ended(output["runId"])) == "CANCELED"


async def test_an_activity_without_its_job_fails(bricks: Bricks):
    await bricks.stage.pipeline("nightly", jobs=["dbx-twin/nothing"])

    run = await bricks.stage.ended(await bricks.stage.trigger("nightly"))

    assert run["message"] == "Operation on target Run nothing failed: Job nothing does not exist."


def request(run: dict[str, Any], action: str, **more: Any) -> dict[str, Any]:
    return {
        **sample("prototype/captured_playbook_request_databricks.json"),
        "job_id": run["job_id"],
        "job_name": run["run_name"],
        "cluster_id": run["tasks"][0]["cluster_instance"]["cluster_id"],
        "original_run_id": str(run["run_id"]),
        "remediation_action": action,
        "callback_url": None,
        "idempotency_key": "ticket-1",
        **more,
    }


async def test_a_playbook_runs_the_job_anew(bricks: Bricks):
    run = await bricks.failed("orders", "FileNotFound", "Succeeded")
    url = await bricks.stage.workflow("retry-job")

    answer = (await bricks.stage.http.post(url, json=request(run, "retry_job"))).json()

    assert set(answer) == set(sample("prototype/contract_logicapp_response_v1_databricks_job.json"))
    assert answer["run_id"] != str(run["run_id"])
    assert result(await bricks.ended(int(answer["run_id"]))) == "SUCCESS"
    starts = (await bricks.stage.get("starts"))["starts"]
    assert [(one["run_id"], one["asked_by"], one["key"]) for one in starts] == [
        (answer["run_id"], "logic_app:retry-job", "ticket-1")
    ]
    assert f"http://{starts[0]['resource']}" == bricks.stage.base_url


async def test_a_playbook_may_repair_the_run_and_call_back_at_its_end(bricks: Bricks):
    run = await bricks.failed("orders", "FileNotFound", "FileNotFound")
    url = await bricks.stage.workflow("retry-job", rerun="repair", callbacks=1, behaviour="202_empty")

    async with standing() as door:
        asked = request(run, "retry_job", original_run_id=f"{run['run_id']}:repair:1", callback_url=door.url)
        answer = await bricks.stage.http.post(url, json=asked)
        await bricks.stage.until(lambda came: came, lambda: came_to(door))

    assert (answer.status_code, answer.content) == (202, b"")
    assert door.came[0]["remediation_run_id"] == str(run["run_id"])
    assert (door.came[0]["status"], door.came[0]["success"]) == ("Failed", False)
    again = await bricks.run(run["run_id"], include_history="true")
    assert [one["type"] for one in again["repair_history"]] == ["ORIGINAL", "REPAIR"]
    start = (await bricks.stage.get("starts"))["starts"][0]
    repair_id = again["repair_history"][1]["id"]
    assert (start["run_id"], start["status"]) == (f"{run['run_id']}:repair:{repair_id}", "Failed")


async def came_to(door: Any) -> list[dict[str, Any]]:
    return list(door.came)


@pytest.mark.parametrize(
    ("action", "told", "plan", "like"),
    [
        (
            "restart_cluster",
            {},
            {"needs": {"restarted": True}},
            "contract_callback_cluster_job_restarted.json",
        ),
        (
            "scale_up_cluster",
            {"num_workers": 2},
            {"needs": {"workers": 4}},
            "contract_callback_cluster_job_restarted.json",
        ),
        (
            "reinstall_libraries",
            {"libraries": [{"library": {"pypi": {"package": "x"}}, "installs": ["FAILED", "INSTALLED"], "seconds": 0}]},
            {"needs": {"libraries": True}},
            "contract_callback_libraries_reinstalled.json",
        ),
    ],
)
async def test_a_playbook_readies_the_cluster_before_it_runs_the_job(bricks: Bricks, action, told, plan, like):
    await bricks.cluster("shared", **told)
    run = await bricks.failed("orders", cluster="shared", **plan)
    url = await bricks.stage.workflow("cluster", callbacks=1, behaviour="accepted")

    async with standing() as door:
        answer = await bricks.stage.http.post(url, json=request(run, action, callback_url=door.url))
        await bricks.stage.until(lambda came: came, lambda: came_to(door))

    assert answer.json()["run_id"] is None
    assert keys(door.came[0]) == keys(sample(f"prototype/{like}"))
    assert door.came[0]["status"] == sample(f"prototype/{like}")["status"]
    assert result(await bricks.ended(int(door.came[0]["remediation_run_id"]))) == "SUCCESS"


async def test_a_playbook_starts_a_cluster_that_is_down_and_says_when_it_cannot(bricks: Bricks):
    await bricks.cluster("shared", state="TERMINATED", starts=["DRIVER_UNREACHABLE"])
    run = await bricks.failed("orders", cluster="shared")
    url = await bricks.stage.workflow("restart-cluster", callbacks=1, behaviour="accepted")

    async with standing() as door:
        await bricks.stage.http.post(url, json=request(run, "restart_cluster", callback_url=door.url))
        await bricks.stage.until(lambda came: came, lambda: came_to(door))

    assert keys(sample("prototype/contract_callback_cluster_failed.json")) <= keys(door.came[0])
    assert (door.came[0]["status"], door.came[0]["error_message"]) == ("Failed", "Cluster failed to restart")
    assert len(await asked_by(bricks, "orders")) == 1


async def test_a_playbook_refuses_an_action_it_does_not_know(bricks: Bricks):
    run = await bricks.failed("orders", "FileNotFound")
    url = await bricks.stage.workflow("some", supports=["retry_job", "restart_cluster", "reinstall_libraries"])

    answer = (await bricks.stage.http.post(url, json=request(run, "scale_up_cluster"))).json()

    assert answer == sample("prototype/contract_logicapp_response_v1_unsupported_action.json")


async def test_a_playbook_that_cares_starts_nothing_again(bricks: Bricks):
    run = await bricks.failed("orders", "FileNotFound", max_concurrent_runs=5)
    url = await bricks.stage.workflow("retry-job", deduplicates=True)

    answers = [(await bricks.stage.http.post(url, json=request(run, "retry_job"))).json() for _ in range(2)]

    assert answers[0]["run_id"] == answers[1]["run_id"]
    assert len(await asked_by(bricks, "orders")) == 2
