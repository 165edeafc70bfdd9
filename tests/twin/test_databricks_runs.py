"""Jobs of a Databricks workspace: runs, their tasks, repairs and outputs."""

import asyncio

import pytest

from tests.twin.bricks import Bricks, latest, result
from tests.twin.stage import Stage, keys, sample


@pytest.fixture
def bricks(stage: Stage) -> Bricks:
    return Bricks(stage)


async def test_a_job_fails_as_often_as_it_is_told_and_then_succeeds(bricks: Bricks):
    await bricks.job("orders", "FileNotFound", "FileNotFound", "Succeeded")

    ends = [result(await bricks.ended(await bricks.trigger("orders"))) for _ in range(3)]

    assert ends == ["FAILED", "FAILED", "SUCCESS"]


async def test_a_notebook_that_raised_shows_its_reason_in_the_output_of_its_task_alone(bricks: Bricks):
    run = await bricks.failed("orders", "NotebookError")
    task = run["tasks"][0]

    output = await bricks.read("jobs/runs/get-output", run_id=task["run_id"])

    assert run["state"]["life_cycle_state"] == "INTERNAL_ERROR"
    assert run["state"]["state_message"] == (
        "Task main failed with message: Workload failed, see run output for details."
    )
    assert run["status"]["termination_details"]["code"] == "RUN_EXECUTION_ERROR"
    assert task["state"]["life_cycle_state"] == "TERMINATED"
    assert task["state"]["state_message"] == "Workload failed, see run output for details"
    assert output["error"].startswith("AnalysisException: [UNRESOLVED_COLUMN")
    assert "Traceback (most recent call last)" in output["error_trace"]
    assert output["metadata"]["task_key"] == "main"
    assert output["metadata"]["job_run_id"] == output["metadata"]["parent_run_id"] == run["run_id"]
    assert output["metadata"]["tasks"][0]["run_id"] == output["metadata"]["run_id"] == task["run_id"]
    assert "\x1b[0;31mAnalysisException\x1b[0m" in output["error_trace"]


@pytest.mark.parametrize(("shape", "names"), [("both", {"state", "status"}), ("old", {"state"}), ("new", {"status"})])
async def test_a_workspace_tells_states_in_the_older_shape_the_newer_or_both(bricks: Bricks, shape, names):
    run_id = (await bricks.failed("orders", "NotebookError"))["run_id"]
    await bricks.stage.put("databricks/dbx-twin", state_shape=shape)

    run = await bricks.run(run_id, include_history="true")

    shown = [run, run["tasks"][0], run["repair_history"][0]]
    assert [{"state", "status"} & set(one) for one in shown] == [names] * 3


async def test_the_two_shapes_may_contradict_each_other(bricks: Bricks):
    run_id = (await bricks.failed("orders", "NotebookError"))["run_id"]
    await bricks.stage.put("databricks/dbx-twin", state_shape="contradicting")

    run = await bricks.run(run_id)

    assert (run["state"]["life_cycle_state"], run["status"]["state"]) == ("RUNNING", "TERMINATED")


TASKS = [
    {"key": "extract", "outcomes": ["Throttled", "Succeeded"], "duration": 0.01},
    {"key": "lookup", "duration": 0.01},
    {"key": "merge", "depends_on": ["extract", "lookup"], "duration": 0.01},
    {"key": "report", "depends_on": ["merge"], "run_if": "ALL_DONE", "duration": 0.01},
    {"key": "alarm", "depends_on": ["merge"], "run_if": "AT_LEAST_ONE_FAILED", "duration": 0.01},
]


async def test_what_depends_on_a_failed_task_is_skipped(bricks: Bricks):
    run = await bricks.failed("nightly", tasks=TASKS[:3])

    tasks = latest(run)

    assert {key: one["state"]["result_state"] for key, one in tasks.items()} == {
        "extract": "FAILED",
        "lookup": "SUCCESS",
        "merge": "UPSTREAM_FAILED",
    }
    assert tasks["merge"]["state"]["life_cycle_state"] == "SKIPPED"
    assert tasks["merge"]["start_time"] == 0
    assert run["state"]["state_message"].endswith("This caused all downstream tasks to get skipped.")


