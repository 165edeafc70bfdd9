"""Events and their receipts: what happened, and who has been told."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pipemend.core import events as facts
from pipemend.store import storms, tickets
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
        facts.ApprovalRequested,
        facts.ApprovalGranted,
        facts.Explained,
        facts.SlaBreached,
        facts.AutomationChanged,
        facts.StormBegan,
        facts.StormChanged,
        facts.StormEscalated,
        facts.StormEnded,
    )
}

UNTOLD = ("pending", "sending")


# Made once, as they are used for whatever happens.
NEW_EVENT, NEW_RECEIPT = events.insert().returning(events.c.id), receipts.insert()


def record(db: sa.Connection, event: facts.Event, at: datetime, notifiers: Iterable[str]) -> int:
    """Saves the event and a receipt for each listener, in the unit that made it true.

    What happens to a ticket that is told with its storm shows in the storm's figures, and has no receipt of its own.
    """
    fields = event.fields()
    ticket_id = event.ticket_id
    told = {"at": at, "name": event.name, "ticket_id": ticket_id, "attempt": fields.get("attempt"), "data": fields}
    event_id = int(db.execute(NEW_EVENT, told).scalar_one())
    for notifier in notifiers if _told_by_itself(db, ticket_id) else ():
        owed = {"event_id": event_id, "notifier": notifier, "ticket_id": ticket_id, "turn": event.turn}
        db.execute(NEW_RECEIPT, {**owed, "state": "pending", "due_at": at})
    return event_id


def _told_by_itself(db: sa.Connection, ticket_id: str) -> bool:
    """A ticket whose storm is over and done with leaves it."""
    settled = storms.settled(db, ticket_id)
    if settled:
        tickets.fill(db, ticket_id, storm_id=None)
    return settled is not False


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


def claim_receipts(
    db: sa.Connection, notifier: str, now: datetime, limit: int, until: datetime, owner: str
) -> Sequence[Row]:
    """The oldest untold event of each ticket that is due, leased to `owner`; tickets whose people have to act first.

    Each row has event_id, notifier, ticket_id, tries, and `was`: the state it was found in.
    """
    lines = (
        sa.select(sa.func.min(receipts.c.event_id).label("event_id"), sa.func.min(receipts.c.turn).label("turn"))
        .where(receipts.c.notifier == notifier, receipts.c.state.in_(UNTOLD))
        .group_by(receipts.c.ticket_id)
        .subquery()
    )
    wish = (
        sa.select(
            receipts.c.event_id,
            receipts.c.notifier,
            receipts.c.ticket_id,
            receipts.c.tries,
            receipts.c.state.label("was"),
        )
        .join(lines, receipts.c.event_id == lines.c.event_id)
        .where(receipts.c.notifier == notifier, receipts.c.due_at <= now)
        .order_by(lines.c.turn, receipts.c.event_id)
        .limit(limit)
    )
    rows = db.execute(wish).all()
    return [row for row in rows if _lease(db, row, now, until, owner)]


def supersede(db: sa.Connection, notifier: str, before: datetime) -> int:
    """Lets go of news where something later waits too, for tickets that have waited since `before`; how many.

    What is being told at this moment stays.
    """
    lines = (
        sa.select(
            receipts.c.ticket_id,
            sa.func.min(receipts.c.event_id).label("oldest"),
            sa.func.max(receipts.c.event_id).label("newest"),
        )
        .where(receipts.c.notifier == notifier, receipts.c.state.in_(UNTOLD))
        .group_by(receipts.c.ticket_id)
        .subquery()
    )
    late = (
        sa.select(receipts.c.event_id)
        .join(lines, receipts.c.ticket_id == lines.c.ticket_id)
        .join(events, events.c.id == lines.c.oldest)
        .where(
            receipts.c.notifier == notifier,
            receipts.c.state.in_(UNTOLD),
            receipts.c.turn == facts.Turn.NEWS,
            receipts.c.event_id < lines.c.newest,
            events.c.at <= before,
        )
    )
    return db.execute(
        receipts.update()
        .where(receipts.c.notifier == notifier, receipts.c.event_id.in_(late))
        .where(receipts.c.state.in_(UNTOLD), receipts.c.owner.is_(None))
        .values(state="superseded", due_at=None)
    ).rowcount


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


def moves_told(db: sa.Connection, ticket_id: str, notifier: str) -> set[str]:
    """The states of a ticket that a notifier has been told, or is being told at this moment."""
    wish = (
        sa.select(events.c.data)
        .join_from(receipts, events, receipts.c.event_id == events.c.id)
        .where(receipts.c.ticket_id == ticket_id, receipts.c.notifier == notifier)
        .where(receipts.c.state.in_(("sending", "sent")), events.c.name == facts.StatusChanged.name)
    )
    return {str(data["new_status"]) for data in db.scalars(wish)}


def counts(db: sa.Connection) -> Mapping[tuple[str, str], int]:
    """How many messages wait, are parked or were superseded, by notifier and word."""
    words = {**dict.fromkeys(UNTOLD, "waiting"), "parked": "parked", "superseded": "superseded"}
    word = sa.case(words, value=receipts.c.state).label("word")
    wish = sa.select(receipts.c.notifier, word, sa.func.count().label("number")).where(receipts.c.state.in_(words))
    return {(row.notifier, row.word): row.number for row in db.execute(wish.group_by(receipts.c.notifier, word))}


def waiting_since(db: sa.Connection) -> Mapping[str, Row]:
    """The oldest message that waits for each notifier: `at`, and the `error` of the last try."""
    heads = (
        sa.select(receipts.c.notifier, sa.func.min(receipts.c.event_id).label("event_id"))
        .where(receipts.c.state.in_(UNTOLD))
        .group_by(receipts.c.notifier)
        .subquery()
    )
    same = sa.and_(receipts.c.notifier == heads.c.notifier, receipts.c.event_id == heads.c.event_id)
    wish = (
        sa.select(receipts.c.notifier, receipts.c.error, events.c.at)
        .join(heads, same)
        .join(events, events.c.id == receipts.c.event_id)
    )
    return {row.notifier: row for row in db.execute(wish)}


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
