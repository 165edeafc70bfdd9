"""The heartbeat: while work is done and feeds are fresh somebody outside hears of it. Silence is the alarm."""

import logging

from pipemend.core.errors import OutsideError
from pipemend.flows.services import Services
from pipemend.store import feeds

log = logging.getLogger(__name__)
STALE_INTERVALS, GRACE_SECONDS = 5, 60


async def beat(s: Services, why_not: str | None) -> None:
    """Pings, unless the worker says why it should not or a feed is stale. A failing ping is logged, nothing else."""
    if s.heartbeat is None:
        return
    why_not = why_not or await _stale(s)
    if why_not:
        log.warning("no heartbeat", extra={"reason": why_not})
        return
    try:
        await s.heartbeat()
    except OutsideError as error:
        log.warning("the heartbeat was not heard", extra={"error": str(error)})


async def _stale(s: Services) -> str | None:
    now = s.clock.now()
    ages = await s.database.read(lambda db: feeds.ages(db, s.connections, now))
    limit = s.policy.watch_interval.total_seconds() * STALE_INTERVALS + GRACE_SECONDS
    old = sorted(resource for resource, age in ages.items() if age.total_seconds() > limit)
    return f"not read for too long: {', '.join(old)}" if old else None
