"""What people say an error really was."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from pipemend.core.commands import Correct
from pipemend.core.ticket import Ticket
from pipemend.store.rows import Row
from pipemend.store.schema import corrections, tickets


def add(db: sa.Connection, ticket: Ticket, command: Correct, now: datetime) -> None:
    db.execute(
        corrections.insert().values(
            ticket_id=ticket.id,
            at=now,
            by=command.by,
            said=ticket.error_type,
            error_type=command.error_type,
            remediable=command.remediable,
            note=command.note or None,
        )
    )


def latest(db: sa.Connection) -> Sequence[Row]:
    """The last correction of each ticket, oldest first, with what the platform had said."""
    last = sa.select(sa.func.max(corrections.c.id)).group_by(corrections.c.ticket_id)
    told = (tickets.c[name] for name in ("platform", "error_code", "error_message", "rca", "severity", "fingerprint"))
    wish = (
        sa.select(corrections, *told)
        .join_from(corrections, tickets, corrections.c.ticket_id == tickets.c.id)
        .where(corrections.c.id.in_(last))
        .order_by(corrections.c.id)
    )
    return db.execute(wish).all()
