"""Looking for what was started: the rerun of an unclear call, and one that has not been heard of."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import sqlalchemy as sa

from pipemend.core.attempt import Attempt, AttemptStatus, Declined, Running
from pipemend.core.errors import OutsideError
from pipemend.core.ports import AnswersLater
from pipemend.core.run import Rerun, Run, RunRef, RunStatus
from pipemend.flows.doubts import unclaimed
from pipemend.flows.feed import rerun_ended
from pipemend.flows.services import Services
from pipemend.flows.settling import UNSEEN, adopt, declined, given_up, shown, timed_out
from pipemend.store import attempts, tickets

log = logging.getLogger(__name__)
READ_SECONDS = 10


async def look_at(s: Services, attempt: Attempt) -> None:
    """One look at a leased attempt; when it is due again is saved with what was seen."""
    if attempt.status is AttemptStatus.UNKNOWN:
        await _search(s, attempt)
    elif attempt.status is AttemptStatus.IN_PROGRESS and attempt.remediation_run_id:
        await _read_alone(s, attempt, attempt.remediation_run_id)


async def _search(s: Services, attempt: Attempt) -> None:
    """Asks for the run that an unclear call may have started: the playbook, where it will answer, then the platform."""
    if attempt.later_url and await _answered(s, attempt):
        return
    found: Sequence[Rerun] | str
    try:
        found = await _candidates(s, attempt)
    except (OutsideError, TimeoutError) as error:
        found = str(error) or "no answer in time"
        log.warning("cannot look for a rerun", extra={"attempt": attempt.key, "error": found})
    await s.database.write(lambda db: _found(db, s, attempt, found))
    s.wake.set()


async def _answered(s: Services, attempt: Attempt) -> bool:
    """Whether the playbook has given its final answer by now; what it says is saved."""
    remedy = s.platforms[attempt.platform].remedies[attempt.remediation_action]
    if not isinstance(remedy, AnswersLater):
        return False
    try:
        async with asyncio.timeout(READ_SECONDS):
            said = await remedy.answer(attempt)
    except (OutsideError, TimeoutError) as error:
        log.warning("the playbook gives no later answer", extra={"attempt": attempt.key, "error": str(error)})
        return False
    if not isinstance(said, Running | Declined):
        return False
    await s.database.write(partial(_said, s, attempt, said))
    s.wake.set()
    return True


def _said(s: Services, was: Attempt, said: Running | Declined, db: sa.Connection) -> None:
    tickets.lock(db, was.ticket_id)
    attempt = attempts.get(db, was.key)
    if attempt.status is not AttemptStatus.UNKNOWN or attempt.revision != was.revision:
        return
    if isinstance(said, Running):  # a name only, until the platform shows the run
        named = replace(said.rerun, status=RunStatus.UNKNOWN)
        adopt(db, s, attempts.touch(db, attempt, later_url=None), named, s.clock.now(), answer=said.answer)
    else:
        declined(db, s, attempts.touch(db, attempt, later_url=None), said, s.clock.now())


async def _candidates(s: Services, attempt: Attempt) -> Sequence[Rerun]:
    remedy = s.platforms[attempt.platform].remedies[attempt.remediation_action]
    async with asyncio.timeout(READ_SECONDS):
        return await remedy.started(attempt)


def _found(db: sa.Connection, s: Services, was: Attempt, found: Sequence[Rerun] | str) -> None:
    """What the search brought: reruns, or the reason why nobody could look."""
    now = s.clock.now()
    tickets.lock(db, was.ticket_id)
    attempt = attempts.get(db, was.key)
    if attempt.status is not AttemptStatus.UNKNOWN or attempt.revision != was.revision:
        return
    if isinstance(found, str):
        _not_searched(db, s, attempt, found)
        return
    ours = _ours(db, attempt, found)
    if len(ours) == 1:
        adopt(db, s, attempt, ours[0], now, found=True)
    elif len(ours) > 1:
        names = ", ".join(rerun.run_id for rerun in ours[:5])
        given_up(db, s, attempt, f"several runs may be the rerun ({names}): none was adopted", now, final=True)
    elif now > attempt.searched_until:
        _give_up(db, s, attempt)
    else:
        attempts.touch(db, attempt, due_at=now + s.policy.watch_interval, owner=None)


def _ours(db: sa.Connection, attempt: Attempt, found: Sequence[Rerun]) -> Sequence[Rerun]:
    """Of the candidates those that nobody has claimed; only those of the group, where there are any."""
    free = [rerun for rerun in found if unclaimed(db, attempt, rerun)]
    return [rerun for rerun in free if rerun.same_group] or free


def _not_searched(db: sa.Connection, s: Services, attempt: Attempt, why: str) -> None:
    now = s.clock.now()
    if attempt.deadline is not None and now >= attempt.deadline:
        reason = f"until its deadline nobody could look for the rerun, which may have been started: {why}"
        given_up(db, s, attempt, reason, now, final=True)
    else:
        attempts.touch(db, attempt, due_at=now + s.policy.watch_interval, owner=None)


def _give_up(db: sa.Connection, s: Services, attempt: Attempt) -> None:
    if attempt.via == "playbook":
        reason = "the playbook named no run and none was found before the deadline; it may still start one"
        given_up(db, s, attempt, reason, s.clock.now(), final=True)
    else:
        given_up(db, s, attempt, "no run was started", s.clock.now(), final=False)


async def _read_alone(s: Services, attempt: Attempt, run_id: str) -> None:
    """A rerun not heard of for a while, or past its deadline, is read by itself."""
    instead: Sequence[Rerun] = ()
    run: Run | None = None
    try:
        async with asyncio.timeout(READ_SECONDS):
            run = await s.platforms[attempt.platform].run(RunRef(attempt.platform, attempt.resource, run_id))
        if run is None and attempt.via == "playbook":  # some playbooks name a run of their own workflow
            instead = await _candidates(s, attempt)
    except (OutsideError, TimeoutError) as error:
        log.warning("cannot read a rerun", extra={"attempt": attempt.key, "error": str(error)})
    await s.database.write(lambda db: _read(db, s, attempt, run, instead))
    s.wake.set()


def _read(db: sa.Connection, s: Services, was: Attempt, run: Run | None, instead: Sequence[Rerun]) -> None:
    now = s.clock.now()
    tickets.lock(db, was.ticket_id)
    attempt = attempts.get(db, was.key)
    if attempt.status is not AttemptStatus.IN_PROGRESS or attempt.revision != was.revision:
        return
    if run is not None:
        tickets.run_changed(db, run.ref, run.status, run.ended_at)
    others = _ours(db, attempt, instead) if instead and attempts.named_only(db, attempt) else ()
    if run is not None and run.ended:
        rerun_ended(db, s, attempt, run, now)
    elif len(others) == 1:
        shown(db, s, attempt, others[0], now)
    elif attempt.deadline is not None and now >= attempt.deadline:
        reason = f"the rerun {attempt.remediation_run_id} has not ended by its deadline; it may still run"
        timed_out(db, s, attempt, reason)
    else:
        attempts.touch(db, attempt, due_at=min(attempt.deadline or now + UNSEEN, now + UNSEEN), owner=None)
