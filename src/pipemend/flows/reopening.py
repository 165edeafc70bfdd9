"""A person opens a closed ticket again. What was tried stays, and no machine acts until somebody asks."""

import sqlalchemy as sa

from pipemend.core.commands import Reopen
from pipemend.core.errors import Stale
from pipemend.core.events import StatusChanged
from pipemend.core.ticket import Ticket
from pipemend.flows import again
from pipemend.flows.services import Services
from pipemend.store import audit, events, tickets


def reopen(db: sa.Connection, s: Services, command: Reopen) -> Ticket:
    """Raises Stale for a ticket that is open, or lives on in another one."""
    now = s.clock.now()
    ticket = tickets.lock(db, command.ticket_id)
    if ticket.merged_into:
        raise Stale(f"it is merged into {ticket.merged_into}")
    if not ticket.closed:
        raise Stale("it is open")
    why = f": {command.reason}" if command.reason else ""
    reason = f"reopened by {command.by}{why}"
    closed = {"closed_by": ticket.ack_user, "reason": reason}
    unread = ticket.run_ended_at is None and ticket.connection is not None and not ticket.rca.get("run_unknown")
    ticket = again.opened(db, ticket, reason, due_at=now if unread else None)  # its root may have ended meanwhile
    audit.write(db, "reopened", at=now, user=command.by, ticket=ticket, details=closed)
    event = StatusChanged(ticket_id=ticket.id, new_status=ticket.status, user=command.by, reason=reason)
    events.record(db, event, now, s.notifiers)
    return ticket
