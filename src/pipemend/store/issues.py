"""Issues of our tickets in another tool: how each stands there, and up to which change that is known."""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from pipemend.core.issue import IssueState
from pipemend.store.rows import insert_new
from pipemend.store.schema import issues


@dataclass(frozen=True, slots=True)
class Known:
    """`moved` and `assigned`: the newest change of status and of assignee that we know; empty: none."""

    state: IssueState | None = None
    moved: str = ""
    assigned: str = ""


def known(db: sa.Connection, ticket_id: str) -> Known:
    row = db.execute(sa.select(issues).where(issues.c.ticket_id == ticket_id)).first()
    return Known(row.state, row.moved, row.assigned) if row else Known()


def note(db: sa.Connection, ticket_id: str, **columns: Any) -> None:
    """For whoever has locked the ticket."""
    if insert_new(db, issues, {"ticket_id": ticket_id, **columns}) is None:
        db.execute(issues.update().where(issues.c.ticket_id == ticket_id).values(**columns))
