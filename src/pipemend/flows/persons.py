"""What people rerun themselves: seen in the feed or named by an alert, it decides about the ticket of its group."""

from datetime import datetime

import sqlalchemy as sa

from pipemend.core.attempt import AttemptStatus
from pipemend.core.run import Run, RunStatus
from pipemend.core.ticket import RECOVERED_USER, Ticket
from pipemend.flows import again, endings
from pipemend.flows.services import Services
from pipemend.store import attempts, tickets


def mother(db: sa.Connection, run: Run) -> Ticket | None:
    """The ticket that a run's group belongs to. Only outermost runs are rerun, and a run that began after that ticket
    was closed is a new matter."""
    if run.group_id is None or run.parent is not None:
        return None
    found = tickets.by_group(db, run.ref.platform, run.ref.resource, run.group_id)
    if found is None or (found.ack_ts and run.started_at and run.started_at > found.ack_ts):
        return None
    return found


def saw(db: sa.Connection, s: Services, mother: Ticket, run: Run, now: datetime) -> None:
    """A new run of a ticket's group: perhaps ours, while a call is unclear; else somebody's own rerun."""
    ticket = tickets.lock(db, mother.id)
    live = endings.live(db, ticket)
    if live is not None and live.status in (AttemptStatus.STARTING, AttemptStatus.UNKNOWN):
        if live.status is AttemptStatus.UNKNOWN and live.owner is None:  # else somebody is looking just now
            attempts.touch(db, live, due_at=now)  # look for it at once
        return
    if not tickets.add_run(db, run.ref, ticket.id, "person", run.status, run.ended_at):
        return  # adopted while we waited for the ticket: the next reading ends it
    if run.ended:
        ended(db, s, ticket, run, now)


def ended(db: sa.Connection, s: Services, ticket: Ticket, run: Run, now: datetime) -> None:
    """Somebody's own rerun has ended."""
    if ticket.closed:
        if run.failed and run.ended_at and ticket.ack_ts and run.ended_at > ticket.ack_ts:
            reason = f"somebody's own rerun {run.ref.run_id} has failed after the ticket was closed"
            again.reopen(db, s, ticket, run, reason, now)
    elif run.status is RunStatus.SUCCEEDED:
        reason = f"somebody's own rerun {run.ref.run_id} has succeeded"
        endings.closed_without_us(db, s, ticket, RECOVERED_USER, reason, now)
    elif run.failed and ticket.hands_off is None and endings.live(db, ticket) is None:
        reason = f"a person has rerun it ({run.ref.run_id}) and it failed again: the person has taken over"
        ticket = tickets.move(db, ticket, hands_off=reason)
        endings.left_to_people(db, s, ticket, reason, now, status=endings.repair_so_far(ticket))
