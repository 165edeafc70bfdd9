"""Commands: what a person asked for, carried out in the request's own unit."""

import asyncio
import logging
from collections.abc import Callable
from typing import TypeVar

import sqlalchemy as sa

from pipemend.core.commands import (
    Acknowledge,
    Approve,
    Command,
    Correct,
    Escalate,
    LetGo,
    Pause,
    Reject,
    Reopen,
    Resume,
    Retry,
    Stop,
    Switch,
    TakeOver,
)
from pipemend.core.errors import OutsideError, Overtaken, Stale
from pipemend.core.events import StatusChanged
from pipemend.core.guardrails import connection_known, judge, pipeline_allows, switched_on
from pipemend.core.run import RunRef
from pipemend.core.situation import Situation
from pipemend.core.ticket import RemediationStatus, Status, Ticket
from pipemend.flows import answering, correcting, endings, escalating, reopening, switching, taking
from pipemend.flows.decision import Grounds, decide
from pipemend.flows.services import Services
from pipemend.store import attempts, audit, events, tickets

T = TypeVar("T")
log = logging.getLogger(__name__)
CANCEL_SECONDS, TRIES = 15, 5


async def carry_out(s: Services, command: Command) -> Ticket | None:
    """Does what was asked and returns the ticket (a switch: None). Raises Stale with the reason, or NotFound."""
    ticket = await unit(s, lambda db: carry_out_in(db, s, command))
    if isinstance(command, Stop) and command.cancel_run and ticket is not None:
        await _cancel_rerun(s, ticket)
    return ticket


async def unit(s: Services, do: Callable[[sa.Connection], T]) -> T:
    """Writes what a person asked for, and wakes who has to act on it. Raises Stale when the ticket never rests."""
    for _ in range(TRIES):
        try:
            done = await s.database.write(do)
        except Overtaken:  # a worker moved the row meanwhile: look at it afresh
            await asyncio.sleep(0.05)
        else:
            s.wake.set()
            return done
    raise Stale("the ticket keeps changing: look at it again, then repeat the command")


def carry_out_in(db: sa.Connection, s: Services, command: Command) -> Ticket | None:
    """The part that our own tables hold: all of it, but for the rerun that a Stop may cancel."""
    match command:
        case Acknowledge():
            return _acknowledge(db, s, command)
        case Approve():
            return answering.approve(db, s, command)
        case Reject():
            return answering.reject(db, s, command)
        case Retry():
            return _retry(db, s, command)
        case Stop():
            return _stop(db, s, command)
        case Escalate():
            return escalating.escalate(db, s, command)
        case Reopen():
            return reopening.reopen(db, s, command)
        case TakeOver():
            return taking.take_over(db, s, command)
        case LetGo():
            return taking.let_go(db, s, command)
        case Correct():
            return correcting.correct(db, s, command)
        case Switch():
            switching.switch(db, s, command)
        case Pause():
            switching.pause(db, s, command)
        case Resume():
            switching.resume(db, s, command)
        case _:
            raise Stale(f"nobody knows how to carry out {type(command).__name__}")
    return None


def _acknowledge(db: sa.Connection, s: Services, command: Acknowledge) -> Ticket:
    now = s.clock.now()
    ticket = tickets.lock(db, command.ticket_id)
    if ticket.closed:
        raise Stale(f"it is closed already, by {ticket.ack_user}")
    reason = f"acknowledged by {command.by}"
    endings.cancel_waiting(db, s, ticket, reason, now)
    live = endings.live(db, ticket)
    repair = ticket.remediation_status if live else endings.repair_so_far(ticket)
    ticket = endings.close(
        db, ticket, command.by, now, empid=command.empid, remediation_status=repair, hands_off=reason
    )
    audit.write(
        db,
        "acknowledged",
        at=now,
        user=command.by,
        ticket=ticket,
        user_empid=command.empid,
        time_taken_seconds=int(ticket.ack_seconds or 0),
        mttr_minutes=(ticket.ack_seconds or 0) / 60,
        sla_status=ticket.sla_status,
    )
    event = StatusChanged(ticket_id=ticket.id, new_status=ticket.status, user=command.by, reason=reason)
    events.record(db, event, now, s.notifiers)
    return ticket


def retry_refused(s: Services, ticket: Ticket) -> str | None:
    """Why a Retry could do nothing, where settings and rules alone say so; None: it may."""
    view = Situation(
        now=s.clock.now(),
        enabled=s.policy.enabled,
        connection_known=ticket.connection is not None,
        resource=ticket.display_resource or ticket.resource,
        pipeline=s.playbooks.rule_for(ticket.display_resource, ticket.pipeline),
    )
    decision = judge(view, (switched_on, connection_known, pipeline_allows))
    return None if decision.allowed else decision.why


def _retry(db: sa.Connection, s: Services, command: Retry) -> Ticket:
    """One attempt beyond the limit, in the person's name; the machine has the word again."""
    now = s.clock.now()
    ticket = tickets.lock(db, command.ticket_id)
    if ticket.closed:
        raise Stale(f"it is closed, by {ticket.ack_user}")
    if live := endings.live(db, ticket):
        raise Stale(f"attempt {live.attempt_number} is under way ({live.status})")
    if command.seen is not None and command.seen != str(ticket.remediation_attempts):
        raise Stale("an attempt was made since: look at the ticket again")
    if any(a.status == "waiting" for a in attempts.of_ticket(db, ticket.id)):
        raise Stale("an attempt is waiting already")
    if ticket.run_ended_at is None:
        raise Stale("its outermost run has not ended, or is not known yet: only a run that has failed can be repeated")
    ticket = tickets.move(
        db,
        ticket,
        status=Status.OPEN,
        hands_off=None,
        granted=ticket.granted + 1,
        rca={**ticket.rca, "granted_by": command.by},
    )
    audit.write(db, "retry_granted", at=now, user=command.by, ticket=ticket)
    ticket = decide(db, s, ticket, Grounds.of_ticket(ticket), now)
    if ticket.remediation_status is not RemediationStatus.IN_PROGRESS:
        raise Stale(f"it cannot be retried: {ticket.decision.get('why')}")  # undoes the unit
    return ticket


def _stop(db: sa.Connection, s: Services, command: Stop) -> Ticket:
    ticket = tickets.lock(db, command.ticket_id)
    if ticket.closed:
        raise Stale(f"it is closed, by {ticket.ack_user}")
    if ticket.hands_off:
        if command.cancel_run and endings.live(db, ticket):
            return ticket  # stopped before; now its rerun is to be cancelled too
        raise Stale(f"automation has stopped already: {ticket.hands_off}")
    return endings.step_back(db, s, ticket, command.by, f"stopped by {command.by}", s.clock.now())


async def _cancel_rerun(s: Services, ticket: Ticket) -> None:
    live = await s.database.read(lambda db: endings.live(db, ticket))
    if live is None:
        return
    if live.remediation_run_id is None:
        raise Stale("automation has stopped, but its rerun is not known yet and could not be cancelled")
    try:
        async with asyncio.timeout(CANCEL_SECONDS):
            await s.platforms[live.platform].cancel(RunRef(live.platform, live.resource, live.remediation_run_id))
    except (OutsideError, TimeoutError) as error:
        log.warning("the rerun could not be cancelled", extra={"ticket_id": ticket.id, "error": str(error)})
        raise Stale(f"automation has stopped, but the rerun could not be cancelled: {error}") from error