async def test_a_run_whose_last_tasks_went_well_succeeded_with_failures(bricks: Bricks):
    await bricks.job("nightly", tasks=TASKS)

    run = await bricks.ended(await bricks.trigger("nightly"))

    assert result(run) == "SUCCESS_WITH_FAILURES"
    assert run["status"]["termination_details"]["type"] == "SUCCESS"
    assert {key: one["state"]["result_state"] for key, one in latest(run).items()} == {
        "extract": "FAILED",
        "lookup": "SUCCESS",
        "merge": "UPSTREAM_FAILED",
        "report": "SUCCESS",
        "alarm": "EXCLUDED",
    }


async def test_a_task_is_retried_as_its_job_says_and_every_attempt_is_shown(bricks: Bricks):
    await bricks.job("orders", "Throttled", "Throttled", "Succeeded", max_retries=2, retry_seconds=0.01)

    run = await bricks.ended(await bricks.trigger("orders"))

    assert result(run) == "SUCCESS"
    assert {(one["attempt_number"], one["state"]["result_state"]) for one in run["tasks"]} == {
        (0, "FAILED"),
        (1, "FAILED"),
        (2, "SUCCESS"),
    }
    assert len({one["run_id"] for one in run["tasks"]}) == 3


async def test_a_repair_runs_the_failed_tasks_again_in_the_same_run(bricks: Bricks):
    run_id = (await bricks.failed("nightly", tasks=TASKS[:3]))["run_id"]

    repair = await bricks.act("jobs/runs/repair", run_id=run_id, rerun_all_failed_tasks=True)
    run = await bricks.ended(run_id, include_history="true")

    assert result(run) == "SUCCESS"
    assert {key: one["attempt_number"] for key, one in latest(run).items()} == {"extract": 1, "lookup": 0, "merge": 1}
    original, repaired = run["repair_history"]
    assert (original["type"], original["state"]["result_state"]) == ("ORIGINAL", "FAILED")
    assert (repaired["type"], repaired["id"], repaired["state"]["result_state"]) == (
        "REPAIR",
        repair["repair_id"],
        "SUCCESS",
    )
    assert len(original["task_run_ids"]) == 3
    assert len(repaired["task_run_ids"]) == 2


async def test_a_second_repair_has_to_name_the_first(bricks: Bricks):
    run_id = (await bricks.failed("orders", "FileNotFound"))["run_id"]
    first = (await bricks.act("jobs/runs/repair", run_id=run_id, rerun_tasks=["main"]))["repair_id"]
    await bricks.ended(run_id)

    without = await bricks.ask("POST", "jobs/runs/repair", run_id=run_id, rerun_tasks=["main"])
    stale = await bricks.ask("POST", "jobs/runs/repair", run_id=run_id, rerun_tasks=["main"], latest_repair_id=1)
    right = await bricks.ask("POST", "jobs/runs/repair", run_id=run_id, rerun_tasks=["main"], latest_repair_id=first)

    assert (without.status_code, stale.status_code, right.status_code) == (400, 400, 200)
    assert without.json() == {
        "error_code": "INVALID_PARAMETER_VALUE",
        "message": "The latest repair ID needs to be provided in order to create a new repair",
    }
    assert right.json()["repair_id"] != first


@pytest.mark.parametrize(
    "given", [{}, {"rerun_tasks": ["main"], "rerun_all_failed_tasks": True}, {"rerun_tasks": ["other"]}]
)
async def test_a_repair_that_makes_no_sense_is_refused(bricks: Bricks, given):
    run_id = (await bricks.failed("orders", "FileNotFound"))["run_id"]

    assert (await bricks.ask("POST", "jobs/runs/repair", run_id=run_id, **given)).status_code == 400


async def test_a_run_in_progress_cannot_be_repaired(bricks: Bricks):
    await bricks.job("orders", "Running")
    run_id = await bricks.trigger("orders")

    refused = await bricks.ask("POST", "jobs/runs/repair", run_id=run_id, rerun_all_failed_tasks=True)

    assert (refused.status_code, refused.json()["error_code"]) == (400, "INVALID_STATE")


