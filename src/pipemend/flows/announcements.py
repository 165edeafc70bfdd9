"""Announcements: every event is told to each notifier, in order per ticket. A deaf one stops no repair and no other."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

import sqlalchemy as sa

from pipemend.core.errors import NoAnswer, OutsideError, ShutOut, Throttled, Unreachable
from pipemend.core.events import Event, StatusChanged, StormEvent
from pipemend.core.ports import Digest, News, Notifier, Receipt
from pipemend.flows import handover
from pipemend.flows.pace import SLOWEST, Pace
from pipemend.flows.saving import surely
from pipemend.flows.services import Services
from pipemend.store import attempts, events, leases, storms, tickets
from pipemend.store.rows import Row

log = logging.getLogger(__name__)
LEASE, TELL_SECONDS, STRAGGLERS = timedelta(seconds=120), 60, 10.0
ROUND = 50  # messages after which a look is taken at what has changed meanwhile
PATIENCE = 20  # tries after which an unexplained error parks the message
LONGEST_PAUSE = 3600.0  # seconds that a notifier may ask for
LATE = timedelta(minutes=5)  # so long all news is kept; then older news of a ticket gives way to what follows
# Where the first message went is written on the ticket, in the plan's columns.
FILLS = {"slack": {"slack_ts": "ts", "slack_channel": "channel"}, "jira": {"itsm_ticket_id": "key"}}


class Teller:
    """Tells one notifier: several tickets at once, within its limits. A slow message holds up its own ticket alone."""

    def __init__(self, s: Services, name: str) -> None:
        self.s, self.name = s, name
        self.pace = Pace(s.notifiers[name].limits)
        self.under_way: set[asyncio.Task[None]] = set()

    async def take_due(self) -> int:
        """Tells what is due as far as the limits allow; how many messages were begun."""
        begun, before = 0, self.s.clock.now() - LATE
        await self.s.database.write(lambda db: events.supersede(db, self.name, before))
        while begun < ROUND and (rows := await self._claim()):
            begun += len(rows)
            self.under_way |= {asyncio.create_task(self._tell(row), name=str(row.event_id)) for row in rows}
            await self._some(asyncio.FIRST_COMPLETED)
        await self._some(asyncio.ALL_COMPLETED)
        return begun

    async def stop(self) -> None:
        """Begins nothing more; what is on its way is looked for by whoever takes it up."""
        for task in self.under_way:
            task.cancel()
        await asyncio.gather(*self.under_way, return_exceptions=True)

    def let_go(self, db: sa.Connection, now: datetime) -> int:
        """Messages that are leased to us and not on their way are due; how many."""
        on_their_way = [int(task.get_name()) for task in self.under_way]
        return leases.release_receipts(db, self.name, self.s.worker, on_their_way, now)

    async def _claim(self) -> Sequence[Row]:
        now = self.s.clock.now()
        room = self.pace.room(now, len(self.under_way))
        if not room:
            return []
        claim = partial(
            events.claim_receipts, notifier=self.name, now=now, limit=room, until=now + LEASE, owner=self.s.worker
        )
        rows = await self.s.database.write(claim)
        self.pace.spend(len(rows))
        return rows

    async def _some(self, which: str) -> None:
        """Waits for one message, or for all but the slowest; an error of our database goes up."""
        if not self.under_way:
            return
        ended, self.under_way = await asyncio.wait(self.under_way, timeout=STRAGGLERS, return_when=which)
        for task in ended:
            task.result()

    async def _tell(self, row: Row) -> None:
        s = self.s
        try:
            news, receipt = await s.database.read(partial(_news, s, row))
            async with asyncio.timeout(TELL_SECONDS):
                said = await _say(s.notifiers[self.name], news, receipt)
        except TimeoutError:
            await self._failed(row, NoAnswer(f"{self.name} was not told within {TELL_SECONDS} s"))
        except OutsideError as error:
            await self._failed(row, error)
        except Exception as error:  # a deaf listener must not stop the others
            log.exception("a notifier stumbled", extra={"notifier": self.name, "ticket_id": row.ticket_id})
            await self._failed(row, error)
        else:
            self.pace.heard()
            await surely(s, partial(_told, s, row, said or receipt))

    async def _failed(self, row: Row, error: Exception) -> None:
        """Transient: again later, and this ticket's further messages wait. Else the message is parked and shown."""
        now = self.s.clock.now()
        wait = min(2.0 ** min(row.tries, 10), SLOWEST)
        if isinstance(error, Throttled):
            wait = min(max(error.retry_after or wait, 1.0), LONGEST_PAUSE)
            self.pace.throttled(now, wait)
        elif _away(error):
            self.pace.silent(now)
        elif isinstance(error, OutsideError):
            self.pace.heard()
        await surely(self.s, partial(_put_back, self.s, row, error, now + timedelta(seconds=wait)))


