"""Upkeep: people hear once of an SLA that is over, and what is old and settled is deleted."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from pipemend.core.alert import Alert
from pipemend.core.commands import Acknowledge
from pipemend.core.errors import NoAnswer, NotFound
from pipemend.core.run import RunStatus
from pipemend.core.sla import SlaStatus
from pipemend.flows import upkeep
from pipemend.store import access, deliveries, events, schema, tickets
from tests.fakes.factory import FACTORY
from tests.world import World

QUARTER = 91 * 86400


async def count(world: World, table: sa.Table) -> int:
    return await world.database.read(lambda db: db.scalar(sa.select(sa.func.count()).select_from(table)) or 0)


async def escalates(world: World, pipeline: str = "nightly-load") -> str:
    """A failure that no machine repairs: its ticket is left to people, who have half an hour."""
    run = world.adf.fails(pipeline, "DataConversionError")
    await world.hears(pipeline, run)
    await world.settle()
    return (await world.tickets())[-1].id


async def heals(world: World) -> None:
    """A failure that a delivery tells of, and a rerun that goes well."""
    await a_delivery_comes_in(world, world.adf.fails("nightly-load"))
    await world.after(31)
    world.adf.ends(world.adf.rerun.started_runs[-1], RunStatus.SUCCEEDED)
    await world.after(31)
    assert (await world.ticket()).closed


async def a_delivery_comes_in(world: World, run: str) -> None:
    alert = Alert(platform="data_factory", resource=FACTORY.id, pipeline="nightly-load", run_id=run)
    at = world.clock.now()
    await world.database.write(
        lambda db: deliveries.accept(db, door="/azure-monitor", body=b"{}", now=at, outcome="accepted", alerts=[alert])
    )


async def test_what_goes_wrong_in_one_part_keeps_no_other_from_its_turn(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await a_delivery_comes_in(world, world.adf.fails("nightly-load"))
    await world.settle()
    world.clock.move(QUARTER)
    monkeypatch.setattr(tickets, "past_sla", lambda *_: ["a ticket that is not there"])

    with pytest.raises(NotFound):
        await upkeep.look_after(world.services)
    assert await count(world, schema.alerts) == 0


async def test_people_hear_once_that_the_sla_of_an_open_ticket_is_over(world: World) -> None:
    ticket_id = await escalates(world)
    world.clock.move(1800)
    await world.upkeep()
    assert (await world.ticket()).sla_status == SlaStatus.PENDING

    world.clock.move(1)
    await world.upkeep()
    await world.upkeep()

    assert (await world.ticket()).sla_status == SlaStatus.BREACHED
    assert world.slack.words.count("sla_breached") == 1
    assert world.slack.told[-1].event.fields() == {"ticket_id": ticket_id, "sla_seconds": 1800}
    line = await world.audit_line("sla_breached")
    assert (line.ticket_id, line.sla_status, line.time_taken_seconds) == (ticket_id, "Breached", 1801)


async def test_each_ticket_has_the_time_of_its_own_severity(world: World) -> None:
    await escalates(world)
    world.adf.rerun.next_answers = ["lost_before"]
    failed = world.adf.fails("hourly-load")  # a gateway that times out is of medium severity: two hours
    await world.hears("hourly-load", failed)
    await world.settle()
    world.clock.move(3600)
    await world.upkeep()

    assert [t.sla_status for t in await world.tickets()] == [SlaStatus.BREACHED, SlaStatus.PENDING]


async def test_a_ticket_that_was_closed_in_time_keeps_its_sla(world: World) -> None:
    ticket_id = await escalates(world)
    await world.command(Acknowledge(ticket_id=ticket_id, by="rosa"))
    world.clock.move(3600)
    await world.upkeep()

    assert (await world.ticket()).sla_status == SlaStatus.MET
    assert "sla_breached" not in world.slack.words


async def test_a_breach_that_was_told_is_not_told_again_when_the_ticket_is_closed_late(world: World) -> None:
    ticket_id = await escalates(world)
    world.clock.move(3600)
    await world.upkeep()
    await world.command(Acknowledge(ticket_id=ticket_id, by="rosa"))
    await world.upkeep()

    assert (await world.ticket()).sla_status == SlaStatus.BREACHED
    assert world.slack.words.count("sla_breached") == 1


async def test_a_breach_overtakes_nobody_who_works_on_the_ticket(world: World) -> None:
    await escalates(world)
    before = await world.ticket()
    world.clock.move(3600)
    await world.upkeep()

    assert (await world.ticket()).revision == before.revision


async def test_what_is_old_and_settled_is_deleted_and_the_story_of_the_ticket_stays(world: World) -> None:
    await heals(world)
    said = await count(world, schema.audit_trail)

    world.clock.move(QUARTER)
    await world.upkeep()

    for table in (schema.alerts, schema.deliveries, schema.events, schema.receipts):
        assert await count(world, table) == 0, table.name
    assert await count(world, schema.tickets) == 1
    assert await count(world, schema.attempts) == 1
    assert await count(world, schema.audit_trail) == said


async def test_what_is_younger_than_the_setting_says_stays(world: World) -> None:
    await heals(world)
    tables = (schema.alerts, schema.deliveries, schema.events, schema.receipts)
    before = [await count(world, table) for table in tables]

    world.clock.move(86400)
    await world.upkeep()
    assert [await count(world, table) for table in tables] == before

    world.policy(retention=timedelta(hours=23))
    await world.upkeep()
    assert [await count(world, table) for table in tables] == [0, 0, 0, 0]


async def test_the_thread_of_an_open_ticket_is_kept_however_old_it_is(world: World) -> None:
    ticket_id = await escalates(world)
    told = len(world.slack.told)
    world.clock.move(QUARTER)
    await world.upkeep()
    await world.upkeep()

    place = await world.database.read(lambda db: events.last_place(db, ticket_id, "slack"))
    assert place == {"channel": "C1", "ts": f"{world.slack.told[0].id}.0"}
    assert await count(world, schema.events) == told + 1  # that its SLA was breached


async def test_the_story_of_a_ticket_that_was_closed_today_is_kept(world: World) -> None:
    ticket_id = await escalates(world)
    world.clock.move(QUARTER)
    await world.command(Acknowledge(ticket_id=ticket_id, by="rosa"))
    await world.settle()
    told = await count(world, schema.events)
    await world.upkeep()

    assert await count(world, schema.events) == told


async def test_what_a_notifier_has_not_heard_yet_is_kept(world: World) -> None:
    ticket_id = await escalates(world)
    await world.command(Acknowledge(ticket_id=ticket_id, by="rosa"))
    world.slack.deaf = [NoAnswer("no answer in time")] * 2
    world.clock.move(QUARTER)
    await upkeep.look_after(world.services)
    kept = await count(world, schema.receipts)
    await world.after(120, step=5)
    await world.upkeep()

    assert kept > 0
    assert world.slack.words[-1] == "status_update"
    assert await count(world, schema.receipts) == 0


async def test_a_delivery_stays_as_long_as_one_of_its_alerts_is_unsettled(world: World) -> None:
    await a_delivery_comes_in(world, "run-1")
    hold = schema.alerts.update().values(state="held", due_at=None)
    await world.database.write(lambda db: db.execute(hold).rowcount)
    world.clock.move(QUARTER)
    await world.upkeep()
    assert await count(world, schema.deliveries) == 1

    settle = schema.alerts.update().values(state="ignored")
    await world.database.write(lambda db: db.execute(settle).rowcount)
    await world.upkeep()
    assert await count(world, schema.deliveries) == 0


async def test_a_round_deletes_no_more_than_it_may(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "DELETED_AT_ONCE", 2)
    for number in range(5):
        await world.hears(None, None, rule=f"rule {number}")
    settle = schema.alerts.update().values(state="ignored", due_at=None)
    await world.database.write(lambda db: db.execute(settle).rowcount)
    world.clock.move(QUARTER)

    left = []
    for _ in range(4):
        await world.upkeep()
        left.append(await count(world, schema.alerts))
    assert left == [3, 1, 0, 0]


async def test_expired_sessions_and_links_are_deleted(world: World) -> None:
    def unit(db: sa.Connection) -> None:
        access.add_token(db, "rosa", "viewer", world.clock.now())
        access.sign_in(db, "rosa", world.clock.now())
        access.make_link(db, "rosa", world.clock.now())

    await world.database.write(unit)
    world.clock.move(3600)
    await world.upkeep()
    assert (await count(world, schema.sessions), await count(world, schema.sign_in_links)) == (1, 0)

    world.clock.move(12 * 3600)
    await world.upkeep()
    assert await count(world, schema.sessions) == 0
