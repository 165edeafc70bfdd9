"""However often, in whatever order and through whichever door Databricks tells of one failure: it is one ticket."""

import json
from collections.abc import AsyncIterator
from itertools import permutations

import pytest

from pipemend.analyzers.rules import Rules
from pipemend.core.attempt import AttemptStatus
from pipemend.core.playbook import Playbooks
from pipemend.core.ticket import RemediationStatus, Status
from pipemend.platforms.databricks import alerts as notifications
from pipemend.store import alerts
from pipemend.store.database import Database
from tests.flows.test_databricks import BOOK, GATEWAY, Workspace
from tests.platforms.tiny_databricks import RESOURCE, TinyDatabricks, connected


@pytest.fixture
async def world(database: Database) -> AsyncIterator[Workspace]:
    made = Workspace(database)
    made.tiny = TinyDatabricks()
    async with connected(made.tiny, clock=made.clock) as dbx:
        made.services.platforms = {"databricks": dbx}
        made.services.analyzer = Rules()
        made.services.playbooks = Playbooks({("GatewayTimeout", None): BOOK})
        await made.begin()
        yield made


async def hears(world: Workspace, body: object) -> None:
    """A notification comes in, as the door reads it."""
    reading = notifications.read_body(json.dumps(body).encode(), lambda word: RESOURCE.id)
    assert len(reading.alerts) == 1
    await world.database.write(lambda db: alerts.insert(db, reading.alerts[0], world.clock.now()))


def about_job(run_id: int) -> object:
    return {
        "event_type": "jobs.on_failure",
        "workspace_id": "1234567890",
        "run": {"run_id": str(run_id)},
        "job": {"job_id": "11223344", "name": "nightly-load"},
    }


def about_task(run_id: int) -> object:
    """The task's own run comes first; its job's run is the parent."""
    return {
        "event_type": "jobs.on_failure",
        "workspace_id": 1234567890,
        "task": {"task_key": "main"},
        "run": {"run_id": run_id + 1_000_000, "parent_run_id": run_id},
        "job": {"job_id": 11223344, "name": "nightly-load"},
    }


def about_task_alone(run_id: int) -> object:
    """As some senders flatten it: nothing names the job's run."""
    return {"job_name": "nightly-load", "task_key": "main", "run_id": run_id + 1_000_000, "status": "FAILED"}


SAID = {"job": about_job, "task": about_task, "task alone": about_task_alone}


async def one_repair(world: Workspace, run_id: int) -> None:
    """There is one ticket, one attempt and one repair, and nothing is left to look at."""
    ticket = await world.ticket()
    assert ticket.root_run_id == str(run_id)
    [attempt] = await world.attempts()
    assert attempt.remediation_run_id == f"{run_id}:repair:9001"
    assert len(world.tiny.sent("jobs/runs/repair")) == 1
    assert world.slack.words.count("new_ticket") == 1
    assert await world.broken() == set()


@pytest.mark.parametrize("feed", [0, 2], ids="the feed after {}".format)
async def test_in_whatever_order_a_failure_is_told_it_is_one_ticket(world: Workspace, feed: int) -> None:
    """Every order of the notifications, each for a job of its own; the feed speaks after so many of them."""
    orders = list(permutations(SAID))
    runs = [world.fails(f"job-{number}", GATEWAY, job_id=number) for number in range(len(orders))]
    for step in range(len(SAID) + 1):
        if step == feed:
            await world.after(31)
        for run_id, order in zip(runs, orders, strict=True):
            for word in order[step : step + 1]:
                await hears(world, SAID[word](run_id))
        await world.settle()
    await world.after(31)
    assert sorted(ticket.root_run_id for ticket in await world.tickets()) == sorted(map(str, runs))
    assert sorted(body["run_id"] for body in world.tiny.sent("jobs/runs/repair")) == sorted(runs)
    assert await world.broken() == set()


async def test_all_of_it_at_once_and_twice_is_one_ticket(world: Workspace) -> None:
    run_id = world.fails(error=GATEWAY)
    for word in (*SAID, *SAID):
        await hears(world, SAID[word](run_id))
    await world.after(62)
    await one_repair(world, run_id)


async def test_notifications_that_come_while_the_repair_runs_or_after_it_change_nothing(world: Workspace) -> None:
    run_id = world.fails(error=GATEWAY)
    await world.after(31)
    for word in SAID:
        await hears(world, SAID[word](run_id))
    await world.after(31)
    world.ends(run_id, "SUCCESS")
    await world.after(31)
    healed = await world.ticket()
    assert healed.ack_user == "AI_AUTO_HEAL"
    for word in SAID:
        await hears(world, SAID[word](run_id))
    await world.after(300)
    assert await world.ticket() == healed
    await one_repair(world, run_id)


@pytest.mark.parametrize("first", ["notifications", "the feed"])
async def test_the_notifications_of_a_failed_repair_belong_to_its_ticket(world: Workspace, first: str) -> None:
    run_id = world.fails(error=GATEWAY)
    await world.after(31)
    world.ends(run_id, "FAILED", GATEWAY)
    if first == "the feed":
        await world.after(31)
    for word in SAID:
        await hears(world, SAID[word](run_id))
        await world.settle()
    await world.after(93)
    assert [a.status for a in await world.attempts()] == [AttemptStatus.FAILED, AttemptStatus.IN_PROGRESS]

    world.ends(run_id, "FAILED", GATEWAY)
    for word in SAID:
        await hears(world, SAID[word](run_id))
    await world.after(93)
    ticket = await world.ticket()
    assert (ticket.status, ticket.remediation_status) == (Status.OPEN, RemediationStatus.MAX_RETRIES_EXCEEDED)
    assert len(world.tiny.sent("jobs/runs/repair")) == 2


async def test_an_alert_about_a_repair_whose_answer_was_lost_is_held_and_joins(world: Workspace) -> None:
    world.tiny.trouble("runs/repair", status=504, body="gateway", after=True)
    run_id = world.fails(error=GATEWAY)
    await hears(world, about_job(run_id))
    await world.settle()
    world.ends(run_id, "FAILED", GATEWAY)
    for word in SAID:
        await hears(world, SAID[word](run_id))
    await world.after(300)
    assert len(await world.tickets()) == 1
    assert len(world.tiny.sent("jobs/runs/repair")) == 2  # the second is that of the second attempt
    assert (await world.attempts())[0].status is AttemptStatus.FAILED


async def test_a_workspace_that_does_not_answer_makes_no_second_ticket(world: Workspace) -> None:
    run_id = world.fails(error=GATEWAY)
    world.tiny.trouble("jobs/runs", status=403, body="forbidden for a while", times=1000)
    for word in SAID:
        await hears(world, SAID[word](run_id))
    await world.after(90)
    assert await world.tickets() != []
    world.tiny.no_more_trouble()
    await world.after(180)
    ticket = await world.ticket()
    assert ticket.root_run_id == str(run_id)
    assert len(world.tiny.sent("jobs/runs/repair")) == 1
