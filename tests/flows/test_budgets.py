"""Budgets: never more reruns at once, or a minute, than allowed; the oldest first; and why the others wait."""

import asyncio
import random
from datetime import datetime, timedelta

import pytest

from pipemend.core.attempt import Attempt, AttemptStatus, Progress, Stage
from pipemend.core.playbook import PipelineRule
from pipemend.core.run import Resource, RunStatus
from pipemend.core.ticket import RemediationStatus
from pipemend.flows import due, intake, starts
from pipemend.store.database import Database
from tests.fakes.factory import FACTORY
from tests.world import World


async def failures(world: World, number: int) -> list[str]:
    """So many pipelines fail, one after the other, and their tickets are open; the failed runs."""
    failed = []
    for _ in range(number):
        failed.append(world.adf.fails(f"load-{len(world.adf.runs)}"))
        await world.hears(world.adf.runs[failed[-1]].pipeline, failed[-1])
        await intake.take_due(world.services)
        world.clock.move(0.01)
    return failed


def running(world: World) -> list[str]:
    """Reruns that run at this moment, by the platform's own word."""
    return [run_id for run_id in world.adf.rerun.started_runs if not world.adf.runs[run_id].ended]


class Watched:
    """Notes at every start how many reruns run, and when it was."""

    def __init__(self, world: World) -> None:
        self.world, self.most = world, 0
        self.times: list[datetime] = []
        self.original = world.adf.rerun.advance

    async def advance(self, attempt: Attempt, stage: Stage) -> Progress:
        progress = await self.original(attempt, stage)
        self.most = max(self.most, len(running(self.world)))
        self.times.append(self.world.clock.now())
        return progress

    def most_within(self, span: timedelta) -> int:
        return max(sum(at <= other < at + span for other in self.times) for at in self.times)


