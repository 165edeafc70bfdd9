"""Reruns that nobody knows for certain: which runs may be one, and whether another may be started beside them."""

from collections.abc import Sequence
from datetime import timedelta

import sqlalchemy as sa

from pipemend.core.attempt import Attempt
from pipemend.core.run import Rerun, Run, RunRef, RunStatus
from pipemend.core.situation import Standing
from pipemend.core.ticket import Ticket
from pipemend.flows.services import Services
from pipemend.store import attempts, tickets

LATE = timedelta(hours=24)  # so long after it was given up a playbook's rerun may still turn up


async def doubt(s: Services, attempt: Attempt) -> Standing | None:
    """What reruns of earlier attempts that nobody waits for any longer mean for this one: it waits while one runs.

    Such a run may be outside of the group. Some are known; of others it is known only that they may be such a rerun: if
    one of those went well a person decides. Raises OutsideError.
    """
    tried = await s.database.read(lambda db: attempts.of_ticket(db, attempt.ticket_id))
    ours = [run for earlier in tried if earlier.left_running and (run := await _run(s, earlier))]
    if any(not run.ended for run in ours):
        return Standing.OURS_RUNS
    if any(run.status is RunStatus.SUCCEEDED for run in ours):
        return Standing.RECOVERED
    since = s.clock.now() - LATE
    doubtful = [one for one in tried if one.doubtful and one.completed_at and one.completed_at > since]
    perhaps = [rerun for earlier in doubtful for rerun in await _free(s, earlier)]
    if any(not rerun.status.ended for rerun in perhaps):
        return Standing.MAYBE_OURS_RUNS
    return Standing.MAYBE_RECOVERED if any(rerun.status is RunStatus.SUCCEEDED for rerun in perhaps) else None


async def _run(s: Services, attempt: Attempt) -> Run | None:
    ref = RunRef(attempt.platform, attempt.resource, attempt.remediation_run_id or "")
    return await s.platforms[attempt.platform].run(ref)


async def _free(s: Services, attempt: Attempt) -> Sequence[Rerun]:
    found = await s.platforms[attempt.platform].remedies[attempt.remediation_action].started(attempt)
    return await s.database.read(lambda db: [rerun for rerun in found if unclaimed(db, attempt, rerun)])


def unclaimed(db: sa.Connection, attempt: Attempt, rerun: Rerun) -> bool:
    """Whether a run may be the rerun of this attempt, for all that is known."""
    ref = RunRef(attempt.platform, attempt.resource, rerun.run_id)
    return rerun.manual and (tickets.known_run(db, ref) is None or stray(db, attempt, ref) is not None)


def stray(db: sa.Connection, attempt: Attempt, ref: RunRef) -> Ticket | None:
    """The ticket that a run got because nobody knew whose rerun it was: opened since the call, and nothing tried."""
    known = tickets.known_run(db, ref)
    if known is None or known.role != "root" or known.ticket_id == attempt.ticket_id:
        return None
    ticket = tickets.get(db, known.ticket_id)
    return ticket if ticket.timestamp >= attempt.started_at and not ticket.remediation_attempts else None
