"""How repairs of one kind, an error type and an action, have ended."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from pipemend.core.attempt import LIVE, AttemptStatus
from pipemend.core.breaker import Outcome
from pipemend.store.schema import attempts

MOST = 200
FAILED = (AttemptStatus.FAILED, AttemptStatus.TIMED_OUT)
ENDED = (AttemptStatus.SUCCEEDED, *FAILED)  # by the work's own end; a person's cancelling is no outcome of it


def of_kind(db: sa.Connection, error_type: str, action: str, since: datetime) -> Sequence[Outcome]:
    """The latest outcomes after that time, the oldest first."""
    wish = (
        sa.select(attempts.c.completed_at, attempts.c.status)
        .where(
            attempts.c.error_type == error_type,
            attempts.c.remediation_action == action,
            attempts.c.completed_at > since,
            attempts.c.status.in_(ENDED),
        )
        .order_by(attempts.c.completed_at.desc(), attempts.c.id.desc())
        .limit(MOST)
    )
    rows = db.execute(wish).all()
    return [Outcome(row.completed_at, row.status is AttemptStatus.SUCCEEDED) for row in reversed(rows)]


def under_way(db: sa.Connection, error_type: str, action: str) -> bool:
    """Whether a repair of this kind is being started or runs."""
    live = sa.select(attempts.c.error_type, attempts.c.remediation_action).where(attempts.c.status.in_(LIVE))
    return (error_type, action) in {tuple(row) for row in db.execute(live)}  # few live: not looked for among all