async def test_ten_times_too_much_never_exceeds_a_budget_and_all_get_their_turn(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.policy(max_in_flight=4, starts_per_minute=6)
    watched, dice = Watched(world), random.Random(7)
    monkeypatch.setattr(world.adf.rerun, "advance", watched.advance)
    failed = await failures(world, 40)

    for _ in range(200):
        await asyncio.gather(*(due.take_due(world.services) for _ in range(3)))  # three workers at once
        await world.engine.run_all()
        for run_id in running(world):
            if dice.random() < 0.5:
                world.adf.ends(run_id, RunStatus.SUCCEEDED)
        await world.after(15, step=15)
        if len(watched.times) == len(failed) and not running(world):
            break

    assert watched.most == 4
    assert watched.most_within(timedelta(minutes=1)) == 6
    assert len(world.adf.rerun.calls) == 40
    order = [call.original_run_id for call in world.adf.rerun.calls]
    rounds = [set(order[at : at + 4]) for at in range(0, 40, 4)]
    assert all(abs(failed.index(one) - at * 4) < 12 for at, some in enumerate(rounds) for one in some)
    assert {ticket.remediation_status for ticket in await world.tickets()} == {RemediationStatus.SUCCEEDED}


async def test_the_oldest_get_the_room_there_is_and_the_others_say_once_why_they_wait(world: World) -> None:
    world.policy(max_in_flight=2)
    failed = await failures(world, 5)
    await world.settle()

    assert [call.original_run_id for call in world.adf.rerun.calls] == failed[:2]
    why = "it waits for room: 2 repairs in flight, at most 2 (MAX_REPAIRS_IN_FLIGHT)"
    tickets = await world.tickets()
    assert [ticket.decision["why"] for ticket in tickets[2:]] == [why] * 3
    waiting = [attempt for ticket in tickets[2:] for attempt in await world.attempts(ticket.id)]
    assert {(a.status, a.held) for a in waiting} == {(AttemptStatus.WAITING, why)}

    told = world.slack.words.count("attempt_update")
    revisions = [ticket.revision for ticket in tickets]
    await world.after(120, step=5)
    assert world.slack.words.count("attempt_update") == told
    assert [ticket.revision for ticket in await world.tickets()] == revisions

    world.adf.ends(world.adf.rerun.started_runs[0], RunStatus.SUCCEEDED)
    await world.after(31)
    assert world.adf.rerun.calls[2].original_run_id == failed[2]
    began = (await world.tickets())[2]
    assert began.decision["why"] == "every guardrail agrees"
    assert [a.held for a in await world.attempts(began.id)] == [None]


async def test_a_minutes_budget_lets_the_next_ones_start_when_the_minute_is_over(world: World) -> None:
    world.policy(starts_per_minute=2)
    await failures(world, 3)
    await world.settle()
    assert len(world.adf.rerun.calls) == 2
    last = (await world.tickets())[-1]
    assert last.decision["why"] == "it waits for room: 2 repairs started within a minute, at most 2 (STARTS_PER_MINUTE)"

    await world.after(61, step=61)
    assert len(world.adf.rerun.calls) == 3


async def test_a_rerun_that_a_person_cancels_gives_no_start_of_the_minute_back(world: World) -> None:
    world.policy(starts_per_minute=2)
    await failures(world, 3)
    await world.settle()
    world.adf.ends(world.adf.rerun.started_runs[0], RunStatus.CANCELLED)
    await world.after(31)
    assert [a.status for a in await world.attempts((await world.tickets())[0].id)] == [AttemptStatus.CANCELLED]
    assert len(world.adf.rerun.calls) == 2


async def test_a_crowded_connection_leaves_room_for_the_others(world: World) -> None:
    world.policy(max_in_flight=3, max_in_flight_per_connection=2)
    other = Resource("data_factory", "/subscriptions/s/factories/adf-day", "adf-day")
    world.adf.connections = (FACTORY, other)
    await failures(world, 4)
    late = (await world.tickets())[-1]
    await world.change_ticket(late, resource=other.id, display_resource=other.name)

    await world.settle()

    assert [call.resource_name for call in world.adf.rerun.calls] == ["adf-night", "adf-night", "adf-day"]
    why = "it waits for room: 2 repairs of adf-night in flight, at most 2 (MAX_REPAIRS_PER_CONNECTION)"
    assert (await world.tickets())[2].decision["why"] == why
    world.adf.ends(world.adf.rerun.started_runs[2], RunStatus.SUCCEEDED)
    world.policy(max_in_flight=9)
    await world.after(31)
    assert len(running(world)) == 2


async def test_what_waits_for_room_and_may_never_start_goes_to_people_at_once(world: World) -> None:
    world.policy(max_in_flight=1)
    await failures(world, 2)
    await starts_only(world)
    world.policy(enabled=False)
    await world.settle()
    assert (await world.tickets())[1].decision["answer"] == "never"
    assert (await world.tickets())[1].remediation_status is None


async def starts_only(world: World) -> None:
    await world.database.write(lambda db: starts.claim(db, world.services, world.clock.now()))


async def test_a_pipelines_budget_of_the_day_holds_the_next_one_until_the_first_is_a_day_old(
    database: Database,
) -> None:
    world = World(database, rules=(PipelineRule(match="adf-night/nightly-*", max_repairs_per_day=1),))
    await world.begin()
    world.policy(max_age=timedelta(days=2))
    world.adf.fails("nightly-load")
    await world.after(31)
    first = world.clock.now()
    world.adf.ends(world.adf.rerun.started_runs[0], RunStatus.SUCCEEDED)
    await world.after(31)

    world.adf.fails("nightly-load")
    await world.after(31)

    assert len(world.adf.rerun.calls) == 1
    held = (await world.tickets())[1]
    assert held.decision["why"] == (
        "1 repair of this pipeline started within 24 hours, at most 1 (rule 'adf-night/nightly-*')"
    )
    assert held.due_at
    assert abs(held.due_at - first - timedelta(days=1)) < timedelta(minutes=1)
    world.clock.at = held.due_at
    await world.settle()
    assert len(world.adf.rerun.calls) == 2
