"""The due loop for attempts: starts what waits, looks for what is unclear, reads what has not been heard of."""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from datetime import timedelta
from functools import partial

import sqlalchemy as sa

from pipemend.core.attempt import Attempt, AttemptStatus
from pipemend.core.errors import OutsideError, Overtaken
from pipemend.core.run import Rerun, RunRef
from pipemend.flows.feed import rerun_ended
from pipemend.flows.remediation import DEADLINE, DIRECT_SEARCH, adopt, failed, stumbled, timed_out
from pipemend.flows.services import Services
from pipemend.store import attempts, tickets
from pipemend.store.database import transient

log = logging.getLogger(__name__)
AT_ONCE, LEASE, READ_SECONDS = 100, timedelta(seconds=60), 10
UNSEEN = timedelta(minutes=10)


async def take_due(s: Services) -> int:
    """Takes up due attempts; how many were moved or looked at."""
    begun, leased = await s.database.write(partial(_claim, s))
    ended = await asyncio.gather(*(_look_at(s, attempt) for attempt in leased), return_exceptions=True)
    for attempt, error in zip(leased, ended, strict=True):
        if isinstance(error, Exception):
            log.error("an attempt stumbled", exc_info=error, extra={"attempt": attempt.key})
            if not (transient(error) or isinstance(error, Overtaken)):  # else it is due again when the lease ends
                await s.database.write(partial(_stumbled, s, attempt, error))
    return begun + len(leased)


def _claim(s: Services, db: sa.Connection) -> tuple[int, list[Attempt]]:
    """Begins the flows there is room for, the longest due first, and leases what has to be looked at."""
    now = s.clock.now()
    attempts.one_by_one(db, "starts")  # the budgets are for all workers together
    begun, leased = 0, list[Attempt]()
    for attempt in attempts.due_to_start(db, now, min(max(_room(db, s), 0), AT_ONCE)):
        with contextlib.suppress(Overtaken):
            _begin(db, s, attempt)
            begun += 1
    for attempt in attempts.due_to_look_at(db, now, AT_ONCE):  # apart: a crowd that waits for room must not hide them
        with contextlib.suppress(Overtaken):
            if attempt.status is AttemptStatus.STARTING:  # its flow is gone: nobody knows whether it called
                attempts.move(db, attempt, AttemptStatus.UNKNOWN, failure_reason="the call was interrupted", due_at=now)
            else:
                leased.append(attempts.touch(db, attempt, due_at=now + LEASE, owner=s.worker))
    return begun, leased


def _room(db: sa.Connection, s: Services) -> int:
    """How many may start now, by both budgets."""
    minute_ago = s.clock.now() - timedelta(minutes=1)
    in_flight = s.policy.max_in_flight - attempts.in_flight(db)
    return min(in_flight, s.policy.starts_per_minute - attempts.started_since(db, minute_ago))


def _begin(db: sa.Connection, s: Services, attempt: Attempt) -> None:
    attempt = attempts.touch(db, attempt, due_at=None, owner=None)
    s.engine.begin(db, "attempt", f"{attempt.key}:attempt:r{attempt.revision}", attempt.key, attempt.revision)


async def _look_at(s: Services, attempt: Attempt) -> None:
    if attempt.status is AttemptStatus.UNKNOWN:
        await _search(s, attempt)
    elif attempt.status is AttemptStatus.IN_PROGRESS and attempt.remediation_run_id:
        await _read_alone(s, attempt, attempt.remediation_run_id)


def _stumbled(s: Services, was: Attempt, error: Exception, db: sa.Connection) -> None:
    tickets.lock(db, was.ticket_id)
    attempt = attempts.get(db, was.key)
    if attempt.revision == was.revision:
        stumbled(db, s, attempt, f"{type(error).__name__}: {error}"[:300], s.clock.now() + LEASE)


