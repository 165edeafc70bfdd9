"""What people answer to a proposal. One answer counts; whoever comes later is told who was first."""

from datetime import datetime

import sqlalchemy as sa

from pipemend.core.commands import Approve, Reject
from pipemend.core.errors import Stale
from pipemend.core.events import ApprovalGranted
from pipemend.core.guardrails import judge
from pipemend.core.ticket import Approval, Ticket
from pipemend.flows import approvals
from pipemend.flows.decision import grounds_of, proposed, schedule, situation
from pipemend.flows.services import Services
from pipemend.store import audit, events, tickets


def approve(db: sa.Connection, s: Services, command: Approve) -> Ticket:
    """A yes: the attempt is due now, and every guardrail is asked again before it starts."""
    now = s.clock.now()
    ticket = _asked(db, command.ticket_id, command.proposal, now)
    grounds = grounds_of(ticket)
    view = situation(db, s, ticket, grounds, now)
    decision = judge(view)
    if decision.never:
        raise Stale(f"it cannot be started any more: {decision.why}")
    if proposed(db, ticket, grounds, view, decision).id(ticket) != (ticket.proposal or {})["id"]:
        raise Stale("what is proposed has changed since: look at the ticket again")
    ticket = tickets.move(
        db, ticket, approval=Approval.APPROVED, approval_by=command.by, approval_at=now, approval_expires_at=None
    )
    audit.write(db, "approval_approved", at=now, user=command.by, ticket=ticket, details=approvals.told(ticket))
    number = (ticket.proposal or {})["number"]
    events.record(db, ApprovalGranted(ticket_id=ticket.id, attempt=number, user=command.by), now, s.notifiers)
    return schedule(db, s, ticket, grounds, view, decision.until, now, approved_by=command.by)


def reject(db: sa.Connection, s: Services, command: Reject) -> Ticket:
    """A no: nothing runs, and the ticket is left to people."""
    now = s.clock.now()
    ticket = _asked(db, command.ticket_id, command.proposal, now)
    why = f": {command.reason}" if command.reason else ""
    reason = f"{command.by} has rejected {approvals.what(ticket)}{why}"
    return approvals.refuse(db, s, ticket, Approval.REJECTED, command.by, reason, now)


def _asked(db: sa.Connection, ticket_id: str, proposal: str | None, now: datetime) -> Ticket:
    """The ticket, if it still waits for an answer to this proposal. Raises Stale, which says what has become of it."""
    ticket = tickets.lock(db, ticket_id)
    if ticket.closed:
        raise Stale(f"it is closed, by {ticket.ack_user}")
    same = proposal is None or proposal == (ticket.proposal or {}).get("id")
    if ticket.approval is not Approval.AWAITING:
        raise Stale(_answered(ticket) if same else "what was proposed then is not asked for any more")
    if approvals.expired(ticket, now):
        raise Stale("the time to answer is over: nothing was run")
    if not same:
        raise Stale(f"what is proposed has changed since: {approvals.what(ticket)} is asked for now")
    return ticket


def _answered(ticket: Ticket) -> str:
    match ticket.approval:
        case Approval.APPROVED | Approval.REJECTED:
            return f"it was {ticket.approval} already, by {ticket.approval_by}"
        case Approval.EXPIRED:
            return "the time to answer is over: nothing was run"
    return "it does not wait for an approval"
