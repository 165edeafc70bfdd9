"""The handover of a ticket, from its rows, its rules and its history. Read afresh each time, so it is never stale."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from pipemend.core.attempt import Attempt
from pipemend.core.handover import Background, Line, handover, needs_people
from pipemend.core.ticket import Ticket
from pipemend.flows.services import Services
from pipemend.store import recurrence


def of_ticket(
    db: sa.Connection, s: Services, ticket: Ticket, tried: Sequence[Attempt], now: datetime
) -> tuple[Line, ...]:
    """What a person needs to know who takes the ticket over now."""
    background = Background(
        downstream=s.playbooks.downstream_of(ticket.display_resource, ticket.pipeline),
        before=recurrence.before(db, ticket.fingerprint, ticket.timestamp),
        solved=recurrence.solved(db, ticket.fingerprint, ticket.timestamp),
        page=s.link(ticket.id),
    )
    return handover(ticket, tried, background, now)


def due(
    db: sa.Connection, s: Services, ticket: Ticket, tried: Sequence[Attempt], now: datetime
) -> tuple[Line, ...] | None:
    """The handover while it is a person's turn, else nothing."""
    return of_ticket(db, s, ticket, tried, now) if needs_people(ticket) else None
