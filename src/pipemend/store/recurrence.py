"""How often a failure was there before, and what became of it."""

from datetime import datetime
from statistics import median

import sqlalchemy as sa

from pipemend.core.attempt import AttemptStatus
from pipemend.core.handover import Solved
from pipemend.core.rca import Recurrence
from pipemend.core.ticket import RemediationStatus, Status
from pipemend.store.schema import attempts, tickets

MOST = 100  # the youngest say enough, and a storm of one cause must not read itself over and over
NAMED = 3


def before(db: sa.Connection, fingerprint: str | None, at: datetime) -> Recurrence:
    """The tickets with this fingerprint that were opened before `at`, the youngest hundred."""
    if not fingerprint:
        return Recurrence()
    wish = (
        sa.select(tickets.c.id, tickets.c.timestamp, tickets.c.ack_ts, tickets.c.remediation_status)
        .where(tickets.c.fingerprint == fingerprint, tickets.c.timestamp < at, tickets.c.merged_into.is_(None))
        .order_by(tickets.c.timestamp.desc(), tickets.c.id.desc())
        .limit(MOST)
    )
    found = db.execute(wish).all()
    healed = [row for row in found if row.remediation_status is RemediationStatus.SUCCEEDED]
    tried = [row for row in found if row.remediation_status not in (None, RemediationStatus.IN_PROGRESS)]
    took = [(row.ack_ts - row.timestamp).total_seconds() / 60 for row in healed if row.ack_ts]
    return Recurrence(
        seen=len(found),
        tried=len(tried),
        healed=len(healed),
        median_minutes=round(median(took), 1) if took else None,
        tickets=tuple(row.id for row in found[:NAMED]),
    )


def solved(db: sa.Connection, fingerprint: str | None, at: datetime) -> Solved | None:
    """How the youngest closed ticket with this fingerprint that was opened before `at` came to its end."""
    if not fingerprint:
        return None
    wish = (
        sa.select(tickets.c.id, tickets.c.ack_user, tickets.c.ack_seconds, tickets.c.remediation_status)
        .where(tickets.c.fingerprint == fingerprint, tickets.c.timestamp < at, tickets.c.merged_into.is_(None))
        .where(tickets.c.status == Status.ACKNOWLEDGED)
        .order_by(tickets.c.timestamp.desc(), tickets.c.id.desc())
        .limit(1)
    )
    row = db.execute(wish).first()
    if row is None:
        return None
    action = _healed_by(db, row.id) if row.remediation_status is RemediationStatus.SUCCEEDED else None
    return Solved(row.id, row.ack_user or "somebody", row.ack_seconds or 0.0, action)


def _healed_by(db: sa.Connection, ticket_id: str) -> str | None:
    """The action of the attempt that succeeded."""
    wish = sa.select(attempts.c.remediation_action).where(
        attempts.c.ticket_id == ticket_id, attempts.c.status == AttemptStatus.SUCCEEDED
    )
    return db.scalar(wish.order_by(attempts.c.attempt_number.desc()).limit(1))
