"""The audit trail: who did what to which ticket, in the plan's columns."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pipemend.core.ticket import Ticket
from pipemend.store.rows import Row
from pipemend.store.schema import audit_trail

NEW_LINE = audit_trail.insert()


def write(
    db: sa.Connection,
    action: str,
    *,
    at: datetime,
    user: str,
    ticket: Ticket | None = None,
    details: dict[str, Any] | None = None,
    **columns: Any,
) -> None:
    """One line. What is known of the ticket is filled in; `columns` beats it."""
    known = (
        {}
        if ticket is None
        else {
            "ticket_id": ticket.id,
            "pipeline": ticket.pipeline,
            "run_id": ticket.run_id,
            "finops_team": ticket.finops_team,
            "finops_owner": ticket.finops_owner,
            "itsm_ticket_id": ticket.itsm_ticket_id,
        }
    )
    line = {**known, **columns, "timestamp": at, "action": action, "user_name": user, "details": details or {}}
    db.execute(NEW_LINE, line)


def page(
    db: sa.Connection, *, ticket_id: str | None = None, offset: int = 0, limit: int = 100
) -> tuple[int, Sequence[Row]]:
    """How many lines there are, and some of them, the newest first."""
    where = audit_trail.c.ticket_id == ticket_id if ticket_id else sa.true()
    total = db.scalar(sa.select(sa.func.count()).select_from(audit_trail).where(where)) or 0
    wish = sa.select(audit_trail).where(where).order_by(audit_trail.c.id.desc()).offset(offset).limit(limit)
    return total, db.execute(wish).all()
