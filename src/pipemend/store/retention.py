"""Retention: what is old, settled and needed by nobody is deleted. Tickets, attempts and the audit trail stay."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pipemend.core.ticket import Status
from pipemend.store.alerts import OPEN_STATES
from pipemend.store.schema import alerts, deliveries, events, questions, receipts, tickets


def forget_alerts(db: sa.Connection, before: datetime, limit: int) -> int:
    """Settled alerts that came before; how many."""
    old = _older(db, alerts, alerts.c.created_at, before)
    wish = sa.select(alerts.c.id).where(old, alerts.c.state.not_in(OPEN_STATES))
    return _delete(db, alerts, _some(db, wish, alerts, limit))


def forget_deliveries(db: sa.Connection, before: datetime, limit: int) -> int:
    """Deliveries that came before and have no alert any more; how many."""
    told = sa.select(alerts.c.id).where(alerts.c.delivery_id == deliveries.c.id).exists()
    wish = sa.select(deliveries.c.id).where(_older(db, deliveries, deliveries.c.received_at, before), ~told)
    return _delete(db, deliveries, _some(db, wish, deliveries, limit))


def forget_events(db: sa.Connection, before: datetime, limit: int) -> int:
    """Events of closed tickets of which nothing has been heard since, and their receipts; how many events.

    While a ticket lives its receipts say where its thread is: its story goes as a whole, or stays.
    """
    later = events.alias("later")
    unclosed = sa.and_(tickets.c.id == events.c.ticket_id, tickets.c.status != Status.ACKNOWLEDGED)
    heard = sa.and_(later.c.ticket_id == events.c.ticket_id, later.c.at >= before)
    untold = sa.and_(receipts.c.ticket_id == events.c.ticket_id, receipts.c.state.in_(["pending", "sending"]))
    wish = sa.select(events.c.id).where(
        _older(db, events, events.c.at, before),
        ~sa.select(tickets.c.id).where(unclosed).exists(),
        ~sa.select(later.c.id).where(heard).exists(),
        ~sa.select(receipts.c.event_id).where(untold).exists(),
    )
    ids = _some(db, wish, events, limit)
    db.execute(receipts.delete().where(receipts.c.event_id.in_(ids)))
    return _delete(db, events, ids)


def forget_questions(db: sa.Connection, before: datetime, limit: int) -> int:
    """Questions to models that were asked before, with their answers; how many."""
    wish = sa.select(questions.c.id).where(_older(db, questions, questions.c.asked_at, before))
    return _delete(db, questions, _some(db, wish, questions, limit))


def _older(db: sa.Connection, table: sa.Table, at: sa.Column[Any], before: datetime) -> sa.ColumnElement[bool]:
    """Rows from before that time. Ids follow time closely, so a few looks at the key spare reading the whole table."""
    low, high = 0, (db.scalar(sa.select(sa.func.max(table.c.id))) or 0) + 1
    while low < high:
        middle = (low + high) // 2
        found = db.scalar(sa.select(at).where(table.c.id >= middle).order_by(table.c.id).limit(1))
        low, high = (middle + 1, high) if found is not None and found < before else (low, middle)
    return sa.and_(table.c.id < low, at < before)


def _some(db: sa.Connection, wish: sa.Select[tuple[int]], table: sa.Table, limit: int) -> list[int]:
    """The oldest of them; on PostgreSQL none that another worker is about to delete."""
    return list(db.scalars(wish.order_by(table.c.id).limit(limit).with_for_update(skip_locked=True, of=table)))


def _delete(db: sa.Connection, table: sa.Table, ids: list[int]) -> int:
    return db.execute(table.delete().where(table.c.id.in_(ids))).rowcount if ids else 0
