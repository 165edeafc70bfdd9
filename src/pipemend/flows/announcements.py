"""Announcements: every event is told to each notifier, in order per ticket. A deaf one never stops a repair."""

import asyncio
import logging
from datetime import timedelta
from functools import partial

import sqlalchemy as sa

from pipemend.core.errors import OutsideError, Throttled, Unreachable
from pipemend.core.ports import News, Receipt
from pipemend.flows.services import Services
from pipemend.store import attempts, events, tickets
from pipemend.store.rows import Row

log = logging.getLogger(__name__)
AT_ONCE, LEASE, TELL_SECONDS = 32, timedelta(seconds=120), 60
SLOWEST, PATIENCE = 60.0, 20  # seconds between tries; tries after which an unexplained error parks the message
# Where the first message went is written on the ticket, in the plan's columns.
FILLS = {"slack": {"slack_ts": "ts", "slack_channel": "channel"}, "jira": {"itsm_ticket_id": "key"}}


async def take_due(s: Services) -> int:
    """Tells what is due; how many messages."""
    if not s.notifiers:
        return 0
    now = s.clock.now()
    rows = await s.database.write(lambda db: events.claim_receipts(db, now, AT_ONCE, now + LEASE, s.worker))
    await asyncio.gather(*(_tell(s, row) for row in rows))
    return len(rows)


async def _tell(s: Services, row: Row) -> None:
    try:
        news, receipt = await s.database.read(partial(_news, s, row))
        async with asyncio.timeout(TELL_SECONDS):
            said = await s.notifiers[row.notifier].tell(news, receipt)
    except OutsideError as error:
        await _failed(s, row, error)
    except Exception as error:  # a deaf listener must not stop the others
        log.exception("a notifier stumbled", extra={"notifier": row.notifier, "ticket_id": row.ticket_id})
        await _failed(s, row, error)
    else:
        await s.database.write(partial(_told, s, row, said or receipt))


def _news(s: Services, row: Row, db: sa.Connection) -> tuple[News, Receipt | None]:
    event = events.event(db, row.event_id)
    numbered = {a.attempt_number: a for a in attempts.of_ticket(db, row.ticket_id)}
    place = events.last_place(db, row.ticket_id, row.notifier)
    news = News(
        id=event.id,
        at=event.at,
        event=events.event_of(event),
        ticket=tickets.get(db, row.ticket_id),
        attempt=numbered.get(event.attempt),
        link=s.link(row.ticket_id),
        repeated=row.was == "sending",
    )
    return news, Receipt(place) if place else None


def _told(s: Services, row: Row, receipt: Receipt | None, db: sa.Connection) -> None:
    place = dict(receipt.place) if receipt else None
    if not events.settle(db, row, s.worker, state="sent", place=place, error=None):
        return
    columns = {column: (place or {}).get(key) for column, key in FILLS.get(row.notifier, {}).items()}
    if any(columns.values()):
        tickets.fill(db, row.ticket_id, **columns)


async def _failed(s: Services, row: Row, error: Exception) -> None:
    """Transient: again later, and this ticket's further messages wait. Else the message is parked and shown."""
    lasting = not error.transient if isinstance(error, OutsideError) else row.tries >= PATIENCE
    text = f"{type(error).__name__}: {error}"[:500]
    if lasting:
        log.error("a message is parked", extra={"notifier": row.notifier, "ticket_id": row.ticket_id, "error": text})
        await s.database.write(lambda db: events.settle(db, row, s.worker, state="parked", error=text))
        return
    wait = min(2.0 ** min(row.tries, 10), SLOWEST)
    if isinstance(error, Throttled) and error.retry_after:
        wait = min(max(error.retry_after, 1.0), 600.0)
    due = s.clock.now() + timedelta(seconds=wait)
    # unless it was certainly not said it stays `sending`, so that the notifier looks before it repeats
    state = "pending" if isinstance(error, Throttled | Unreachable) and row.was == "pending" else "sending"
    await s.database.write(lambda db: events.settle(db, row, s.worker, state=state, due_at=due, error=text))
