"""Deliveries: each raw call at a door is kept first, and can be replayed."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from pipemend.core.errors import NotFound
from pipemend.store.rows import Row
from pipemend.store.schema import deliveries

SLOT_SECONDS = 300


def slot(door: str, body: bytes, now: datetime) -> str:
    """The same bytes at the same door within five minutes are one delivery."""
    return f"{hashlib.sha256(door.encode() + b'|' + body).hexdigest()}:{int(now.timestamp()) // SLOT_SECONDS}"


def keep(db: sa.Connection, *, door: str, body: bytes, now: datetime, **what: Any) -> tuple[int, bool]:
    """Keeps the delivery; a repeat is counted. Returns its id and whether it is new."""
    key = what.pop("slot", None) or slot(door, body, now)
    dialect = sqlite if db.dialect.name == "sqlite" else postgresql
    wish = dialect.insert(deliveries).values(slot=key, door=door, body=body, received_at=now, **what)
    row = db.execute(
        wish.on_conflict_do_update(index_elements=["slot"], set_={"count": deliveries.c.count + 1}).returning(
            deliveries.c.id, deliveries.c.count.label("times")
        )
    ).one()
    return row.id, row.times == 1


def get(db: sa.Connection, delivery_id: int) -> Row:
    """Raises NotFound."""
    row = db.execute(sa.select(deliveries).where(deliveries.c.id == delivery_id)).first()
    if row is None:
        raise NotFound(f"there is no delivery {delivery_id}")
    return row


def page(db: sa.Connection, *, offset: int, limit: int) -> tuple[int, Sequence[Row]]:
    """How many there are, and some of them, the newest first."""
    total = db.scalar(sa.select(sa.func.count()).select_from(deliveries)) or 0
    wish = sa.select(deliveries).order_by(deliveries.c.id.desc()).offset(offset).limit(limit)
    return total, db.execute(wish).all()
