"""Gauges: figures for machines, each from a few looks at an index."""

from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa

from pipemend.core.attempt import AttemptStatus
from pipemend.core.badge import Tab
from pipemend.store.schema import alerts, attempts, feeds, receipts, storms, tickets

DUE = (alerts, tickets, attempts, feeds, receipts, storms)


def tickets_by_tab(db: sa.Connection) -> Mapping[str, int]:
    """How many tickets each tab has; merged ones have none."""
    rows = db.execute(sa.select(tickets.c.tab, sa.func.count().label("number")).group_by(tickets.c.tab)).all()
    counted = {row.tab: row.number for row in rows}
    return {str(tab): counted.get(str(tab), 0) for tab in Tab}


def attempts_by_status(db: sa.Connection) -> Mapping[str, int]:
    rows = db.execute(sa.select(attempts.c.status, sa.func.count().label("number")).group_by(attempts.c.status)).all()
    counted = {str(row.status): row.number for row in rows}
    return {str(status): counted.get(str(status), 0) for status in AttemptStatus}


def oldest_due(db: sa.Connection, now: datetime) -> float:
    """For how many seconds the longest waiting row has been due; 0 when nothing is."""
    first: list[datetime | None] = [db.scalar(sa.select(sa.func.min(table.c.due_at))) for table in DUE]
    return max([0.0, *((now - due).total_seconds() for due in first if due is not None)])
