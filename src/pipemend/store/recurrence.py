"""How often a failure was there before, and what became of it."""

from datetime import datetime
from statistics import median

import sqlalchemy as sa

from pipemend.core.rca import Recurrence
from pipemend.core.ticket import RemediationStatus
from pipemend.store.schema import tickets

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