async def test_a_known_token_starts_nothing_again(bricks: Bricks):
    job_id = await bricks.job("orders", "FileNotFound", max_concurrent_runs=5)

    asked = [await bricks.act("jobs/run-now", job_id=job_id, idempotency_token="ticket-1") for _ in range(3)]
    await bricks.ended(asked[0]["run_id"])
    late = await bricks.act("jobs/run-now", job_id=str(job_id), idempotency_token="ticket-1")
    other = await bricks.act("jobs/run-now", job_id=job_id, idempotency_token="ticket-2")

    assert {one["run_id"] for one in (*asked, late)} == {asked[0]["run_id"]}
    assert other["run_id"] != late["run_id"]
    refused = await bricks.ask("POST", "jobs/run-now", job_id=job_id, idempotency_token="x" * 65)
    assert refused.status_code == 400


async def test_parameters_are_shown_and_kept_for_a_repair(bricks: Bricks):
    job_id = await bricks.job("orders", "FileNotFound", "Succeeded", parameters={"day": "today", "mode": "full"})
    run_id = (await bricks.act("jobs/run-now", job_id=job_id, job_parameters={"day": "2025-11-24"}))["run_id"]
    await bricks.ended(run_id)
    await bricks.act("jobs/runs/repair", run_id=run_id, rerun_all_failed_tasks=True)

    run = await bricks.ended(run_id)

    assert {one["name"]: one["value"] for one in run["job_parameters"]} == {"day": "2025-11-24", "mode": "full"}


async def test_beyond_the_limit_a_run_is_skipped_or_queued(bricks: Bricks):
    await bricks.job("strict", {"duration": 0.3})
    await bricks.job("patient", {"duration": 0.1}, queue=True)
    await bricks.trigger("strict")
    await bricks.trigger("patient")
    skipped = await bricks.ended(await bricks.trigger("strict"))
    queued_id = await bricks.trigger("patient")
    queued = await bricks.run(queued_id)

    assert (skipped["state"]["life_cycle_state"], result(skipped)) == ("SKIPPED", "MAXIMUM_CONCURRENT_RUNS_REACHED")
    assert skipped["status"]["termination_details"]["code"] == "MAX_CONCURRENT_RUNS_EXCEEDED"
    assert queued["status"]["state"] == "QUEUED"
    assert queued["status"]["queue_details"]["code"] == "MAX_CONCURRENT_RUNS_REACHED"
    assert result(await bricks.ended(queued_id)) == "SUCCESS"


async def test_a_run_can_be_cancelled(bricks: Bricks):
    await bricks.job("orders", "Running")
    run_id = await bricks.trigger("orders")

    await bricks.act("jobs/runs/cancel", run_id=run_id)
    going = await bricks.run(run_id)
    run = await bricks.ended(run_id)

    assert going["state"]["life_cycle_state"] == "TERMINATING"
    assert (run["state"]["life_cycle_state"], result(run)) == ("TERMINATED", "CANCELED")
    assert run["state"]["user_cancelled_or_timedout"]
    assert run["status"]["termination_details"]["code"] == "USER_CANCELED"


@pytest.mark.parametrize(
    ("outcome", "life", "end", "code", "kind"),
    [
        ("TimedOut", "TERMINATED", "TIMEDOUT", "CANCELED", "CLIENT_ERROR"),
        ("InternalError", "INTERNAL_ERROR", "FAILED", "INTERNAL_ERROR", "INTERNAL_ERROR"),
        ("DriverNotResponding", "INTERNAL_ERROR", "FAILED", "DRIVER_ERROR", "CLIENT_ERROR"),
        (
            "CLUSTER_REQUEST_LIMIT_EXCEEDED",
            "INTERNAL_ERROR",
            "FAILED",
            "CLUSTER_REQUEST_LIMIT_EXCEEDED",
            "CLIENT_ERROR",
        ),
        ({"code": "CLOUD_FAILURE", "message": "away"}, "INTERNAL_ERROR", "FAILED", "CLOUD_FAILURE", "CLOUD_FAILURE"),
    ],
)
async def test_a_run_ends_by_any_termination_code(bricks: Bricks, outcome, life, end, code, kind):
    await bricks.job("orders", outcome)

    run = await bricks.ended(await bricks.trigger("orders"))

    details = run["status"]["termination_details"]
    assert (run["state"]["life_cycle_state"], result(run)) == (life, end)
    assert (details["code"], details["type"]) == (code, kind)


