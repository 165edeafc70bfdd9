"""Telling when much waits: each notifier for itself, in order per ticket, people's matters first, within limits."""

import asyncio
from collections.abc import Sequence
from functools import partial

from pipemend.core.errors import NoAnswer, Throttled, Unreachable
from pipemend.core.events import AttemptChanged, Event, RemediationStarted, StatusChanged, TicketOpened, Turn
from pipemend.core.ports import Limits, News, Receipt
from pipemend.flows.announcements import Teller
from pipemend.flows.pace import PROBES
from pipemend.store import events
from pipemend.store.database import Database
from tests.fakes.people import Listener
from tests.notifiers.samples import BEGAN, ENDED, EVERY_EVENT, GREW, RANG, opened
from tests.world import World


class Slow(Listener):
    """Takes its time for some tickets, and counts how many it is told at once."""

    def __init__(self, name: str = "slack", hangs: Sequence[str] = ()) -> None:
        super().__init__(name)
        self.hangs = hangs
        self.at_once = self.most = 0
        self.go_on = asyncio.Event()

    async def tell(self, news: News, receipt: Receipt | None) -> Receipt | None:
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        if news.ticket.id in self.hangs:
            await self.go_on.wait()
        await asyncio.sleep(0.02)
        self.at_once -= 1
        return await super().tell(news, receipt)


async def a_ticket(world: World, pipeline: str) -> str:
    """A ticket of which nothing has been told and nothing is waiting."""
    world.policy(enabled=False)
    world.adf.fails(pipeline)
    await world.after(31)
    found = [ticket for ticket in await world.tickets() if ticket.pipeline == pipeline]
    for listener in world.services.notifiers.values():
        assert isinstance(listener, Listener)
        listener.told.clear()
    return found[0].id


async def happens(world: World, *what: Event) -> None:
    for event in what:
        record = partial(events.record, event=event, at=world.clock.now(), notifiers=world.services.notifiers)
        await world.database.write(record)


def news(ticket_id: str, number: int = 1) -> Event:
    return AttemptChanged(ticket_id=ticket_id, attempt=number, status="waiting")


def escalated(ticket_id: str) -> Event:
    return StatusChanged(ticket_id=ticket_id, new_status="open", reason="all is lost", escalated=True)


async def test_a_hanging_notifier_holds_up_no_other(database: Database) -> None:
    slack, jira = Slow("slack"), Listener("jira")
    world = World(database, notifiers={"slack": slack, "jira": jira})
    await world.begin()
    ticket = await a_ticket(world, "nightly-load")
    slack.hangs = (ticket,)
    await happens(world, news(ticket))
    hanging, other = world.tellers
    telling = asyncio.create_task(hanging.take_due())

    await other.take_due()

    assert (jira.words, slack.words) == (["attempt_update"], [])
    slack.go_on.set()
    await telling
    assert slack.words == ["attempt_update"]


async def test_a_slow_message_holds_up_its_own_ticket_alone(database: Database) -> None:
    slack = Slow()
    world = World(database, notifiers={"slack": slack})
    await world.begin()
    one, other = await a_ticket(world, "slow"), await a_ticket(world, "quick")
    slack.hangs = (one,)
    await happens(world, news(one, 1), news(one, 2), news(other, 1), news(other, 2))
    telling = asyncio.create_task(world.tellers[0].take_due())
    while len(slack.told) < 2:
        await asyncio.sleep(0.01)

    assert [(n.ticket.id, getattr(n.event, "attempt", 0)) for n in slack.told] == [(other, 1), (other, 2)]
    slack.go_on.set()
    await telling
    await world.settle()
    assert [getattr(n.event, "attempt", 0) for n in slack.told if n.ticket.id == one] == [1, 2]


async def test_only_so_many_tickets_are_told_at_once(database: Database) -> None:
    slack = Slow()
    slack.limits = Limits(at_once=3)
    world = World(database, notifiers={"slack": slack})
    await world.begin()
    ids = [await a_ticket(world, f"pipeline-{n}") for n in range(8)]
    await happens(world, *(news(ticket) for ticket in ids))
    await world.settle()
    assert len(slack.told) == 8
    assert 1 < slack.most <= 3


async def test_what_people_must_do_and_first_messages_go_before_news(world: World) -> None:
    ids = [await a_ticket(world, f"pipeline-{n}") for n in range(6)]
    await happens(world, *(news(ticket) for ticket in ids[:4]))
    await happens(world, TicketOpened(ticket_id=ids[4], pipeline="pipeline-4"), escalated(ids[5]))
    world.slack.limits = Limits(at_once=1)
    await Teller(world.services, "slack").take_due()
    assert [n.ticket.id for n in world.slack.told] == [ids[5], ids[4], *ids[:4]]


