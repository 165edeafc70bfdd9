"""The audit trail: who did what to which ticket, in the plan's columns."""

from collections.abc import Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines somebody wants to see; `q` is looked for in ticket, pipeline, run and issue."""

    ticket_id: str | None = None
    user: str | None = None
    action: str | None = None
    q: str = ""
    since: datetime | None = None

    def where(self) -> sa.ColumnElement[bool]:
        line = audit_trail.c
        same = ((line.ticket_id, self.ticket_id), (line.user_name, self.user), (line.action, self.action))
        parts: list[sa.ColumnElement[bool]] = [column == value for column, value in same if value]
        if self.since:
            parts.append(line.timestamp >= self.since)
        searched = (line.ticket_id, line.pipeline, line.run_id, line.itsm_ticket_id)
        for word in self.q.split():
            parts.append(sa.or_(*(column.icontains(word, autoescape=True) for column in searched)))
        return sa.and_(sa.true(), *parts)


def page(
    db: sa.Connection, wanted: Wanted | None = None, *, offset: int = 0, limit: int = 100
) -> tuple[int, Sequence[Row]]:
    """How many lines there are, and some of them, the newest first."""
    where = (wanted or Wanted()).where()
    total = db.scalar(sa.select(sa.func.count()).select_from(audit_trail).where(where)) or 0
    wish = sa.select(audit_trail).where(where).order_by(audit_trail.c.id.desc()).offset(offset).limit(limit)
    return total, db.execute(wish).all()


def actions(db: sa.Connection) -> Sequence[str]:
    """What has been done so far, by name."""
    return list(db.scalars(sa.select(audit_trail.c.action).distinct().order_by(audit_trail.c.action)))
