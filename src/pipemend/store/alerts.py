"""Alerts: one row for each failure that a delivery or the feed reports, until it has found its ticket."""

from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pipemend.core.alert import Alert
from pipemend.store.rows import Row, insert_new
from pipemend.store.schema import alerts

OPEN_STATES = ("new", "looking", "held")
FEED, FEED_CHILD = "feed", "feed: started by another run"  # the rules of alerts that nobody sent


@dataclass(frozen=True, slots=True)
class Kept:
    """An alert as it is kept: the row's own fields beside what was reported."""

    id: int
    alert: Alert
    state: str
    reason: str | None
    tries: int
    stumbles: int
    created_at: datetime
    revision: int
    feed_child: bool  # known from the feed alone, and started by another run


def insert(
    db: sa.Connection, alert: Alert, now: datetime, *, delivery_id: int | None = None, feed_key: str | None = None
) -> bool:
    """Keeps the alert, due now; False when the feed has reported it before."""
    start, end = alert.window or (None, None)
    values = {
        "delivery_id": delivery_id,
        "feed_key": feed_key,
        "platform": alert.platform,
        "resource": alert.resource,
        "pipeline": alert.pipeline,
        "run_id": alert.run_id,
        "window_start": start,
        "window_end": end,
        "activity": alert.activity,
        "activity_type": alert.activity_type,
        "error_code": alert.error_code,
        "error_message": alert.error_message,
        "failure_type": alert.failure_type,
        "failed_at": alert.failed_at,
        "rule": alert.rule,
        "state": "new",
        "created_at": now,
        "due_at": now,
    }
    return insert_new(db, alerts, values) is not None


def reported(db: sa.Connection, feed_keys: Sequence[str]) -> Set[str]:
    """Those of some failures that the feed has reported before."""
    return set(db.scalars(sa.select(alerts.c.feed_key).where(alerts.c.feed_key.in_(feed_keys))))


def claim_due(db: sa.Connection, now: datetime, limit: int, until: datetime, owner: str) -> Sequence[Kept]:
    """Due alerts, leased to `owner` until `until`."""
    due = (
        sa.select(alerts.c.id)
        .where(alerts.c.due_at <= now)
        .order_by(alerts.c.due_at, alerts.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = db.execute(
        alerts.update()
        .where(alerts.c.id.in_(due))
        .values(due_at=until, owner=owner, revision=alerts.c.revision + 1)
        .returning(*alerts.c)
    ).all()
    return sorted((_kept(row) for row in rows), key=lambda kept: kept.id)


def put(db: sa.Connection, kept: Kept, **changes: Any) -> bool:
    """Changes the alert if we still hold it, and gives the lease back."""
    done = db.execute(
        alerts.update()
        .where(alerts.c.id == kept.id, alerts.c.revision == kept.revision)
        .values(**{"owner": None, "due_at": None, **changes})
    )
    return done.rowcount == 1


def joined(db: sa.Connection, kept: Kept, ticket_id: str, reason: str) -> bool:
    return put(db, kept, state="joined", ticket_id=ticket_id, reason=reason)


def ignored(db: sa.Connection, kept: Kept, reason: str) -> bool:
    return put(db, kept, state="ignored", reason=reason)


def of_delivery(db: sa.Connection, delivery_id: int) -> Sequence[Row]:
    return db.execute(sa.select(alerts).where(alerts.c.delivery_id == delivery_id).order_by(alerts.c.id)).all()


def of_deliveries(db: sa.Connection, delivery_ids: Sequence[int]) -> Sequence[Row]:
    """The alerts of all these deliveries, in their order."""
    wish = sa.select(alerts).where(alerts.c.delivery_id.in_(delivery_ids))
    return db.execute(wish.order_by(alerts.c.delivery_id, alerts.c.id)).all()


def held(db: sa.Connection, limit: int = 100) -> Sequence[Row]:
    """Alerts that may belong to a rerun of ours and wait until that is known."""
    return db.execute(sa.select(alerts).where(alerts.c.state == "held").order_by(alerts.c.id).limit(limit)).all()


def _kept(row: Row) -> Kept:
    window = (row.window_start, row.window_end) if row.window_start and row.window_end else None
    alert = Alert(
        platform=row.platform,
        resource=row.resource,
        pipeline=row.pipeline,
        run_id=row.run_id,
        window=window,
        activity=row.activity,
        activity_type=row.activity_type,
        error_code=row.error_code,
        error_message=row.error_message,
        failure_type=row.failure_type,
        failed_at=row.failed_at,
        rule=row.rule,
    )
    return Kept(
        row.id,
        alert,
        row.state,
        row.reason,
        row.tries,
        row.stumbles,
        row.created_at,
        row.revision,
        row.rule == FEED_CHILD,
    )