async def test_the_list_is_newest_first_in_pages_that_new_runs_do_not_shift(bricks: Bricks):
    await bricks.job("orders", max_concurrent_runs=50)
    started = []
    for _ in range(7):
        started.append(await bricks.trigger("orders"))
        await asyncio.sleep(0.002)
    first = await bricks.read("jobs/runs/list", limit=3)
    await bricks.trigger("orders")
    second = await bricks.read("jobs/runs/list", limit=3, page_token=first["next_page_token"])
    third = await bricks.read("jobs/runs/list", limit=3, page_token=second["next_page_token"])

    found = [run["run_id"] for page in (first, second, third) for run in page["runs"]]

    assert found == started[::-1]
    assert [page["has_more"] for page in (first, second, third)] == [True, True, False]
    assert "tasks" not in first["runs"][0]
    back = await bricks.read("jobs/runs/list", limit=3, page_token=third["prev_page_token"])
    assert [run["run_id"] for run in back["runs"]] == found[3:6]


async def test_the_list_can_be_narrowed(bricks: Bricks):
    job_id = await bricks.job("orders", "FileNotFound")
    await bricks.job("slow", "Running")
    over = await bricks.ended(await bricks.trigger("orders"))
    going = await bricks.trigger("slow")

    async def listed(**given: object) -> list[int]:
        return [run["run_id"] for run in (await bricks.read("jobs/runs/list", **given)).get("runs", [])]

    assert await listed(completed_only="true") == [over["run_id"]]
    assert await listed(active_only="true") == [going]
    assert await listed(job_id=job_id) == [over["run_id"]]
    assert await listed(start_time_to=over["start_time"] - 1) == []
    assert len(await listed(start_time_from=over["start_time"])) == 2
    assert (await bricks.ask("GET", "jobs/runs/list", active_only="true", completed_only="true")).status_code == 400
    assert (await bricks.ask("GET", "jobs/runs/list", limit=26)).status_code == 400
    assert (await bricks.ask("GET", "jobs/runs/list", page_token="rubbish")).status_code == 400
    expanded = await bricks.read("jobs/runs/list", completed_only="true", expand_tasks="true")
    assert expanded["runs"][0]["tasks"][0]["task_key"] == "main"


async def test_pages_are_as_small_as_told(bricks: Bricks):
    await bricks.stage.put("databricks/dbx-twin", page_size=1)
    await bricks.job("orders", max_concurrent_runs=5)
    for _ in range(2):
        await bricks.trigger("orders")

    page = await bricks.read("jobs/runs/list", limit=25)

    assert (len(page["runs"]), page["has_more"]) == (1, True)


async def test_a_deleted_run_is_not_there_and_its_token_is_refused(bricks: Bricks):
    job_id = await bricks.job("orders", "FileNotFound")
    run_id = (await bricks.act("jobs/run-now", job_id=job_id, idempotency_token="ticket-1"))["run_id"]
    await bricks.ended(run_id)

    await bricks.stage.http.delete(f"/twin/databricks/dbx-twin/runs/{run_id}")

    assert (await bricks.ask("GET", "jobs/runs/get", run_id=run_id)).json()[
        "message"
    ] == f"Run {run_id} does not exist."
    assert (await bricks.ask("POST", "jobs/run-now", job_id=job_id, idempotency_token="ticket-1")).status_code == 400
    assert (await bricks.stage.get("starts"))["starts"] == []


async def test_a_new_run_is_seen_late_when_told(bricks: Bricks):
    await bricks.stage.put("databricks/dbx-twin", visible_after=0.2, found_after=0.1)
    await bricks.job("orders", "Running")
    run_id = await bricks.trigger("orders")

    early = (await bricks.ask("GET", "jobs/runs/get", run_id=run_id)).json()
    listed = await bricks.read("jobs/runs/list")

    assert early["message"] == f"Run {run_id} does not exist."
    assert "runs" not in listed
    await bricks.stage.until(lambda page: page.get("runs"), lambda: bricks.read("jobs/runs/list"))


