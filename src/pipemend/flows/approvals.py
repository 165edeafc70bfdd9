"""Approval: people are asked, reminded once when half of the time is over, and told when nobody has answered."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pipemend.core.approval import Proposal
from pipemend.core.clock import moment, stamp
from pipemend.core.events import ApprovalRequested
from pipemend.core.ticket import AI_USER, Approval, Ticket
from pipemend.flows import endings
from pipemend.flows.services import Services
from pipemend.store import audit, events, tickets


def ask(
    db: sa.Connection, s: Services, ticket: Ticket, proposal: Proposal, grounds: Mapping[str, Any], now: datetime
) -> Ticket:
    """Asks people, unless they are asked for this very thing already. `grounds`: what the decision rested on."""
    asked = ticket.proposal if ticket.approval is Approval.AWAITING else None
    if asked and asked["id"] == proposal.id(ticket):
        return _remind(db, s, ticket, asked, now)
    expires, remind = now + s.policy.approval_wait, now + s.policy.approval_wait / 2
    ticket = tickets.move(
        db,
        ticket,
        approval=Approval.AWAITING,
        approval_by=None,
        approval_at=None,
        approval_expires_at=expires,
        proposal={**proposal.record(ticket), "grounds": grounds, "remind_at": stamp(remind)},
        due_at=remind,
        owner=None,
    )
    audit.write(db, "approval_requested", at=now, user=AI_USER, ticket=ticket, details=told(ticket))
    _tell(db, s, ticket, now)
    return ticket


def _remind(db: sa.Connection, s: Services, ticket: Ticket, asked: Mapping[str, Any], now: datetime) -> Ticket:
    """Waits on. The reminder is told once, restarts or not."""
    remind = moment(asked["remind_at"])
    if remind is None or now < remind:
        return tickets.move(db, ticket, due_at=remind or ticket.approval_expires_at, owner=None)
    ticket = tickets.move(
        db, ticket, proposal={**asked, "remind_at": None}, due_at=ticket.approval_expires_at, owner=None
    )
    _tell(db, s, ticket, now, reminder=True)
    return ticket


def expired(ticket: Ticket, now: datetime) -> bool:
    """Whether people were asked, and the time to answer is over."""
    expires = ticket.approval_expires_at
    return ticket.approval is Approval.AWAITING and expires is not None and now >= expires


def expire(db: sa.Connection, s: Services, ticket: Ticket, now: datetime) -> Ticket:
    """Nobody has answered: nothing runs, and people are told."""
    reason = f"nobody has approved {what(ticket)} in time: nothing was run"
    return refuse(db, s, ticket, Approval.EXPIRED, None, reason, now)


def refuse(
    db: sa.Connection, s: Services, ticket: Ticket, answer: Approval, by: str | None, reason: str, now: datetime
) -> Ticket:
    """A no, or no answer: the ticket is left to people, and automation stays off until Retry."""
    ticket = tickets.move(
        db, ticket, approval=answer, approval_by=by, approval_at=now, approval_expires_at=None, hands_off=reason
    )
    details = {**told(ticket), "reason": reason}
    audit.write(db, f"approval_{answer}", at=now, user=by or AI_USER, ticket=ticket, details=details)
    return endings.left_to_people(db, s, ticket, reason, now, status=endings.repair_so_far(ticket))


def what(ticket: Ticket) -> str:
    """The proposal in words."""
    asked = ticket.proposal or {}
    return f"attempt {asked.get('number')} ({str(asked.get('action')).replace('_', ' ')})"


def told(ticket: Ticket) -> dict[str, Any]:
    """The proposal as the audit trail keeps it."""
    asked = ticket.proposal or {}
    named = {"proposal": asked.get("id"), "attempt": asked.get("number")}
    return {**named, **{name: asked.get(name) for name in ("action", "error_type", "run_id")}}


def _tell(db: sa.Connection, s: Services, ticket: Ticket, now: datetime, *, reminder: bool = False) -> None:
    asked = ticket.proposal or {}
    event = ApprovalRequested(
        ticket_id=ticket.id,
        attempt=asked["number"],
        action=asked["action"],
        proposal=asked["id"],
        reason=asked["why"],
        expires_at=stamp(ticket.approval_expires_at or now),
        reminder=reminder,
    )
    events.record(db, event, now, s.notifiers)
