"""Storms: many tickets of one cause are told as one. Each stays a ticket of its own, decided and repaired by itself."""

from dataclasses import asdict
from datetime import datetime, timedelta
from functools import partial

import sqlalchemy as sa

from pipemend.core import storm as rules
from pipemend.core.events import StormBegan, StormChanged, StormEnded, StormEscalated, StormEvent
from pipemend.core.rca import UNCLASSIFIED
from pipemend.core.storm import Cause, Storm
from pipemend.core.ticket import Ticket
from pipemend.flows.services import Services
from pipemend.store import events, storms, tickets
from pipemend.store.rows import Row

LOOK = timedelta(seconds=30)  # between two edits of a digest
CALM = timedelta(minutes=5)  # between two looks at a storm that brings no new tickets


def gather(db: sa.Connection, s: Services, ticket: Ticket, now: datetime) -> None:
    """A new ticket joins the storm of its cause; one ticket too many begins it. In the unit that opens the ticket."""
    cause = Cause(
        platform=ticket.platform,
        resource=ticket.resource,
        error_type=ticket.error_type or UNCLASSIFIED,
        route=ticket.route,
    )
    storm_id = storms.living(db, cause) or _begun(db, s, cause, ticket, now)
    if storm_id is not None:
        tickets.fill(db, ticket.id, storm_id=storm_id)


def _begun(db: sa.Connection, s: Services, cause: Cause, ticket: Ticket, now: datetime) -> str | None:
    storms.one_at_a_time(db, cause)
    if living := storms.living(db, cause):  # begun while we waited
        return living
    number, first = storms.recent(db, cause, now - rules.WITHIN)
    if number <= rules.MANY or first is None:
        return None
    storm_id = storms.begin(db, cause, ticket.display_resource, first, now + LOOK)
    events.record(db, StormBegan(ticket_id=storm_id), now, s.notifiers)
    return storm_id


async def take_due(s: Services) -> int:
    """Looks at the storms that are due; how many."""
    now = s.clock.now()
    due = await s.database.read(lambda db: storms.due(db, now))
    for storm_id in due:
        await s.database.write(partial(_look, s, storm_id, now))
    if due:
        s.wake.set()
    return len(due)


def _look(s: Services, storm_id: str, now: datetime, db: sa.Connection) -> None:
    row = storms.lock(db, storm_id)
    if row.due_at is None or row.due_at > now:
        return  # another worker was quicker
    storm = storms.get(db, storm_id)
    newest = storms.newest(db, storm)
    if row.ended_at is None and (newest is None or now - newest >= rules.QUIET):
        storms.change(db, storm_id, ended_at=now)
        storm = storms.get(db, storm_id)
    event = _what_is_new(row, storm)
    if event is not None:
        events.record(db, event, now, s.notifiers)
    over = isinstance(event, StormEnded)
    storms.change(
        db,
        storm_id,
        told=asdict(storm.figures),
        people_told=storm.figures.needs_people if isinstance(event, StormEscalated) else row.people_told,
        due_at=None if over else now + (LOOK if event or storm.ended_at is None else CALM),
    )


def _what_is_new(row: Row, storm: Storm) -> StormEvent | None:
    if storm.ended_at is not None and storm.figures.settled:
        return StormEnded(ticket_id=storm.id)
    if rules.deserves_a_bell(storm.figures.needs_people, row.people_told):
        return StormEscalated(ticket_id=storm.id, people=storm.figures.people, asking=storm.figures.asking)
    return StormChanged(ticket_id=storm.id) if asdict(storm.figures) != row.told else None
