"""The due loop for attempts: starts what waits, looks for what is unclear, reads what has not been heard of."""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from datetime import timedelta
from functools import partial

import sqlalchemy as sa

from pipemend.core.attempt import Attempt, AttemptStatus
from pipemend.core.errors import Overtaken
from pipemend.flows import starts
from pipemend.flows.looking import look_at
from pipemend.flows.services import Services
from pipemend.flows.settling import stumbled
from pipemend.store import attempts, tickets
from pipemend.store.database import transient

log = logging.getLogger(__name__)
AT_ONCE, LEASE = 100, timedelta(seconds=60)


async def take_due(s: Services) -> int:
    """Takes up due attempts; how many were moved or looked at."""
    begun, leased, waiting = await s.database.write(partial(_claim, s))
    ended = await asyncio.gather(*(look_at(s, attempt) for attempt in leased), return_exceptions=True)
    for attempt, error in zip(leased, ended, strict=True):
        if isinstance(error, Exception):
            log.error("an attempt stumbled", exc_info=error, extra={"attempt": attempt.key})
            if not (transient(error) or isinstance(error, Overtaken)):  # else it is due again when the lease ends
                await s.database.write(partial(_stumbled, s, attempt, error))
    return begun + len(leased) + await starts.tell(s, waiting)


def _claim(s: Services, db: sa.Connection) -> tuple[int, list[Attempt], Sequence[Attempt]]:
    """Begins what there is room for, leases what has to be looked at, and finds those who wait and do not know why."""
    now = s.clock.now()
    begun, leased = starts.claim(db, s, now), list[Attempt]()
    for attempt in attempts.due_to_look_at(db, now, AT_ONCE):  # apart: a crowd that waits for room must not hide them
        with contextlib.suppress(Overtaken):
            if attempt.status is AttemptStatus.STARTING and attempt.prepares:  # its flow is gone: its stage looks first
                attempts.move(db, attempt, AttemptStatus.IN_PROGRESS, due_at=now, revision=attempt.revision + 1)
            elif attempt.status is AttemptStatus.STARTING:  # its flow is gone: nobody knows whether it called
                attempts.move(db, attempt, AttemptStatus.UNKNOWN, failure_reason="the call was interrupted", due_at=now)
            elif attempt.between_stages:
                begun += starts.proceed(db, s, attempt, now)
            else:
                leased.append(attempts.touch(db, attempt, due_at=now + LEASE, owner=s.worker))
    return begun, leased, attempts.untold(db, now, AT_ONCE)


def _stumbled(s: Services, was: Attempt, error: Exception, db: sa.Connection) -> None:
    tickets.lock(db, was.ticket_id)
    attempt = attempts.get(db, was.key)
    if attempt.revision == was.revision:
        stumbled(db, s, attempt, f"{type(error).__name__}: {error}"[:300], s.clock.now() + LEASE)
