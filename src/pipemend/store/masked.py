"""Failures that a good end has masked: one row for each run that was looked at."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from pipemend.core.run import Resource, Run
from pipemend.store.rows import Row, insert_new
from pipemend.store.schema import masked_failures as table

LOOKING, FOUND, CLEAN, UNREAD = "looking", "found", "clean", "unread"
SHOWN = (FOUND, UNREAD)
NOTE_KEPT = timedelta(days=1)  # that a run was clean is remembered while a feed may still report it


def insert(db: sa.Connection, run: Run, display_resource: str, now: datetime) -> bool:
    """A run that went well and may have masked a failure, to be looked at now; False when it is known."""
    values: dict[str, object] = {
        "platform": run.ref.platform,
        "resource": run.ref.resource,
        "run_id": run.ref.run_id,
        "display_resource": display_resource,
        "pipeline": run.pipeline,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "link": run.link,
        "state": LOOKING,
        "activities": [],
        "seen_at": now,
        "due_at": now,
    }
    return insert_new(db, table, values) is not None


def known(db: sa.Connection, resource: Resource, runs: Sequence[Run]) -> set[str]:
    """Which of these runs have a row."""
    ids = [run.ref.run_id for run in runs]
    here = sa.and_(table.c.platform == resource.platform, table.c.resource == resource.id)
    return set(db.scalars(sa.select(table.c.run_id).where(here, table.c.run_id.in_(ids))))


def claim_due(db: sa.Connection, now: datetime, limit: int, until: datetime, owner: str) -> Sequence[Row]:
    """Runs to be looked at, leased to `owner`."""
    due = sa.select(table.c.id).where(table.c.due_at <= now).order_by(table.c.due_at, table.c.id).limit(limit)
    return db.execute(
        table.update()
        .where(table.c.id.in_(due), table.c.due_at <= now)
        .values(due_at=until, owner=owner, revision=table.c.revision + 1)
        .returning(*table.c)
    ).all()


def settle(db: sa.Connection, row: Row, **changes: Any) -> bool:
    """Saves what was seen; False when somebody else has taken the row over."""
    ours = table.update().where(table.c.id == row.id, table.c.revision == row.revision)
    return db.execute(ours.values(owner=None, **{"due_at": None, **changes})).rowcount == 1


def name_ticket(db: sa.Connection, row: Row, ticket_id: str) -> None:
    db.execute(table.update().where(table.c.id == row.id).values(ticket_id=ticket_id))


def page(db: sa.Connection, offset: int, limit: int) -> tuple[int, Sequence[Row]]:
    """How many there are, and some of them, the newest first."""
    shown = table.c.state.in_(SHOWN)
    total = db.scalar(sa.select(sa.func.count()).select_from(table).where(shown)) or 0
    wish = sa.select(table).where(shown).order_by(table.c.id.desc()).offset(offset).limit(limit)
    return total, db.execute(wish).all()


def forget(db: sa.Connection, before: datetime, now: datetime, limit: int) -> int:
    """Deletes what is old, and that runs were clean once no feed reports them any more; how many."""
    clean = sa.and_(table.c.state == CLEAN, table.c.seen_at < now - NOTE_KEPT)
    old = sa.and_(table.c.state != LOOKING, table.c.seen_at < before)
    some = sa.select(table.c.id).where(sa.or_(clean, old)).order_by(table.c.id).limit(limit)
    return db.execute(table.delete().where(table.c.id.in_(some))).rowcount
