"""How a repair ends: healed, left to people, or overtaken by somebody else. Each in the unit that makes it true."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pipemend.core.attempt import Attempt, AttemptStatus
from pipemend.core.events import AttemptChanged, StatusChanged
from pipemend.core.sla import sla_status
from pipemend.core.ticket import AI_EMPID, AI_USER, MERGED_USER, Approval, RemediationStatus, Status, Ticket
from pipemend.flows.services import Services
from pipemend.store import attempts, audit, events, tickets


def repair_so_far(ticket: Ticket) -> RemediationStatus | None:
    """What a repair that stops is called: nothing when no attempt ever started, else failed, or all attempts used."""
    if ticket.remediation_status is RemediationStatus.MAX_RETRIES_EXCEEDED:
        return ticket.remediation_status
    return RemediationStatus.FAILED if ticket.remediation_attempts else None


def healed(db: sa.Connection, s: Services, attempt: Attempt, now: datetime, *, late: bool = False) -> Ticket:
    """The rerun ended well: attempt, ticket, audit trail and event, together."""
    attempt = end_attempt(db, attempt, AttemptStatus.SUCCEEDED, now)
    ticket = tickets.lock(db, attempt.ticket_id)
    cancel_waiting(db, s, ticket, f"the rerun {attempt.remediation_run_id} of an earlier attempt has succeeded", now)
    run = attempt.remediation_run_id
    if ticket.closed:  # a person was quicker: their name stays
        ticket = tickets.move(db, ticket, remediation_status=RemediationStatus.SUCCEEDED, remediation_run_id=run)
        events.record(
            db,
            AttemptChanged(
                ticket_id=ticket.id, attempt=attempt.attempt_number, status="succeeded", remediation_run_id=run
            ),
            now,
            s.notifiers,
        )
        return ticket
    ticket = close(
        db,
        ticket,
        AI_USER,
        now,
        empid=AI_EMPID,
        remediation_status=RemediationStatus.SUCCEEDED,
        remediation_run_id=run,
    )
    _audit_success(db, ticket, attempt, now, late)
    events.record(
        db,
        StatusChanged(
            ticket_id=ticket.id,
            new_status=ticket.status,
            user=AI_USER,
            attempt=attempt.attempt_number,
            remediation_success=True,
        ),
        now,
        s.notifiers,
    )
    return ticket


def close(
    db: sa.Connection,
    ticket: Ticket,
    user: str,
    now: datetime,
    *,
    empid: str | None = None,
    remediation_status: RemediationStatus | None,
    remediation_run_id: str | None = None,
    hands_off: str | None = None,
) -> Ticket:
    """Acknowledged: who, when, how long it took, and whether the SLA was met."""
    seconds = (now - ticket.timestamp).total_seconds()
    return tickets.move(
        db,
        ticket,
        status=Status.ACKNOWLEDGED,
        ack_user=user,
        ack_empid=empid,
        ack_ts=now,
        ack_seconds=seconds,
        sla_status=sla_status(seconds, ticket.sla_seconds),
        remediation_status=remediation_status,
        remediation_run_id=remediation_run_id or ticket.remediation_run_id,
        hands_off=hands_off or ticket.hands_off,
        due_at=None,
        **withdrawn(ticket),
    )


def withdrawn(ticket: Ticket) -> dict[str, Any]:
    """The columns that take a question back to which nobody has answered."""
    return {"approval": None, "approval_expires_at": None} if ticket.approval is Approval.AWAITING else {}


def _audit_success(db: sa.Connection, ticket: Ticket, attempt: Attempt, now: datetime, late: bool) -> None:
    seconds = ticket.ack_seconds or 0.0
    audit.write(
        db,
        "auto_remediation_late_success" if late else "auto_remediation_success",
        at=now,
        user=AI_USER,
        ticket=ticket,
        run_id=attempt.remediation_run_id,
        user_empid=AI_EMPID,
        time_taken_seconds=int(seconds),
        mttr_minutes=seconds / 60,
        sla_status=ticket.sla_status,
        rca_summary=(ticket.rca_result or "")[:500],
        details={
            "attempt_number": attempt.attempt_number,
            "original_run_id": attempt.original_run_id,
            "remediation_run_id": attempt.remediation_run_id,
        },
    )


def end_attempt(
    db: sa.Connection, attempt: Attempt, status: AttemptStatus, now: datetime, reason: str | None = None
) -> Attempt:
    """Ends an attempt with its duration, counted from the call."""
    return attempts.move(
        db,
        attempt,
        status,
        completed_at=now,
        duration_seconds=max(0, round((now - attempt.started_at).total_seconds())),
        failure_reason=reason or attempt.failure_reason,
        later_url=None,  # an address is a secret, and nobody asks there any more
        due_at=None,
        owner=None,
        revision=attempt.revision + 1,
    )


def left_to_people(
    db: sa.Connection,
    s: Services,
    ticket: Ticket,
    reason: str,
    now: datetime,
    *,
    status: RemediationStatus | None,
    attempt: int | None = None,
    by: str = AI_USER,
) -> Ticket:
    """The machine stops, or `by` stops it; people are told why."""
    cancel_waiting(db, s, ticket, reason, now)
    ticket = tickets.move(
        db,
        ticket,
        remediation_status=status,
        due_at=None,
        owner=None,
        **withdrawn(ticket),
    )
    exhausted = status is RemediationStatus.MAX_RETRIES_EXCEEDED
    ours = "auto_remediation_max_retries_exceeded" if exhausted else "escalated"
    audit.write(
        db,
        ours if by == AI_USER else "handed_over",
        at=now,
        user=by,
        ticket=ticket,
        details={
            "error_type": ticket.error_type,
            "failure_reason": last_failure(db, ticket) or reason,
            "attempts": ticket.remediation_attempts,
            "reason": reason,
        },
    )
    if ticket.closed:
        return ticket
    events.record(
        db,
        StatusChanged(
            ticket_id=ticket.id,
            new_status=ticket.status,
            user=None if by == AI_USER else by,
            reason=reason,
            attempt=attempt or ticket.remediation_attempts or None,
            remediation_failed=True,
            escalated=True,
        ),
        now,
        s.notifiers,
    )
    return ticket


def last_failure(db: sa.Connection, ticket: Ticket) -> str | None:
    """Why the last attempt failed."""
    said = [a.failure_reason for a in attempts.of_ticket(db, ticket.id) if a.failure_reason]
    return said[-1] if said else None


def closed_without_us(db: sa.Connection, s: Services, ticket: Ticket, user: str, reason: str, now: datetime) -> Ticket:
    """The work went well without our doing: RECOVERED or PIPELINE closes the ticket."""
    if ticket.closed:
        return ticket
    cancel_waiting(db, s, ticket, reason, now)
    ticket = tickets.get(db, ticket.id)
    ticket = close(db, ticket, user, now, remediation_status=while_running(db, ticket), hands_off=reason)
    audit.write(db, "closed_without_remediation", at=now, user=user, ticket=ticket, details={"reason": reason})
    events.record(
        db,
        StatusChanged(ticket_id=ticket.id, new_status=ticket.status, user=user, reason=reason),
        now,
        s.notifiers,
    )
    return ticket


def merge(db: sa.Connection, s: Services, ticket: Ticket, into: Ticket, now: datetime, *, root_as: str) -> None:
    """The ticket is about the failure of another one: it is closed and hidden, and its runs go over."""
    reason = f"merged into {into.id}"
    cancel_waiting(db, s, ticket, reason, now)
    ticket = tickets.move(db, tickets.get(db, ticket.id), merged_into=into.id, due_at=None, owner=None)
    if not ticket.closed:  # else it keeps the name of who closed it
        ticket = close(db, ticket, MERGED_USER, now, remediation_status=repair_so_far(ticket))
    tickets.hand_over_runs(db, ticket.id, into.id, root_as=root_as)
    audit.write(db, "merged", at=now, user=MERGED_USER, ticket=ticket, details={"into": into.id})
    event = StatusChanged(ticket_id=ticket.id, new_status=ticket.status, user=MERGED_USER, reason=reason)
    events.record(db, event, now, s.notifiers)


def cancel_waiting(db: sa.Connection, s: Services, ticket: Ticket, reason: str, now: datetime) -> None:
    """An attempt that has not begun never will."""
    for attempt in attempts.of_ticket(db, ticket.id):
        if attempt.status is AttemptStatus.WAITING:
            end_attempt(db, attempt, AttemptStatus.CANCELLED, now, reason)


def take_back(db: sa.Connection, s: Services, ticket: Ticket, reason: str, now: datetime) -> Ticket:
    """An attempt that waits is not to begin as it is; another one may follow."""
    cancel_waiting(db, s, ticket, reason, now)
    repair = ticket.remediation_status if ticket.remediation_attempts else None
    return tickets.move(db, ticket, remediation_status=repair)


def while_running(db: sa.Connection, ticket: Ticket) -> RemediationStatus | None:
    """While a rerun of ours still runs the repair is in progress; its end will say more."""
    return RemediationStatus.IN_PROGRESS if live(db, ticket) else repair_so_far(ticket)


def live(db: sa.Connection, ticket: Ticket) -> Attempt | None:
    """The attempt of the ticket that is being called or runs."""
    running = (AttemptStatus.STARTING, AttemptStatus.UNKNOWN, AttemptStatus.IN_PROGRESS)
    return next((a for a in attempts.of_ticket(db, ticket.id) if a.status in running), None)


def pending(db: sa.Connection, ticket: Ticket) -> bool:
    """Whether an attempt of the ticket waits or lives: no other one is decided on beside it."""
    return any(a.status in attempts.WAITS_OR_LIVES for a in attempts.of_ticket(db, ticket.id))


def step_back(
    db: sa.Connection,
    s: Services,
    ticket: Ticket,
    user: str,
    reason: str,
    now: datetime,
    *,
    action: str = "automation_stopped",
    status: Status | None = None,
) -> Ticket:
    """A person's word stops the automation; a rerun that runs is left alone."""
    cancel_waiting(db, s, ticket, reason, now)
    ticket = tickets.move(
        db,
        ticket,
        status=status or ticket.status,
        hands_off=reason,
        remediation_status=while_running(db, ticket),
        due_at=None,
        owner=None,
        **withdrawn(ticket),
    )
    audit.write(db, action, at=now, user=user, ticket=ticket, details={"reason": reason})
    events.record(
        db,
        StatusChanged(ticket_id=ticket.id, new_status=ticket.status, user=user, reason=reason),
        now,
        s.notifiers,
    )
    return ticket