async def test_a_run_of_many_tasks_is_told_in_pages(bricks: Bricks):
    await bricks.job("wide", tasks=[{"key": f"t{n}", "duration": 0} for n in range(130)])
    run_id = await bricks.trigger("wide")
    first = await bricks.ended(run_id)
    second = await bricks.run(run_id, page_token=first["next_page_token"])

    assert (len(first["tasks"]), len(second["tasks"])) == (100, 30)
    assert not {one["run_id"] for one in first["tasks"]} & {one["run_id"] for one in second["tasks"]}


async def test_the_output_of_a_run_with_several_tasks_is_refused(bricks: Bricks):
    run_id = (await bricks.failed("nightly", tasks=TASKS[:3]))["run_id"]

    refused = await bricks.ask("GET", "jobs/runs/get-output", run_id=run_id)

    assert refused.status_code == 400
    assert refused.json()["message"].startswith("Retrieving the output of runs with multiple tasks is not supported.")


async def test_a_notebook_may_leave_an_output(bricks: Bricks):
    await bricks.job("orders", {"output": "142000 rows"})
    run = await bricks.ended(await bricks.trigger("orders"))

    output = await bricks.read("jobs/runs/get-output", run_id=run["tasks"][0]["run_id"])

    assert output["notebook_output"] == {"result": "142000 rows", "truncated": False}
    assert "error" not in output


async def test_jobs_can_be_looked_up(bricks: Bricks):
    job_id = await bricks.job("orders", parameters={"day": "today"})
    await bricks.job("nightly", tasks=TASKS)

    job = await bricks.read("jobs/get", job_id=job_id)
    listed = await bricks.read("jobs/list", name="NIGHTLY", expand_tasks="true")

    assert job["settings"]["parameters"] == [{"name": "day", "default": "today"}]
    assert [task["task_key"] for task in listed["jobs"][0]["settings"]["tasks"]] == [task["key"] for task in TASKS]
    assert len((await bricks.read("jobs/list"))["jobs"]) == 2
    unknown = await bricks.ask("GET", "jobs/get", job_id=1)
    assert unknown.json() == {"error_code": "INVALID_PARAMETER_VALUE", "message": "Job 1 does not exist."}


async def test_a_person_may_repair_cancel_and_finish(bricks: Bricks):
    run_id = (await bricks.failed("orders", "FileNotFound", "Running"))["run_id"]

    await bricks.stage.post(f"databricks/dbx-twin/runs/{run_id}/repair")
    await bricks.stage.post(f"databricks/dbx-twin/runs/{run_id}/finish", outcome="Succeeded")

    assert result(await bricks.run(run_id)) == "SUCCESS"
    acts = (await bricks.stage.get("databricks/dbx-twin/acts"))["acts"]
    assert [(one["act"], one["by"]) for one in acts] == [("repair", "person")]
    assert (await bricks.stage.http.post(f"/twin/databricks/dbx-twin/runs/{run_id}/cancel", json={})).status_code == 409


async def test_runs_look_like_published_ones(bricks: Bricks):
    published = sample("databricks-run-get-user-code-failed.json")
    tasks = sample("databricks-run-tasks-library-install-failed.json")["tasks"]
    cluster = await bricks.cluster("shared")

    run = await bricks.failed(
        "orders",
        "LibraryInstallation",
        cluster="shared",
        libraries=[{"jar": "dbfs:/mnt/databricks/OrderIngest.jar"}],
    )

    assert set(published) - {"result_state"} <= set(run)
    assert keys(published["state"]) <= keys(run["state"])
    unlike = {"spark_jar_task", "description", "job_cluster_key"}
    assert set(tasks[2]) | set(tasks[0]) <= set(run["tasks"][0]) | unlike
    assert run["tasks"][0]["cluster_instance"]["cluster_id"] == cluster
    assert run["tasks"][0]["state"]["state_message"].startswith("Library installation failed for library due to user")
