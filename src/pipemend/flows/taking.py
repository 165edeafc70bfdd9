"""A person takes a ticket over, or lets it go."""

import sqlalchemy as sa

from pipemend.core.commands import LetGo, TakeOver
from pipemend.core.errors import Stale
from pipemend.core.events import StatusChanged
from pipemend.core.ticket import Status, Ticket
from pipemend.flows import endings
from pipemend.flows.services import Services
from pipemend.store import audit, events, tickets


def take_over(db: sa.Connection, s: Services, command: TakeOver) -> Ticket:
    """Automation steps back before its next start. Raises Stale."""
    ticket = tickets.lock(db, command.ticket_id)
    if ticket.closed:
        raise Stale(f"it is closed, by {ticket.ack_user}")
    status, now = Status.IN_PROGRESS if command.works else None, s.clock.now()
    return endings.step_back(db, s, ticket, command.by, command.reason, now, action="taken_over", status=status)


def let_go(db: sa.Connection, s: Services, command: LetGo) -> Ticket:
    """It is open again, for people. Raises Stale."""
    now, ticket = s.clock.now(), tickets.lock(db, command.ticket_id)
    if ticket.status is not Status.IN_PROGRESS:
        raise Stale(f"nobody works on it ({ticket.status})")
    reason = "nobody works on it any more"
    ticket = tickets.move(db, ticket, status=Status.OPEN)
    audit.write(db, "let_go", at=now, user=command.by, ticket=ticket)
    event = StatusChanged(ticket_id=ticket.id, new_status=ticket.status, user=command.by, reason=reason)
    events.record(db, event, now, s.notifiers)
    return ticket
