"""A person hands the ticket over to people, now."""

import sqlalchemy as sa

from pipemend.core.commands import Escalate
from pipemend.core.errors import Stale
from pipemend.core.ticket import Ticket
from pipemend.flows import endings
from pipemend.flows.services import Services
from pipemend.store import tickets

HANDED_OVER = "handed over by"


def escalate(db: sa.Connection, s: Services, command: Escalate) -> Ticket:
    """People are told who wants them to act, and why. Raises Stale when somebody has done so before."""
    now = s.clock.now()
    ticket = tickets.lock(db, command.ticket_id)
    if ticket.closed:
        raise Stale(f"it is closed, by {ticket.ack_user}")
    if ticket.hands_off and ticket.hands_off.startswith(HANDED_OVER):
        raise Stale(f"it was {ticket.hands_off}")
    why = f": {command.reason}" if command.reason else ""
    reason = f"{HANDED_OVER} {command.by}{why}"
    repair = endings.while_running(db, ticket)
    ticket = tickets.move(db, ticket, hands_off=reason)
    return endings.left_to_people(db, s, ticket, reason, now, status=repair, by=command.by)
