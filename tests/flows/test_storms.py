"""Many failures of one cause at once: people get one message that grows, and each ticket is repaired all the same."""

import asyncio
from collections import Counter
from dataclasses import replace
from functools import partial

import sqlalchemy as sa

from pipemend.core.events import StatusChanged, StormBegan, StormEnded, StormEscalated
from pipemend.core.route import Route
from pipemend.core.run import RunStatus
from pipemend.core.storm import MANY
from pipemend.core.ticket import RemediationStatus
from pipemend.notifiers.slack.notifier import LIMITS
from pipemend.store import events
from pipemend.store.database import Database
from pipemend.store.schema import receipts, tickets
from tests.fakes.people import Listener
from tests.world import World


def breaks(world: World, number: int, error: str = "DataConversionError", name: str = "load") -> list[str]:
    return [world.adf.fails(f"{name}-{n}", error) for n in range(number)]


def told_by_themselves(listener: Listener) -> Counter[str]:
    """The tickets that had a first message, by error type."""
    return Counter(n.ticket.error_type or "" for n in listener.told if n.event.name == "new_ticket")


def bells(listener: Listener) -> list[object]:
    return [d.event for d in listener.digests if isinstance(d.event, StormEscalated)]


async def test_300_failures_of_one_cause_are_20_messages_and_one_that_grows(database: Database) -> None:
    slack, jira = Listener("slack"), Listener("jira")
    slack.limits = LIMITS
    world = World(database, notifiers={"slack": slack, "jira": jira})
    await world.begin()
    breaks(world, 300)
    breaks(world, 5, "GatewayTimeout", "other")
    await world.after(31, step=31)
    await world.after(120, step=30)

    assert await world.database.read(lambda db: db.scalar(sa.select(sa.func.count()).select_from(tickets))) == 305
    for listener in (slack, jira):
        assert told_by_themselves(listener) == {"DataConversionError": MANY, "GatewayTimeout": 5}
        assert len({n.ticket.id for n in listener.told}) == MANY + 5
        assert [type(d.event) for d in listener.digests] == [StormBegan, StormEscalated]
        assert listener.digests[-1].storm.figures.people == 300
    about = sa.select(receipts.c.place).where(receipts.c.ticket_id == slack.digests[0].storm.id)
    places = await world.database.read(lambda db: {place["ts"] for place in db.scalars(about)})
    assert len(places) == 1  # it is edited, never posted again


async def test_a_call_for_people_waits_behind_no_storm(database: Database) -> None:
    slack = Listener()
    slack.limits = LIMITS
    world = World(database, notifiers={"slack": slack})
    await world.begin()
    breaks(world, 1, "GatewayTimeout", "other")
    await world.after(31)
    breaks(world, 100)
    world.clock.move(30)
    await world.settle()
    assert (await world.database.read(events.counts))["slack", "waiting"] > 5

    (other,) = [ticket for ticket in await world.tickets() if ticket.pipeline == "other-0"]
    call = StatusChanged(ticket_id=other.id, new_status="open", reason="all is lost", escalated=True)
    now = world.clock.now()
    await world.database.write(partial(events.record, event=call, at=now, notifiers=["slack"]))
    waited = 0
    while call not in [n.event for n in slack.told]:
        await world.after(1, step=1)
        waited += 1
    assert waited <= 20  # the calls of the storm's first tickets are older; no news goes before it


async def test_a_storm_that_heals_is_told_to_its_end(world: World) -> None:
    world.policy(max_in_flight=100, starts_per_minute=1000)
    breaks(world, 22, "GatewayTimeout")
    await world.after(31)
    assert [type(d.event) for d in world.slack.digests] == [StormBegan]
    for run_id in world.adf.rerun.started_runs:
        world.adf.ends(run_id, RunStatus.SUCCEEDED)
    await world.after(60)
    assert {t.remediation_status for t in await world.tickets()} == {RemediationStatus.SUCCEEDED}
    assert world.slack.digests[-1].storm.figures.healed == 22

    await world.after(660, step=110)

    assert isinstance(world.slack.digests[-1].event, StormEnded)
    assert world.slack.digests[-1].storm.ended_at is not None
    assert bells(world.slack) == []
    assert len({n.ticket.id for n in world.slack.told}) == MANY
    edits = len(world.slack.digests)
    await world.after(3600, step=300)
    assert len(world.slack.digests) == edits <= 5


