"""A closed ticket whose work fails again: it opens again for people, and no machine acts until one of them asks."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from pipemend.core.attempt import AttemptStatus
from pipemend.core.clock import stamp
from pipemend.core.events import StatusChanged
from pipemend.core.ports import Platform
from pipemend.core.rca import Failure
from pipemend.core.run import Resource, Run, RunRef
from pipemend.core.sla import SlaStatus
from pipemend.core.ticket import AI_USER, Status, Ticket
from pipemend.flows import definitions, endings
from pipemend.flows.services import Services
from pipemend.flows.tickets import Opening, diagnosed, explained_by
from pipemend.store import alerts, attempts, audit, events, tickets
from pipemend.store.alerts import Kept
from pipemend.store.rows import Row

LATER = timedelta(seconds=30)  # until a failure that may be the end of a rerun of ours is looked at again


async def look(platform: Platform, ref: RunRef) -> tuple[Run | None, Failure | None]:
    """The run, and why it failed. Raises OutsideError."""
    run = await platform.run(ref)
    if run is None or not run.failed:
        return run, None
    return run, replace(await platform.failure(run), definition=await definitions.of_run(platform, run))


async def explained(s: Services, resource: Resource, run: Run, failure: Failure) -> Opening:
    """Why a run has failed, now."""
    diagnosis = await diagnosed(s, failure)
    return Opening(ref=run.ref, pipeline=run.pipeline, resource=resource, failure=failure, diagnosis=diagnosis, run=run)


def join(s: Services, kept: Kept, ref: RunRef, run: Run | None, opening: Opening | None, db: sa.Connection) -> None:
    """An alert about a run of a closed ticket: about an end that is known, or the ticket opens again."""
    known = tickets.known_run(db, ref)
    if known is None:
        raise AssertionError("a run that is known stays known")
    now = s.clock.now()
    ticket = tickets.lock(db, known.ticket_id)
    if run is not None and undecided(db, ticket, known, run):
        alerts.put(db, kept, state="held", reason="a rerun of ours has not ended yet", due_at=now + LATER)
        return
    if run is None or not ended_again(db, ticket, known, run):
        alerts.joined(db, kept, ticket.id, "the run belongs to this ticket, and its end is known")
        return
    tickets.run_changed(db, run.ref, run.status, run.ended_at)
    changes = {} if opening is None or known.role == "person" else explained_by(db, s, opening, ticket.timestamp)
    if known.role == "root":
        changes |= {"run_ended_at": run.ended_at, "failed_at": run.ended_at}
    reason = f"the run {run.ref.run_id} has failed again after the ticket was closed"
    reopen(db, s, ticket, run, reason, now, **changes)
    alerts.joined(db, kept, ticket.id, "the run has failed again: the ticket is open again")


def undecided(db: sa.Connection, ticket: Ticket, known: Row, run: Run) -> bool:
    """Whether the root of a closed ticket has failed once more while a rerun of ours lives: it may be the end of that
    one, for a repair keeps the id of its run."""
    if known.role != "root" or not ticket.closed or not run.failed:
        return False
    return _later(run, ticket.run_ended_at) and endings.live(db, ticket) is not None


def ended_again(db: sa.Connection, ticket: Ticket, known: Row, run: Run) -> bool:
    """Whether a run of a closed ticket has failed at an end that was not known when the ticket was closed."""
    if not ticket.closed or not run.failed or run.ended_at is None:
        return False
    return _later(run, _known_end(db, ticket, known.role, run))


def _later(run: Run, end: datetime | None) -> bool:
    return end is not None and run.ended_at is not None and run.ended_at > end


def _known_end(db: sa.Connection, ticket: Ticket, role: str, run: Run) -> datetime | None:
    """The end that the ticket's own end rests on; None while a repair of ours is under way, which decides itself."""
    if role == "person":
        return ticket.ack_ts
    if role == "root":  # a repair keeps the id of its run
        ours = {row.ended_at for row in tickets.runs_of(db, ticket.id) if row.role == "rerun"}
        return None if endings.live(db, ticket) or run.ended_at in ours else ticket.run_ended_at
    attempt = attempts.by_rerun(db, run.ref) if role == "rerun" else None
    return attempt.completed_at if attempt and attempt.status is AttemptStatus.SUCCEEDED else None


def reopen(
    db: sa.Connection, s: Services, ticket: Ticket, run: Run, reason: str, now: datetime, **changes: Any
) -> Ticket:
    """Opens the ticket again because its run has failed: what was done stays, and people are told."""
    ticket = opened(db, ticket, reason, **changes)
    details = {"reason": reason, "ended_at": stamp(run.ended_at) if run.ended_at else None}
    audit.write(db, "failed_again", at=now, user=AI_USER, ticket=ticket, run_id=run.ref.run_id, details=details)
    event = StatusChanged(
        ticket_id=ticket.id,
        new_status=ticket.status,
        reason=reason,
        attempt=ticket.remediation_attempts or None,
        remediation_failed=bool(ticket.remediation_attempts),
        escalated=True,
    )
    events.record(db, event, now, s.notifiers)
    return ticket


def opened(db: sa.Connection, ticket: Ticket, reason: str, **changes: Any) -> Ticket:
    """Nobody has closed it any more. What was done stays, and no machine acts until somebody asks."""
    late = ticket.sla_status == SlaStatus.BREACHED  # which was said
    return tickets.move(
        db,
        ticket,
        status=Status.OPEN,
        ack_user=None,
        ack_empid=None,
        ack_ts=None,
        ack_seconds=None,
        sla_status=str(SlaStatus.BREACHED if late else SlaStatus.PENDING),
        remediation_status=endings.while_running(db, ticket),
        hands_off=reason,
        **changes,
    )