async def test_a_ticket_that_people_must_act_on_is_told_from_its_beginning(world: World) -> None:
    one, other = await a_ticket(world, "calm"), await a_ticket(world, "urgent")
    await happens(world, news(one), news(other), escalated(other))
    world.slack.limits = Limits(at_once=1)
    await Teller(world.services, "slack").take_due()
    assert [(n.ticket.id, n.event.name) for n in world.slack.told] == [
        (other, "attempt_update"),
        (other, "status_update"),
        (one, "attempt_update"),
    ]


async def test_it_keeps_to_the_pace_of_the_notifier(database: Database) -> None:
    slack = Listener()
    slack.limits = Limits(per_second=1.0, burst=3)
    world = World(database, notifiers={"slack": slack})
    await world.begin()
    ticket = await a_ticket(world, "nightly-load")
    await world.after(10)
    await happens(world, *(news(ticket, n) for n in range(10)))

    await world.settle()
    at_once = len(slack.told)
    await world.after(4, step=1)

    assert (at_once, len(slack.told)) == (3, 7)


async def test_a_notifier_that_asks_for_a_pause_is_left_alone_with_every_ticket(world: World) -> None:
    ids = [await a_ticket(world, f"pipeline-{n}") for n in range(20)]
    world.slack.deaf = [Throttled("ratelimited", retry_after=600)]
    await happens(world, *(news(ticket) for ticket in ids))
    await world.after(595, step=35)
    first_burst = len(world.slack.told)
    await world.after(60, step=5)
    assert first_burst < world.slack.limits.at_once
    assert len(world.slack.told) == 20


async def test_a_notifier_that_is_away_is_asked_by_few(world: World) -> None:
    ids = [await a_ticket(world, f"pipeline-{n}") for n in range(30)]
    world.slack.deaf = [Unreachable("connection refused")] * 1000
    await happens(world, *(news(ticket) for ticket in ids))
    await world.after(600, step=10)
    asked = 1000 - len(world.slack.deaf)
    world.slack.deaf.clear()
    await world.after(120, step=10)
    assert asked <= world.slack.limits.at_once + 15 * PROBES
    assert len(world.slack.told) == 30
    assert not any(n.repeated for n in world.slack.told)  # nothing had been sent


async def test_one_message_that_always_fails_does_not_make_the_others_wait(world: World) -> None:
    """A notifier that breaks over one ticket is not away."""
    poison, other = await a_ticket(world, "poison"), await a_ticket(world, "nightly-load")
    world.slack.breaks_over = poison
    await happens(world, news(poison))
    await world.after(600, step=20)
    for n in range(5):
        await happens(world, news(other, n))
        await world.after(70, step=5)
    assert len(world.slack.told) == 5


async def test_older_news_gives_way_only_after_five_minutes(world: World) -> None:
    ticket = await a_ticket(world, "nightly-load")
    world.slack.deaf = [NoAnswer("silence")] * 1000
    story = (TicketOpened(ticket_id=ticket, pipeline="nightly-load"), news(ticket, 1), news(ticket, 2))
    await happens(world, *story, escalated(ticket), RemediationStarted(ticket_id=ticket, attempt=3), news(ticket, 3))
    await world.after(280, step=20)
    assert ("slack", "superseded") not in await world.database.read(events.counts)
    await world.after(60, step=20)
    assert await world.database.read(events.counts) == {("slack", "waiting"): 3, ("slack", "superseded"): 3}

    world.slack.deaf.clear()
    await world.after(70, step=10)

    assert world.slack.words == ["new_ticket", "status_update", "attempt_update"]
    assert getattr(world.slack.told[-1].event, "attempt", 0) == 3


async def test_an_ending_is_told_whatever_comes_after_it(world: World) -> None:
    ticket = await a_ticket(world, "nightly-load")
    world.slack.deaf = [NoAnswer("silence")] * 1000
    closed = StatusChanged(ticket_id=ticket, new_status="acknowledged", user="ann")
    await happens(world, closed, news(ticket, 1), StatusChanged(ticket_id=ticket, new_status="open", user="ann"))
    await world.after(400, step=20)
    world.slack.deaf.clear()
    await world.after(70, step=10)
    assert world.slack.words == ["status_update", "status_update"]


async def test_two_workers_tell_everything_once_and_in_order(world: World) -> None:
    ids = [await a_ticket(world, f"pipeline-{n}") for n in range(6)]
    for number in range(5):
        await happens(world, *(news(ticket, number) for ticket in ids))
    tellers = [Teller(world.services, "slack") for _ in range(3)]
    for _ in range(6):
        await asyncio.gather(*(teller.take_due() for teller in tellers))
    for ticket in ids:
        told = [getattr(n.event, "attempt", None) for n in world.slack.told if n.ticket.id == ticket]
        assert told == list(range(5))


def test_only_steps_on_the_way_are_news() -> None:
    told: list[Event] = [what.event for what in (*EVERY_EVENT.values(), opened())]
    told += [what.event for what in (BEGAN, GREW, RANG, ENDED)]
    assert {event.name for event in told if event.turn is Turn.NEWS} == {
        "remediation_started",
        "remediation_retry",
        "attempt_update",
        "storm_update",
    }
