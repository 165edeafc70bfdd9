"""Leases that a worker held over rows: given back when it is certain that nobody works on them."""

from datetime import datetime

import sqlalchemy as sa

from pipemend.store.schema import alerts, attempts, feeds, receipts, tickets

LEASED = (alerts, tickets, attempts, feeds, receipts)


def release(db: sa.Connection, now: datetime) -> None:
    """Every row that has an owner is due now, and has none. For the start of the only process there is."""
    for table in LEASED:
        db.execute(table.update().where(table.c.owner.is_not(None)).values(owner=None, due_at=now))