def _away(error: Exception) -> bool:
    """Whether it is the notifier that fails, whatever it is told: an answer with a status below 500 is one, unless it
    does not believe our token."""
    if isinstance(error, ShutOut):
        return True
    return isinstance(error, OutsideError) and error.transient and not 400 <= (error.status or 500) < 500


async def _say(notifier: Notifier, what: News | Digest, receipt: Receipt | None) -> Receipt | None:
    if isinstance(what, Digest):
        return await notifier.sum_up(what, receipt)
    return await notifier.tell(what, receipt)


def _news(s: Services, row: Row, db: sa.Connection) -> tuple[News | Digest, Receipt | None]:
    event, place = events.event(db, row.event_id), events.last_place(db, row.ticket_id, row.notifier)
    fact = events.event_of(event)
    said = _digest(s, row, event, fact, db) if isinstance(fact, StormEvent) else _of_ticket(s, row, event, fact, db)
    return said, Receipt(place) if place else None


def _digest(s: Services, row: Row, event: Row, fact: StormEvent, db: sa.Connection) -> Digest:
    storm = storms.get(db, event.ticket_id)
    link = s.link_to_storm(storm)
    return Digest(
        id=event.id,
        at=event.at,
        event=fact,
        storm=storm,
        link=link,
        route=s.playbooks.route_named(storm.cause.route),
        repeated=row.was == "sending",
    )


def _of_ticket(s: Services, row: Row, event: Row, fact: Event, db: sa.Connection) -> News:
    ticket, tried = tickets.get(db, row.ticket_id), attempts.of_ticket(db, row.ticket_id)
    escalated = isinstance(fact, StatusChanged) and fact.escalated
    return News(
        id=event.id,
        at=event.at,
        event=fact,
        ticket=ticket,
        attempt=next((a for a in tried if a.attempt_number == event.attempt), None),
        link=s.link(row.ticket_id),
        route=s.playbooks.route_for(ticket.display_resource, ticket.pipeline, ticket.finops_team),
        handover=handover.of_ticket(db, s, ticket, tried, s.clock.now()) if escalated else (),
        repeated=row.was == "sending",
    )


def _told(s: Services, row: Row, receipt: Receipt | None, db: sa.Connection) -> None:
    place = dict(receipt.place) if receipt else None
    if not events.settle(db, row, s.worker, state="sent", place=place, error=None):
        return
    columns = {column: (place or {}).get(key) for column, key in FILLS.get(row.notifier, {}).items()}
    if any(columns.values()):
        tickets.fill(db, row.ticket_id, **columns)


def _put_back(s: Services, row: Row, error: Exception, due: datetime, db: sa.Connection) -> None:
    text = f"{type(error).__name__}: {error}"[:500]
    lasting = not error.transient if isinstance(error, OutsideError) else row.tries >= PATIENCE
    if lasting:
        log.error("a message is parked", extra={"notifier": row.notifier, "ticket_id": row.ticket_id, "error": text})
        events.settle(db, row, s.worker, state="parked", error=text)
        return
    # unless it was certainly not said it stays `sending`, so that the notifier looks before it repeats
    state = "pending" if isinstance(error, Throttled | Unreachable | ShutOut) and row.was == "pending" else "sending"
    events.settle(db, row, s.worker, state=state, due_at=due, error=text)
