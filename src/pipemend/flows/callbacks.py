"""Callbacks: a playbook says that its rerun has ended. A hint: it wakes the look at the platform, whose word counts."""

from functools import partial

import sqlalchemy as sa

from pipemend.core.attempt import AttemptStatus
from pipemend.core.errors import Overtaken
from pipemend.flows.services import Services
from pipemend.store import attempts

LOOKED_FOR = (AttemptStatus.UNKNOWN, AttemptStatus.IN_PROGRESS)


async def heard(s: Services, key: str) -> None:
    """Looks at the attempt now. Repeats and late ones are harmless. Raises NotFound."""
    try:
        await s.database.write(partial(_look_now, s, key))
    except Overtaken:
        return  # somebody is looking at it already
    s.wake.set()


def _look_now(s: Services, key: str, db: sa.Connection) -> None:
    attempt = attempts.get(db, key)
    if attempt.status in LOOKED_FOR and attempt.due_at is not None and attempt.owner is None:
        attempts.touch(db, attempt, due_at=s.clock.now())
