"""What models were asked, and what they answered. The rows are record, cache, budget and breaker at once."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pipemend.core.ticket import Ticket
from pipemend.store.rows import Row
from pipemend.store.schema import questions, tickets
from pipemend.store.tickets import COLUMNS, from_row

ASKING, ANSWERED, FAILED = "asking", "answered", "failed"


def begin(db: sa.Connection, ticket_id: str, fingerprint: str | None, now: datetime) -> int:
    """A question is about to be asked; its number. One that a crash cut off is asked again under its number."""
    known: int | None = db.scalar(
        sa.select(questions.c.id).where(questions.c.ticket_id == ticket_id, questions.c.state == ASKING)
    )
    if known is not None:
        return known
    made = db.execute(
        questions.insert()
        .values(ticket_id=ticket_id, fingerprint=fingerprint, asked_at=now, state=ASKING)
        .returning(questions.c.id)
    )
    return int(made.scalar_one())


def end(db: sa.Connection, question_id: int, state: str, now: datetime, **columns: Any) -> None:
    db.execute(questions.update().where(questions.c.id == question_id).values(state=state, ended_at=now, **columns))


def answered(db: sa.Connection, fingerprint: str, since: datetime) -> Row | None:
    """The youngest answer about this failure."""
    return db.execute(_about(fingerprint, ANSWERED, since)).first()


def asking(db: sa.Connection, fingerprint: str, since: datetime) -> Row | None:
    """A question about this failure that is still open."""
    return db.execute(_about(fingerprint, ASKING, since)).first()


def _about(fingerprint: str, state: str, since: datetime) -> sa.Select[Any]:
    return (
        sa.select(questions)
        .where(questions.c.fingerprint == fingerprint, questions.c.state == state, questions.c.asked_at >= since)
        .order_by(questions.c.id.desc())
        .limit(1)
    )


def asked_since(db: sa.Connection, since: datetime) -> int:
    return db.scalar(sa.select(sa.func.count()).where(questions.c.asked_at >= since)) or 0


def last_ended(db: sa.Connection, since: datetime, limit: int) -> Sequence[str]:
    """How the youngest questions ended, the youngest first."""
    wish = sa.select(questions.c.state).where(questions.c.ended_at >= since, questions.c.state != ASKING)
    return db.scalars(wish.order_by(questions.c.ended_at.desc(), questions.c.id.desc()).limit(limit)).all()


def of_ticket(db: sa.Connection, ticket_id: str) -> Sequence[Mapping[str, Any]]:
    """The questions asked for a ticket, oldest first."""
    rows = db.execute(sa.select(questions).where(questions.c.ticket_id == ticket_id).order_by(questions.c.id))
    return [dict(row._mapping) for row in rows]


def waiting(db: sa.Connection, fingerprint: str, since: datetime, limit: int) -> Sequence[Ticket]:
    """Tickets with the same failure that were opened since, the youngest first."""
    rows = db.execute(
        sa.select(*COLUMNS)
        .where(tickets.c.fingerprint == fingerprint, tickets.c.timestamp >= since, tickets.c.merged_into.is_(None))
        .order_by(tickets.c.timestamp.desc())
        .limit(limit)
    )
    return [from_row(row) for row in rows]
