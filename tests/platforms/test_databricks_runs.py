"""A job's run in both of its shapes, its repairs, and why it failed."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from pipemend.core.errors import Missing, NotAllowed, Throttled, Unreadable
from pipemend.core.run import RunRef, RunStatus
from pipemend.platforms.databricks.failures import failed_tasks, fault_of, library_faults, termination
from pipemend.platforms.databricks.runs import run_of, runs_of, state_of
from tests.clients.samples import sample
from tests.platforms.tiny_databricks import RESOURCE, TinyDatabricks, connected, ended, running


def ref(run_id: object) -> RunRef:
    return RunRef("databricks", RESOURCE.id, str(run_id))


def status(code: str, state: str = "TERMINATED", **details: str) -> dict[str, Any]:
    return {"state": state, "termination_details": {"code": code, **details}}


@pytest.mark.parametrize(
    ("raw", "means"),
    [
        ({"status": status("SUCCESS")}, RunStatus.SUCCEEDED),
        ({"status": status("SUCCESS_WITH_FAILURES")}, RunStatus.SUCCEEDED),
        ({"status": status("RUN_EXECUTION_ERROR", type="CLIENT_ERROR")}, RunStatus.FAILED),
        ({"status": status("USER_CANCELED")}, RunStatus.CANCELLED),
        ({"status": status("CANCELED"), "state": ended("CANCELED")}, RunStatus.CANCELLED),
        ({"status": status("CANCELED"), "state": ended("TIMEDOUT")}, RunStatus.FAILED),
        ({"status": {"state": "RUNNING"}, "state": ended("FAILED")}, RunStatus.IN_PROGRESS),
        ({"status": {"state": "PONDERING"}, "state": running()}, RunStatus.IN_PROGRESS),
        ({"status": {"state": "PONDERING"}}, RunStatus.UNKNOWN),
        ({"state": ended("SUCCESS")}, RunStatus.SUCCEEDED),
        ({"state": ended("FAILED")}, RunStatus.FAILED),
        ({"state": ended("TIMEDOUT")}, RunStatus.FAILED),
        ({"state": {"life_cycle_state": "SKIPPED"}}, RunStatus.FAILED),
        ({"state": {"life_cycle_state": "WAITING_FOR_RETRY"}}, RunStatus.QUEUED),
        ({"state": {"life_cycle_state": "TERMINATING"}}, RunStatus.CANCELING),
        ({}, RunStatus.UNKNOWN),
        ({"state": "odd", "status": 7}, RunStatus.UNKNOWN),
    ],
)
def test_a_state_is_read_from_either_shape(raw: dict[str, Any], means: RunStatus):
    assert state_of(raw).status is means


def test_it_reads_the_run_that_was_recorded():
    raw = json.loads(sample("databricks-run-get-user-code-failed.json"))
    run = run_of(raw, RESOURCE)
    assert run is not None
    assert (run.ref, run.pipeline, run.status) == (ref(455644833), "test-job-example", RunStatus.FAILED)
    assert run.link == raw["run_page_url"]


def test_it_reads_a_run_that_has_only_the_new_shape():
    run = run_of(json.loads(sample("databricks-run-status-only-minimal.json")), RESOURCE)
    assert run is not None
    assert (run.pipeline, run.status, run.started_at) == ("job 42", RunStatus.SUCCEEDED, None)


def test_a_task_that_only_followed_is_not_blamed():
    raw = json.loads(sample("databricks-run-tasks-library-install-failed.json"))
    failed = failed_tasks(raw)
    assert {task["task_key"] for task in failed} == {"Orders_Ingest", "Sessionize"}
    assert "Library installation failed" in fault_of(failed[0], {}).message


def test_each_repair_is_a_run_of_the_group(tiny: TinyDatabricks):
    run_id = tiny.fails()
    tiny.now += 5000
    tiny.repaired(run_id)
    first, second = runs_of(tiny.runs[run_id], RESOURCE)
    assert (first.ref, first.status) == (ref(run_id), RunStatus.FAILED)
    assert (second.ref, second.status) == (ref(f"{run_id}:repair:9001"), RunStatus.IN_PROGRESS)
    assert (second.group_id, second.manual, second.parent) == (str(run_id), True, None)
    assert first.ended_at is not None
    assert second.started_at is not None
    assert first.ended_at < second.started_at


@pytest.fixture
def tiny() -> TinyDatabricks:
    return TinyDatabricks()


async def test_a_job_that_is_edited_is_defined_otherwise(tiny: TinyDatabricks):
    run_id = tiny.fails()
    async with connected(tiny) as platform:
        run = await platform.run(ref(run_id))
        assert run is not None
        was = await platform.definition(run)
        tiny.settings = dict(reversed(tiny.settings.items()))
        assert was is not None
        assert await platform.definition(run) == was
        tiny.settings["max_concurrent_runs"] = 2
        assert await platform.definition(run) != was

        tiny.runs[run_id]["job_id"] = None
        assert await platform.definition(run) is None


async def test_it_finds_a_run_its_repair_and_its_task(tiny: TinyDatabricks):
    run_id = tiny.fails()
    tiny.repaired(run_id)
    tiny.runs[777] = {"run_id": 777, "job_run_id": run_id}
    async with connected(tiny) as dbx:
        run = await dbx.run(ref(run_id))
        repair = await dbx.run(ref(f"{run_id}:repair:9001"))
        of_task = await dbx.run(ref(777))
        assert await dbx.run(ref(1)) is None
        assert await dbx.run(ref("no-number")) is None
        assert await dbx.run(ref(f"{run_id}:repair:1")) is None
    assert run is not None
    assert repair is not None
    assert (run.status, repair.status) == (RunStatus.FAILED, RunStatus.IN_PROGRESS)
    assert of_task == run


async def test_all_pages_of_tasks_are_read(tiny: TinyDatabricks):
    run_id = tiny.fails()
    tiny.trouble("runs/get", body={**tiny.runs[run_id], "tasks": [{"task_key": "a"}], "next_page_token": "two"})
    async with connected(tiny) as dbx:
        raw = await dbx.workspaces.of(None).run(str(run_id))
    assert raw is not None
    assert [task["task_key"] for task in raw["tasks"]] == ["a", "main"]


async def test_a_run_job_task_leads_to_the_job_that_ran_it(tiny: TinyDatabricks):
    mother = tiny.fails("mother")
    child = tiny.fails(
        "child", error="No such file", trigger="RUN_JOB_TASK", trigger_info={"run_id": mother + 1_000_000}
    )
    tiny.runs[mother + 1_000_000] = {"run_id": mother + 1_000_000, "job_run_id": mother}
    tiny.outputs[mother + 1_000_000] = {"run_job_output": {"run_id": child}}
    async with connected(tiny) as dbx:
        run = await dbx.run(ref(child))
        assert run is not None
        assert run.parent is not None
        root = await dbx.run(run.parent)
        assert root is not None
        failure = await dbx.failure(root)
    assert root.ref == ref(mother)
    assert next(fault.message.partition("\n")[0] for fault in failure.faults) == "No such file"


async def test_the_error_and_its_trace_are_read_from_the_task(tiny: TinyDatabricks):
    run_id = tiny.fails(error="ValueError: bad\npassword=hunter2")
    tiny.outputs[run_id + 1_000_000]["error_trace"] = "Traceback (most recent call last): …"
    async with connected(tiny) as dbx:
        run = await dbx.run(ref(run_id))
        assert run is not None
        failure = await dbx.failure(run)
    assert (failure.fault.activity, failure.fault.activity_type) == ("main", "notebook")
    assert failure.fault.message.startswith("ValueError: bad")
    assert "Traceback" in failure.fault.message
    assert "hunter2" not in failure.fault.message


async def test_a_cluster_that_broke_speaks_first(tiny: TinyDatabricks):
    run_id = tiny.fails(error="The cluster was terminated during the run")
    tiny.runs[run_id]["tasks"][0]["existing_cluster_id"] = "c-1"
    reason = json.loads(sample("databricks-cluster-reason-cloud-launch-failure.json"))
    tiny.clusters["c-1"] = {"cluster_id": "c-1", "cluster_name": "etl", "termination_reason": reason}
    tiny.libraries["c-1"] = [{"library": {"pypi": {"package": "x"}}, "status": "FAILED", "messages": ["boom", "bang"]}]
    async with connected(tiny) as dbx:
        run = await dbx.run(ref(run_id))
        assert run is not None
        cluster, library, task = (await dbx.failure(run)).faults
    assert (cluster.code, cluster.failure_type) == ("CLOUD_PROVIDER_LAUNCH_FAILURE", "CLOUD_FAILURE")
    assert "SubnetIsFull" in cluster.message
    assert (library.activity, "boom bang" in library.message) == ("library x", True)
    assert task.activity == "main"


def test_a_cluster_that_ended_as_it_should_says_nothing():
    raw = json.loads(sample("prototype/real_databricks_clusters_get_terminated.json"))
    assert termination(raw, "c") is None


def test_failed_libraries_are_named_as_people_name_them():
    rows = json.loads(sample("databricks-libraries-cluster-status.json"))["library_statuses"]
    [fault] = library_faults(rows, "c")
    assert fault.activity == "library ada"
    assert "not supported on this spark version" in fault.message


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"body": "<html>Sign in</html>"}, Unreadable),
        ({"body": ["a", "list"]}, Unreadable),
        ({"status": 403, "body": {"message": "nope"}}, NotAllowed),
        ({"status": 400, "body": {"error_code": "REQUEST_LIMIT_EXCEEDED", "message": "nope"}}, Throttled),
        ({"status": 429, "body": {"error_code": "REQUEST_LIMIT_EXCEEDED"}, "headers": {"Retry-After": "0"}}, Throttled),
        ({"status": 404, "body": {"detail": "no such thing", "status": "404"}}, Missing),
    ],
)
async def test_odd_answers_get_names(tiny: TinyDatabricks, answer: dict[str, Any], error: type[Exception]):
    tiny.trouble("clusters/list", times=9, **answer)
    async with connected(tiny) as dbx:
        with pytest.raises(error):
            await dbx.workspaces.of(None).act("2.1/clusters/list", {})


async def test_a_wrong_token_is_named_and_not_told(tiny: TinyDatabricks):
    async with connected(tiny, token="dapi" + "0" * 32) as dbx:
        with pytest.raises(NotAllowed) as told:
            await dbx.run(ref(1))
    assert "Invalid access token" in str(told.value)
    assert "0000" not in str(told.value)


async def test_the_latest_run_of_a_job_is_found_by_its_name(tiny: TinyDatabricks):
    tiny.now = int(datetime.now(UTC).timestamp() * 1000)
    tiny.fails("extract", job_id=7)
    tiny.now += 1000
    run_id = tiny.fails("extract", job_id=7)
    tiny.repaired(run_id)
    async with connected(tiny) as dbx:
        latest = await dbx.latest(RESOURCE, "extract")
        assert await dbx.latest(RESOURCE, "nobody") is None
    assert latest is not None
    assert (latest.ref, latest.status) == (ref(f"{run_id}:repair:9001"), RunStatus.IN_PROGRESS)
