"""Feeds: how far each connection has been read."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from pipemend.core.run import Resource
from pipemend.store.rows import Row, insert_new
from pipemend.store.schema import feeds


def begin(db: sa.Connection, resource: Resource, now: datetime) -> None:
    """The first start sets the watermark to now: what ended before opens nothing."""
    values = {
        "platform": resource.platform,
        "resource": resource.id,
        "watermark": now,
        "started_at": now,
        "due_at": now,
    }
    insert_new(db, feeds, values)


def claim_due(
    db: sa.Connection, wanted: Sequence[Resource], now: datetime, until: datetime, owner: str
) -> Sequence[Row]:
    """Due feeds of the connections we have, leased to `owner`."""
    ours = sa.tuple_(feeds.c.platform, feeds.c.resource).in_([(r.platform, r.id) for r in wanted])
    if not wanted:
        return []
    return db.execute(
        feeds.update()
        .where(ours, feeds.c.due_at <= now)
        .values(due_at=until, owner=owner, revision=feeds.c.revision + 1)
        .returning(*feeds.c)
    ).all()


def settle(db: sa.Connection, row: Row, **changes: Any) -> None:
    """Saves how far we came, if we still hold the feed."""
    db.execute(
        feeds.update()
        .where(feeds.c.platform == row.platform, feeds.c.resource == row.resource, feeds.c.revision == row.revision)
        .values(owner=None, **changes)
    )


def all_of(db: sa.Connection) -> Sequence[Row]:
    return db.execute(sa.select(feeds).order_by(feeds.c.platform, feeds.c.resource)).all()


def ages(db: sa.Connection, wanted: Sequence[Resource], now: datetime) -> Mapping[str, timedelta]:
    """How long ago each of these connections was last read, by its resource."""
    ours = {(resource.platform, resource.id) for resource in wanted}
    return {r.resource: now - (r.last_ok_at or r.started_at) for r in all_of(db) if (r.platform, r.resource) in ours}
