"""Handing over: a person gives the ticket to people, or takes it up again after it was closed."""

import sqlalchemy as sa

from pipemend.core.commands import Escalate, Reopen
from pipemend.core.errors import Stale
from pipemend.core.events import StatusChanged
from pipemend.core.ticket import Ticket
from pipemend.flows import again, endings
from pipemend.flows.services import Services
from pipemend.store import audit, events, tickets

HANDED_OVER = "handed over by"


def escalate(db: sa.Connection, s: Services, command: Escalate) -> Ticket:
    """People are told who wants them to act, and why. Raises Stale when somebody has done so before."""
    now = s.clock.now()
    ticket = tickets.lock(db, command.ticket_id)
    if ticket.closed:
        raise Stale(f"it is closed, by {ticket.ack_user}")
    if ticket.hands_off and ticket.hands_off.startswith(HANDED_OVER):
        raise Stale(f"it was {ticket.hands_off}")
    reason = _with(f"{HANDED_OVER} {command.by}", command.reason)
    repair = endings.while_running(db, ticket)
    ticket = tickets.move(db, ticket, hands_off=reason)
    return endings.left_to_people(db, s, ticket, reason, now, status=repair, by=command.by)


def reopen(db: sa.Connection, s: Services, command: Reopen) -> Ticket:
    """Raises Stale for a ticket that is open, or lives on in another one."""
    now = s.clock.now()
    ticket = tickets.lock(db, command.ticket_id)
    if ticket.merged_into:
        raise Stale(f"it is merged into {ticket.merged_into}")
    if not ticket.closed:
        raise Stale("it is open")
    reason = _with(f"reopened by {command.by}", command.reason)
    closed = {"closed_by": ticket.ack_user, "reason": reason}
    unread = ticket.run_ended_at is None and ticket.connection is not None and not ticket.rca.get("run_unknown")
    ticket = again.opened(db, ticket, reason, due_at=now if unread else None)  # its root may have ended meanwhile
    audit.write(db, "reopened", at=now, user=command.by, ticket=ticket, details=closed)
    event = StatusChanged(ticket_id=ticket.id, new_status=ticket.status, user=command.by, reason=reason)
    events.record(db, event, now, s.notifiers)
    return ticket


def _with(words: str, reason: str) -> str:
    return f"{words}: {reason}" if reason else words