async def test_a_storm_survives_a_restart(world: World, database: Database) -> None:
    breaks(world, 22)
    await world.after(31)
    after = World(database)
    after.clock.at = world.clock.at
    after.adf = world.adf
    after.services.platforms = {"data_factory": world.adf}
    world.adf.clock = after.clock
    breaks(after, 10, name="later")

    await after.after(61)

    assert told_by_themselves(after.slack) == {}
    assert after.slack.digests[-1].storm.figures.tickets == 32
    assert {d.storm.id for d in after.slack.digests} == {d.storm.id for d in world.slack.digests}


async def test_what_fails_after_a_storm_is_told_by_itself(world: World) -> None:
    breaks(world, 22)
    await world.after(31)
    await world.after(700, step=60)
    world.slack.told.clear()
    breaks(world, 1, name="next-day")
    await world.after(31)
    assert [n.ticket.pipeline for n in world.slack.told if n.event.name == "new_ticket"] == ["next-day-0"]


async def test_twenty_in_five_minutes_are_no_storm(world: World) -> None:
    breaks(world, MANY)
    await world.after(31)
    await world.after(300)
    breaks(world, MANY, name="later")
    await world.after(31)
    assert world.slack.digests == []
    assert told_by_themselves(world.slack) == {"DataConversionError": 2 * MANY}


async def test_people_are_called_when_more_of_a_storm_are_left_to_them(world: World) -> None:
    world.policy(enabled=True, max_in_flight=100, starts_per_minute=1000)
    breaks(world, 24, "GatewayTimeout")
    await world.after(31)
    runs = list(world.adf.rerun.started_runs)
    for done, at in ((1, 60), (2, 60), (12, 60)):
        for run_id in runs[:done]:
            world.adf.ends(run_id, RunStatus.FAILED, "DataConversionError")
        runs = runs[done:]
        await world.after(at)
    assert [getattr(event, "people", 0) for event in bells(world.slack)] == [1, 3, 15]


async def test_people_are_called_when_repairs_of_a_storm_await_their_yes(world: World) -> None:
    breaks(world, 24, "ServerBusy")
    await world.after(31)
    await world.after(60)

    (bell,) = bells(world.slack)
    assert isinstance(bell, StormEscalated)
    assert (bell.people, bell.asking) == (0, 24)
    assert world.slack.digests[-1].storm.figures.asking == 24
    assert world.slack.digests[-1].storm.left


async def test_each_route_has_a_storm_of_its_own(world: World) -> None:
    routes = (Route(match="*/pay-*", slack_channel="C0PAYMENTS"), Route(match="*/dwh-*", slack_channel="C0WAREHOUSE"))
    world.services.playbooks = replace(world.services.playbooks, routes=routes)
    breaks(world, 25, name="pay")
    breaks(world, 30, name="dwh")
    breaks(world, MANY, name="other")
    await world.after(151)

    began = [d for d in world.slack.digests if isinstance(d.event, StormBegan)]
    told = {d.route.slack_channel: d.storm.figures.tickets for d in began}
    assert told == {"C0PAYMENTS": 25, "C0WAREHOUSE": 30}
    assert told_by_themselves(world.slack) == {"DataConversionError": 3 * MANY}
    assert {n.route.slack_channel for n in world.slack.told if n.ticket.pipeline.startswith("other")} == {None}


async def test_a_ticket_of_a_storm_that_is_over_is_told_by_itself_when_it_opens_again(world: World) -> None:
    world.policy(max_in_flight=100, starts_per_minute=1000)
    breaks(world, 22, "GatewayTimeout")
    await world.after(31)
    for run_id in world.adf.rerun.started_runs:
        world.adf.ends(run_id, RunStatus.SUCCEEDED)
    await world.after(700, step=60)
    told = {n.ticket.id for n in world.slack.told}
    (one, *_) = [ticket for ticket in await world.tickets() if ticket.id not in told]
    again = StatusChanged(ticket_id=one.id, new_status="open", reason="it failed again", escalated=True)
    await world.database.write(partial(events.record, event=again, at=world.clock.now(), notifiers=["slack"]))
    await world.settle()
    assert world.slack.told[-1].event == again


async def test_workers_that_open_tickets_side_by_side_tell_twenty_by_themselves(world: World) -> None:
    """Each counts what others have opened: on PostgreSQL eight units open tickets at once."""
    breaks(world, 60)
    world.clock.move(31)
    await asyncio.gather(world.settle(), world.settle())
    await world.after(5)
    assert told_by_themselves(world.slack) == {"DataConversionError": MANY}
    assert len({d.storm.id for d in world.slack.digests}) == 1
