"""Events and their receipts: what happened, and who has been told."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pipemend.core import events as facts
from pipemend.store.rows import Row
from pipemend.store.schema import events, receipts

KINDS: Mapping[str, type[facts.Event]] = {
    kind.name: kind
    for kind in (
        facts.TicketOpened,
        facts.RemediationStarted,
        facts.RetryScheduled,
        facts.AttemptChanged,
        facts.StatusChanged,
        facts.Explained,
        facts.SlaBreached,
    )
}


def record(db: sa.Connection, event: facts.Event, at: datetime, notifiers: Iterable[str]) -> int:
    """Saves the event and a receipt for each listener, in the unit that made it true."""
    fields = event.fields()
    row = db.execute(
        events.insert()
        .values(at=at, name=event.name, ticket_id=event.ticket_id, attempt=fields.get("attempt"), data=fields)
        .returning(events.c.id)
    ).one()
    for notifier in notifiers:
        db.execute(
            receipts.insert().values(
                event_id=row.id, notifier=notifier, ticket_id=event.ticket_id, state="pending", due_at=at
            )
        )
    return int(row.id)


def event_of(row: Row) -> facts.Event:
    """The fact in a row of the events table."""
    return KINDS[row.name](**row.data)


def since(db: sa.Connection, event_id: int, limit: int) -> Sequence[Row]:
    return db.execute(sa.select(events).where(events.c.id > event_id).order_by(events.c.id).limit(limit)).all()


def first_recent(db: sa.Connection, event_id: int, moment: datetime) -> int:
    """The first of the events after `moment`, if it is not after `event_id`; else `event_id + 1`.

    PostgreSQL gives ids before the commit: one below `event_id` may have become visible only now.
    """
    recent = sa.and_(events.c.id <= event_id, events.c.id > event_id - 500, events.c.at > moment)
    return db.scalar(sa.select(sa.func.min(events.c.id)).where(recent)) or event_id + 1


def newest(db: sa.Connection) -> int:
    return db.scalar(sa.select(sa.func.max(events.c.id))) or 0


def claim_receipts(db: sa.Connection, now: datetime, limit: int, until: datetime, owner: str) -> Sequence[Row]:
    """The oldest untold event of each (ticket, notifier) that is due, leased to `owner`.

    Each row has event_id, notifier, ticket_id, tries, and `was`: the state it was found in.
    """
    untold = sa.select(
        receipts.c.notifier, receipts.c.ticket_id, sa.func.min(receipts.c.event_id).label("event_id")
    ).where(receipts.c.state.in_(["pending", "sending"]))
    heads = untold.group_by(receipts.c.notifier, receipts.c.ticket_id).subquery()
    wish = (
        sa.select(
            receipts.c.event_id,
            receipts.c.notifier,
            receipts.c.ticket_id,
            receipts.c.tries,
            receipts.c.state.label("was"),
        )
        .join(
            heads,
            sa.and_(receipts.c.event_id == heads.c.event_id, receipts.c.notifier == heads.c.notifier),
        )
        .where(receipts.c.due_at <= now)
        .order_by(receipts.c.event_id)
        .limit(limit)
    )
    rows = db.execute(wish).all()
    return [row for row in rows if _lease(db, row, now, until, owner)]


def _lease(db: sa.Connection, row: Row, now: datetime, until: datetime, owner: str) -> bool:
    done = db.execute(
        receipts.update()
        .where(_is(row), receipts.c.due_at <= now, receipts.c.state == row.was)
        .values(state="sending", owner=owner, due_at=until, tries=receipts.c.tries + 1)
    )
    return done.rowcount == 1


def settle(db: sa.Connection, row: Row, owner: str, **changes: Any) -> bool:
    """Ends the lease with what came of the telling, if we still hold it."""
    done = db.execute(
        receipts.update()
        .where(_is(row), receipts.c.owner == owner)
        .values(**{"owner": None, "due_at": None, **changes})
    )
    return done.rowcount == 1


def event(db: sa.Connection, event_id: int) -> Row:
    return db.execute(sa.select(events).where(events.c.id == event_id)).one()


def last_place(db: sa.Connection, ticket_id: str, notifier: str) -> Mapping[str, Any] | None:
    """Where the last message about the ticket went."""
    found: Mapping[str, Any] | None = db.scalar(
        sa.select(receipts.c.place)
        .where(
            receipts.c.ticket_id == ticket_id,
            receipts.c.notifier == notifier,
            receipts.c.state == "sent",
            receipts.c.place.is_not(None),
        )
        .order_by(receipts.c.event_id.desc())
        .limit(1)
    )
    return found


def untold(db: sa.Connection) -> Sequence[Row]:
    """Messages that wait or are parked, by notifier and state."""
    wish = (
        sa.select(receipts.c.notifier, receipts.c.state, sa.func.count().label("count"))
        .where(receipts.c.state.in_(["pending", "sending", "parked"]))
        .group_by(receipts.c.notifier, receipts.c.state)
    )
    return db.execute(wish).all()


def parked(db: sa.Connection, limit: int = 50) -> Sequence[Row]:
    """Messages that a notifier refused for good, the newest first: notifier, ticket_id, error, tries, event, at."""
    wish = (
        sa.select(
            receipts.c.notifier,
            receipts.c.ticket_id,
            receipts.c.error,
            receipts.c.tries,
            events.c.name.label("event"),
            events.c.at,
        )
        .join_from(receipts, events, receipts.c.event_id == events.c.id)
        .where(receipts.c.state == "parked")
        .order_by(receipts.c.event_id.desc())
        .limit(limit)
    )
    return db.execute(wish).all()


def _is(row: Row) -> sa.ColumnElement[bool]:
    return sa.and_(receipts.c.event_id == row.event_id, receipts.c.notifier == row.notifier)
