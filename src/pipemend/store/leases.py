"""Leases that a worker holds over rows it works on. What nobody works on any more is due at once."""

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa

from pipemend.store.schema import alerts, attempts, feeds, leases, receipts, tickets, workers

LEASED = (alerts, tickets, attempts, feeds, receipts, leases)
SILENCE = 5.0  # seconds without a heartbeat after which a worker counts as dead
NOW = sa.cast(sa.extract("epoch", sa.func.clock_timestamp()), sa.Float)  # one clock for all workers: PostgreSQL's


def release_all(db: sa.Connection, now: datetime) -> None:
    """Every leased row is due now. For the start of the only process there is."""
    for table in LEASED:
        _release(db, table, table.c.owner.is_not(None), now)


def anybody_works(db: sa.Connection) -> bool:
    """Whether a worker lives. PostgreSQL only."""
    return db.scalar(sa.select(sa.exists().where(workers.c.beat_at > NOW - SILENCE))) is True


def release_silent(db: sa.Connection, now: datetime) -> int:
    """Rows leased to workers that have fallen silent are due now; how many. PostgreSQL only."""
    living = sa.select(workers.c.id).where(workers.c.beat_at > NOW - SILENCE)
    return sum(_release(db, table, table.c.owner.not_in(living), now) for table in LEASED)


def release_own(db: sa.Connection, table: sa.Table, owner: str, now: datetime) -> int:
    """What `owner` holds of a table, and works on no more, is due now; how many rows."""
    return _release(db, table, table.c.owner == owner, now)


def release_receipts(db: sa.Connection, notifier: str, owner: str, under_way: Collection[int], now: datetime) -> int:
    """The same for messages to a notifier, except for those that are under way: ids of events."""
    mine = sa.and_(receipts.c.owner == owner, receipts.c.notifier == notifier)
    return _release(db, receipts, sa.and_(mine, receipts.c.event_id.not_in(under_way)), now)


def _release(db: sa.Connection, table: sa.Table, held: sa.ColumnElement[bool], now: datetime) -> int:
    return db.execute(table.update().where(held).values(owner=None, due_at=now)).rowcount
