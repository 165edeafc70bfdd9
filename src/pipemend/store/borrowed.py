"""What remedies have borrowed outside: one row for each thing, kept until it has been given back."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pipemend.core.attempt import LIVE, Attempt, Lease
from pipemend.store.rows import Row, insert_new
from pipemend.store.schema import attempts, leases


def take(db: sa.Connection, attempt: Attempt, lease: Lease, now: datetime) -> str | None:
    """Nothing when the attempt has the thing now; else the key of the attempt that has it."""
    platform, resource = lease.platform or attempt.platform, lease.resource or attempt.resource
    values = {
        "platform": platform,
        "resource": resource,
        "target": lease.target,
        "attempt_key": attempt.key,
        "action": attempt.remediation_action,
        "terms": dict(lease.terms),
        "taken_at": now,
        "due_at": now,
    }
    if insert_new(db, leases, values) is not None:
        return None
    holder = db.scalar(sa.select(leases.c.attempt_key).where(_is(platform, resource, lease.target)))
    return None if holder == attempt.key else holder


def terms(db: sa.Connection, attempt_key: str) -> Mapping[str, Any]:
    """How the thing was that the attempt has borrowed; empty when it has borrowed nothing."""
    row = db.execute(sa.select(leases.c.target, leases.c.terms).where(leases.c.attempt_key == attempt_key)).first()
    return {"target": row.target, **row.terms} if row else {}


def claim_over(db: sa.Connection, now: datetime, until: datetime, owner: str) -> Sequence[Row]:
    """Things whose attempt has ended, to be given back by `owner` until `until`."""
    living = sa.select(attempts.c.key).where(attempts.c.status.in_(LIVE))
    return db.execute(
        leases.update()
        .where(leases.c.due_at <= now, leases.c.attempt_key.not_in(living))
        .values(due_at=until, owner=owner, revision=leases.c.revision + 1)
        .returning(*leases.c)
    ).all()


def returned(db: sa.Connection, row: Row) -> None:
    db.execute(leases.delete().where(_same(row)))


def not_returned(db: sa.Connection, row: Row, again: datetime, stumbles: int = 0) -> None:
    db.execute(leases.update().where(_same(row)).values(due_at=again, owner=None, stumbles=stumbles))


def _same(row: Row) -> sa.ColumnElement[bool]:
    return sa.and_(_is(row.platform, row.resource, row.target), leases.c.revision == row.revision)


def _is(platform: str, resource: str, target: str) -> sa.ColumnElement[bool]:
    return sa.and_(leases.c.platform == platform, leases.c.resource == resource, leases.c.target == target)
