"""Upkeep: each minute it looks for rows to which the machine owes something and which nobody holds."""

import logging
from datetime import timedelta
from functools import partial

import sqlalchemy as sa

from pipemend.core.attempt import Attempt
from pipemend.flows.remediation import stumbled
from pipemend.flows.services import Services
from pipemend.store import attempts, leases, tickets

log = logging.getLogger(__name__)
AT_ONCE = 500
KEEP_FLOWS = timedelta(days=7)


async def look_after(s: Services) -> None:
    """One round."""
    await _wake_orphans(s)
    await s.engine.forget(s.clock.now() - KEEP_FLOWS)


async def take_over(s: Services) -> None:
    """What a worker that has fallen silent held is due at once. A file has one worker: nothing to take over."""
    if s.database.several:
        now = s.clock.now()
        if count := await s.database.write(lambda db: leases.release_silent(db, now)):
            log.warning("took over from a silent worker", extra={"rows": count})
            s.wake.set()


async def _wake_orphans(s: Services) -> None:
    """Attempts without a due time and without a living flow are made due; at the third stumble people are told."""
    held = await s.database.read(lambda db: attempts.orphans(db, AT_ONCE))
    living = await s.engine.living([key for attempt in held for key in flows_of(attempt)])
    for attempt in held:
        if not living & set(flows_of(attempt)):
            log.warning("an attempt had lost its flow", extra={"attempt": attempt.key})
            await s.database.write(partial(_stumble, s, attempt))
    if held:
        s.wake.set()


def flows_of(attempt: Attempt) -> tuple[str, ...]:
    """The flows that may hold an attempt at its present revision."""
    return tuple(f"{attempt.key}:{name}:r{attempt.revision}" for name in ("attempt", "conclude"))


def _stumble(s: Services, was: Attempt, db: sa.Connection) -> None:
    tickets.lock(db, was.ticket_id)
    attempt = attempts.get(db, was.key)
    if attempt.revision != was.revision or attempt.due_at is not None:
        return
    stumbled(db, s, attempt, "its flow was lost; the log says why", s.clock.now())
