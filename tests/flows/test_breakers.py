"""When repairs of one kind keep failing they are held; then one at a time tries, and its success frees the others."""

import asyncio
import time
from datetime import timedelta
from functools import partial

import pytest
import sqlalchemy as sa

from pipemend.core.attempt import Attempt, AttemptStatus
from pipemend.core.breaker import BreakerPolicy
from pipemend.core.commands import Retry
from pipemend.core.run import RunStatus
from pipemend.flows import due, remediation
from pipemend.flows.breakers import all_of, breaker_of
from tests.world import World

KIND = ("GatewayTimeout", "retry_pipeline")


@pytest.fixture(autouse=True)
def strict(world: World) -> None:
    world.policy(breaker=BreakerPolicy(failures=3, outcomes=4, open_for=timedelta(minutes=10)))


async def broken(world: World, number: int = 3, status: RunStatus = RunStatus.FAILED) -> None:
    """So many pipelines fail and are rerun, and all of the reruns end like this at once."""
    for one in range(number):
        world.adf.fails(f"load-{one}")
    await world.after(31)
    for run_id in world.adf.rerun.started_runs:
        world.adf.ends(run_id, status, "GatewayTimeout")
    await world.after(31)


async def why(world: World) -> set[str]:
    return {str(ticket.decision["why"]) for ticket in await world.tickets()}


async def test_it_opens_for_every_ticket_of_the_kind_and_for_no_other(world: World) -> None:
    await broken(world)
    until = world.clock.now() + timedelta(minutes=10)
    other = world.adf.fails("other-load", "ThrottlingError")
    world.adf.fails("new-load")

    await world.after(31)

    assert world.adf.rerun.calls[-1].original_run_id == other
    assert len(world.adf.rerun.calls) == 4
    (sentence,) = {word for word in await why(world) if "circuit breaker" in word}
    assert sentence == (
        f"the circuit breaker for GatewayTimeout and retry_pipeline is open until {until:%Y-%m-%d %H:%M} UTC:"
        " 3 of the last 3 such repairs failed"
    )


async def test_after_a_while_one_repair_tries_and_its_success_frees_the_others(world: World) -> None:
    await broken(world)
    await world.after(660)

    assert len(world.adf.rerun.calls) == 4
    waits = "the circuit breaker for GatewayTimeout and retry_pipeline lets one repair try at a time:"
    assert f"{waits} 3 of the last 3 such repairs failed" in await why(world)
    await world.after(120)
    assert len(world.adf.rerun.calls) == 4

    world.adf.ends(world.adf.rerun.started_runs[-1], RunStatus.SUCCEEDED)
    await world.after(61)
    assert len(world.adf.rerun.calls) == 6


async def test_a_try_that_fails_opens_it_for_another_while(world: World) -> None:
    await broken(world)
    await world.after(660)
    world.adf.ends(world.adf.rerun.started_runs[-1], RunStatus.FAILED, "GatewayTimeout")
    await world.after(31)

    await world.after(540)
    assert len(world.adf.rerun.calls) == 4
    await world.after(120)
    assert len(world.adf.rerun.calls) == 5


async def test_what_a_person_cancels_says_nothing_about_the_kind(world: World) -> None:
    await broken(world, status=RunStatus.CANCELLED)
    world.adf.fails("new-load")
    await world.after(31)
    assert len(world.adf.rerun.calls) == 4


async def test_a_call_that_started_nothing_counts(world: World) -> None:
    world.adf.rerun.next_answers = ["refused", "final", "refused"]
    for one in range(3):
        world.adf.fails(f"load-{one}")
    await world.after(61)
    assert await world.database.read(lambda db: breaker_of(db, world.services, KIND, world.clock.now()))


async def test_old_outcomes_do_not_count(world: World) -> None:
    await broken(world)
    now = world.clock.now() + timedelta(minutes=61)
    assert await world.database.read(lambda db: all_of(db, world.services, now)[KIND]) is None


async def test_a_person_may_try_while_it_is_open(world: World) -> None:
    await broken(world)
    world.adf.fails("typed-load", "DataConversionError")
    await world.after(31)
    held = world.adf.fails("new-load")
    await world.after(31)
    ticket = next(t for t in await world.tickets() if t.run_id == held)
    await world.command(Retry(ticket_id=ticket.id, by="rosa"))
    await world.settle()
    assert world.adf.rerun.calls[-1].by == "rosa"


async def test_two_workers_let_one_repair_try(world: World) -> None:
    await broken(world)
    world.clock.move(601)
    await due.take_due(world.services)
    waiting = [
        a for t in await world.tickets() for a in await world.attempts(t.id) if a.status is AttemptStatus.WAITING
    ]
    assert len(waiting) == 3
    seen = [await remediation.look(attempt.key) for attempt in waiting]
    s, now = world.services, world.clock.now()

    def begin(attempt: Attempt, facts: object, db: sa.Connection) -> Attempt | None:
        begun = remediation.begin(db, s, attempt.key, attempt.revision, facts, now)  # type: ignore[arg-type]
        time.sleep(0.1)  # on PostgreSQL they are under way at once
        return begun

    units = [s.database.write(partial(begin, attempt, facts)) for attempt, facts in zip(waiting, seen, strict=True)]
    assert len([one for one in await asyncio.gather(*units) if one is not None]) == 1
