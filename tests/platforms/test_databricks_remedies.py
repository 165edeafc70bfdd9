"""A repair starts at most once, and is found again when its answer was lost."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipemend.core.attempt import Attempt, Declined, Progress, Running, Stage, Unknown
from pipemend.core.clock import WallClock
from pipemend.core.run import RunRef
from pipemend.platforms.databricks import Databricks
from pipemend.platforms.databricks.remedies import RetryJob, parameters
from tests.clients.attempts import attempt
from tests.platforms.tiny_databricks import RESOURCE, TinyDatabricks, connected


@pytest.fixture
def tiny() -> TinyDatabricks:
    return TinyDatabricks()


def attempt_for(run_id: int, tiny: TinyDatabricks, **more: Any) -> Attempt:
    called = datetime.fromtimestamp(tiny.now / 1000, UTC)
    told: dict[str, Any] = {
        "key": "DBX-20261124T101500-1f496d07ab-1",
        "platform": "databricks",
        "resource": RESOURCE.id,
        "pipeline": "nightly-load",
        "remediation_action": "retry_job",
        "run_group_id": str(run_id),
        "original_run_id": str(run_id),
        "reference_run_id": str(run_id),
        "created_at": called,
        "started_at": called,
    }
    return attempt(**{**told, **more})


async def advance(dbx: Databricks, given: Attempt) -> Progress:
    async def at_once(_: float) -> None:
        return None

    return await RetryJob(dbx.workspaces, WallClock(), at_once).advance(given, Stage())


async def test_it_repairs_the_failed_tasks(tiny: TinyDatabricks):
    run_id = tiny.fails()
    async with connected(tiny) as dbx:
        progress = await advance(dbx, attempt_for(run_id, tiny))
    assert isinstance(progress, Running)
    assert progress.rerun.run_id == f"{run_id}:repair:9001"
    assert tiny.sent("jobs/runs/repair") == [{"run_id": run_id, "rerun_all_failed_tasks": True}]


async def test_the_next_repair_names_the_one_before(tiny: TinyDatabricks):
    run_id = tiny.fails()
    tiny.repaired(run_id)
    tiny.ends(run_id, "FAILED")
    async with connected(tiny) as dbx:
        again = attempt_for(run_id, tiny, reference_run_id=f"{run_id}:repair:9001")
        progress = await advance(dbx, again)
    assert isinstance(progress, Running)
    assert progress.rerun.run_id == f"{run_id}:repair:9002"
    assert tiny.sent("jobs/runs/repair")[0]["latest_repair_id"] == 9001


@pytest.mark.parametrize(
    "message",
    [
        "latest_repair_id 7 is not the latest repair",
        "The latest repair ID needs to be provided in order to create a new repair",
        "The provided latest repair ID 7 does not match the latest repair ID of run 8.",
    ],
)
async def test_somebody_elses_repair_in_between_is_no_end(tiny: TinyDatabricks, message: str):
    run_id = tiny.fails()
    tiny.trouble("runs/repair", status=400, body={"error_code": "INVALID_PARAMETER_VALUE", "message": message})
    async with connected(tiny) as dbx:
        stale = await advance(dbx, attempt_for(run_id, tiny))
        tiny.repaired(run_id)
        running = await advance(dbx, attempt_for(run_id, tiny))
    assert isinstance(stale, Declined)
    assert isinstance(running, Declined)
    assert not stale.final
    assert not running.final
    assert len(tiny.sent("jobs/runs/repair")) == 0  # the trouble kept the first from the work


@pytest.mark.parametrize(
    ("status", "code", "final"),
    [(400, "INVALID_PARAMETER_VALUE", True), (403, "PERMISSION_DENIED", True), (400, "INVALID_STATE", False)],
)
async def test_a_refusal_says_whether_it_lasts(tiny: TinyDatabricks, status: int, code: str, final: bool):
    run_id = tiny.fails()
    tiny.trouble("runs/repair", status=status, body={"error_code": code, "message": "no"}, times=9)
    async with connected(tiny) as dbx:
        progress = await advance(dbx, attempt_for(run_id, tiny))
    assert isinstance(progress, Declined)
    assert progress.final is final


async def test_a_service_that_is_away_may_have_started_it(tiny: TinyDatabricks):
    run_id = tiny.fails()
    body = {"error_code": "TEMPORARILY_UNAVAILABLE", "message": "Service Unavailable."}
    tiny.trouble("runs/repair", status=503, body=body, times=9)
    async with connected(tiny) as dbx:
        progress = await advance(dbx, attempt_for(run_id, tiny))
    assert isinstance(progress, Unknown)
    assert tiny.called("runs/repair") == 1


async def test_a_run_without_failed_tasks_is_run_again_as_it_was(tiny: TinyDatabricks):
    run_id = tiny.fails(
        overriding_parameters={"notebook_params": {"day": "2026-11-24"}},
        job_parameters=[{"name": "tenant", "default": "a", "value": "b"}, {"name": "mode", "default": "full"}],
    )
    tiny.runs[run_id]["tasks"] = []
    async with connected(tiny) as dbx:
        progress = await advance(dbx, attempt_for(run_id, tiny))
    assert isinstance(progress, Running)
    [body] = tiny.sent("jobs/run-now")
    assert body == {
        "job_id": 11223344,
        "idempotency_token": "DBX-20261124T101500-1f496d07ab-1",
        "notebook_params": {"day": "2026-11-24"},
        "job_parameters": {"tenant": "b", "mode": "full"},
    }
    assert parameters(tiny.runs[int(progress.rerun.run_id)]) == {}


async def test_a_lost_answer_of_run_now_is_asked_for_again(tiny: TinyDatabricks):
    run_id = tiny.fails()
    tiny.runs[run_id]["tasks"] = []
    tiny.trouble("run-now", status=504, body="gateway", after=True)
    async with connected(tiny) as dbx:
        progress = await advance(dbx, attempt_for(run_id, tiny))
    assert isinstance(progress, Running)
    assert len(tiny.runs) == 2
    assert len(tiny.sent("jobs/run-now")) == 2


async def test_a_lost_answer_of_a_repair_is_looked_for_and_not_repeated(tiny: TinyDatabricks):
    run_id = tiny.fails()
    tiny.trouble("runs/repair", status=504, body="gateway", after=True)
    async with connected(tiny) as dbx:
        given = attempt_for(run_id, tiny)
        progress = await advance(dbx, given)
        [found] = await dbx.remedies["retry_job"].started(given)
    assert isinstance(progress, Unknown)
    assert (found.run_id, found.same_group, found.manual) == (f"{run_id}:repair:9001", True, True)
    assert len(tiny.sent("jobs/runs/repair")) == 1


async def test_an_older_repair_is_nobodys_rerun(tiny: TinyDatabricks):
    run_id = tiny.fails()
    tiny.repaired(run_id)
    tiny.ends(run_id, "FAILED")
    tiny.now += 600_000
    async with connected(tiny) as dbx:
        assert await dbx.remedies["retry_job"].started(attempt_for(run_id, tiny)) == []


async def test_a_playbook_may_have_run_the_job_as_a_whole(tiny: TinyDatabricks):
    run_id = tiny.fails()
    other = tiny.begins(trigger="ONE_TIME")
    tiny.begins(trigger="PERIODIC")
    async with connected(tiny) as dbx:
        given = attempt_for(run_id, tiny)
        direct = await dbx.remedies["retry_job"].started(given)
        [found] = await dbx.remedies["retry_job"].started(replace(given, via="playbook"))
    assert direct == []
    assert (found.run_id, found.same_group) == (str(other), False)


async def test_later_work_is_a_repair_or_a_run_by_hand_of_a_scheduled_job(tiny: TinyDatabricks):
    run_id = tiny.fails(job_parameters=[{"name": "day", "value": "1"}])
    tiny.now += 60_000
    tiny.repaired(run_id)
    tiny.fails(trigger="ONE_TIME", job_parameters=[{"name": "day", "value": "2"}])
    mine = tiny.fails(trigger="ONE_TIME", job_parameters=[{"name": "day", "value": "1"}])
    tiny.fails(job_parameters=[{"name": "day", "value": "1"}])
    async with connected(tiny) as dbx:
        run = await dbx.run(RunRef("databricks", RESOURCE.id, str(run_id)))
        assert run is not None
        later = await dbx.later(run)
    assert [one.ref.run_id for one in later] == [f"{run_id}:repair:9001", str(mine)]


async def test_it_finds_the_runs_that_a_cluster_took_down(tiny: TinyDatabricks):
    told = [tiny.fails(f"job-{number}") for number in range(5)]
    tiny.fails("elsewhere")
    for run_id in told:
        tiny.runs[run_id]["tasks"][0]["cluster_instance"] = {"cluster_id": "c-1"}
    from pipemend.core.alert import Alert

    at = datetime.fromtimestamp(tiny.now / 1000, UTC)
    async with connected(tiny) as dbx:
        alert = Alert(platform="databricks", activity="c-1", activity_type="cluster", failed_at=at)
        found = await dbx.find(alert)
        assert await dbx.find(replace(alert, failed_at=at - timedelta(days=1))) == []
    assert {run.ref.run_id for run in found} == {str(run_id) for run_id in told}


async def test_a_playbook_is_told_the_job_and_its_cluster(tiny: TinyDatabricks):
    run_id = tiny.fails()
    tiny.runs[run_id]["tasks"][0]["existing_cluster_id"] = "c-1"
    async with connected(tiny) as dbx:
        told = await dbx.details(attempt_for(run_id, tiny))
    assert told == {"job_name": "nightly-load", "job_id": "11223344", "cluster_id": "c-1"}