async def _search(s: Services, attempt: Attempt) -> None:
    """Asks the platform for the run that an unclear call may have started."""
    remedy = s.platforms[attempt.platform].remedies[attempt.remediation_action]
    found: Sequence[Rerun] | str
    try:
        async with asyncio.timeout(READ_SECONDS):
            found = await remedy.started(attempt)
    except (OutsideError, TimeoutError) as error:
        found = str(error) or "no answer in time"
        log.warning("cannot look for a rerun", extra={"attempt": attempt.key, "error": found})
    await s.database.write(lambda db: _found(db, s, attempt, found))
    s.wake.set()


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
    free = [rerun for rerun in found if _unclaimed(db, attempt, rerun)]
    ours = [rerun for rerun in free if rerun.same_group] or free
    if len(ours) == 1:
        adopt(db, s, attempt, ours[0], now)
    elif len(ours) > 1:
        names = ", ".join(rerun.run_id for rerun in ours[:5])
        failed(db, s, attempt, f"several runs may be the rerun ({names}): none was adopted", now, final=True)
    elif now - attempt.started_at > _search_time(attempt):
        _give_up(db, s, attempt)
    else:
        attempts.touch(db, attempt, due_at=now + s.policy.watch_interval, owner=None)


def _not_searched(db: sa.Connection, s: Services, attempt: Attempt, why: str) -> None:
    now = s.clock.now()
    if attempt.deadline is not None and now >= attempt.deadline:
        reason = f"until its deadline nobody could look for the rerun, which may have been started: {why}"
        failed(db, s, attempt, reason, now, final=True)
    else:
        attempts.touch(db, attempt, due_at=now + s.policy.watch_interval, owner=None)


def _unclaimed(db: sa.Connection, attempt: Attempt, rerun: Rerun) -> bool:
    return rerun.manual and tickets.known_run(db, RunRef(attempt.platform, attempt.resource, rerun.run_id)) is None


def _search_time(attempt: Attempt) -> timedelta:
    """A direct call is looked for 5 minutes, a playbook until the deadline: its workflow may still start something."""
    until_deadline = (attempt.deadline - attempt.started_at) if attempt.deadline else DEADLINE
    return until_deadline if attempt.via == "playbook" else min(DIRECT_SEARCH, until_deadline)


def _give_up(db: sa.Connection, s: Services, attempt: Attempt) -> None:
    if attempt.via == "playbook":
        reason = "the playbook named no run and none was found before the deadline; it may still start one"
        failed(db, s, attempt, reason, s.clock.now(), final=True)
    else:
        failed(db, s, attempt, "no run was started", s.clock.now(), final=False)


async def _read_alone(s: Services, attempt: Attempt, run_id: str) -> None:
    """A rerun not heard of for a while, or past its deadline, is read by itself."""
    try:
        async with asyncio.timeout(READ_SECONDS):
            run = await s.platforms[attempt.platform].run(RunRef(attempt.platform, attempt.resource, run_id))
    except (OutsideError, TimeoutError) as error:
        log.warning("cannot read a rerun", extra={"attempt": attempt.key, "error": str(error)})
        run = None

    def unit(db: sa.Connection) -> None:
        now = s.clock.now()
        tickets.lock(db, attempt.ticket_id)
        mine = attempts.get(db, attempt.key)
        if mine.status is not AttemptStatus.IN_PROGRESS or mine.revision != attempt.revision:
            return
        if run is not None and run.ended:
            tickets.run_changed(db, run.ref, run.status, run.ended_at)
            rerun_ended(db, s, mine, run, now)
        elif mine.deadline is not None and now >= mine.deadline:
            reason = f"the rerun {mine.remediation_run_id} has not ended by its deadline; it may still run"
            timed_out(db, s, mine, reason)
        else:
            attempts.touch(db, mine, due_at=min(mine.deadline or now + UNSEEN, now + UNSEEN), owner=None)

    await s.database.write(unit)
    s.wake.set()
