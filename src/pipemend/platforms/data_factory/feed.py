"""What changed in a factory since a watermark."""

from datetime import datetime, timedelta
from logging import getLogger

from pipemend.core.clock import Clock, moment
from pipemend.core.run import Changes, Run
from pipemend.platforms.data_factory.client import Factory, Found
from pipemend.platforms.data_factory.runs import run_of

log = getLogger(__name__)

OVERLAP = timedelta(minutes=2)  # a run may show up in the query this much later than it was updated
QUIET = timedelta(minutes=5)  # a factory in which nothing happens is read this far back, and no further
SLICE = timedelta(hours=6)
SMALLEST_SLICE = timedelta(minutes=1)
FAR = timedelta(days=1)
PAGES = 200  # 20,000 runs
SECONDS = 30.0  # the last page may take ten more


class Feed:
    """Reads one factory's changes, slice by slice when there is much to catch up with.

    The watermark goes by Data Factory's clock, not by ours: it is the newest update that was seen, and never later than
    the time at which the answer was given. So a clock of ours that is wrong by minutes loses nothing.
    """

    def __init__(self, factory: Factory, clock: Clock) -> None:
        self._factory = factory
        self._clock = clock
        self._slice = SLICE

    async def since(self, since: datetime) -> Changes:
        asked = self._clock.now()
        after = since - OVERLAP
        behind = after + self._slice < asked - OVERLAP
        before = after + self._slice if behind else max(asked, since) + FAR
        found = await self._factory.runs({}, after, before, pages=PAGES, seconds=SECONDS)
        theirs = found.at or asked
        if not found.complete:
            return Changes(self._runs(found), self._smaller(after, min(before, theirs), since))
        self._slice = min(self._slice * 2, SLICE)
        until = before if behind else max(since, _newest(found) or since, theirs - QUIET)
        return Changes(self._runs(found), min(until, theirs))

    def _smaller(self, after: datetime, before: datetime, since: datetime) -> datetime:
        """Too much for one answer: the watermark stays, and the next question is about half the time."""
        self._slice = max((before - after) / 2, SMALLEST_SLICE)
        log.warning("more runs than one answer may hold", extra={"resource": self._factory.resource.id})
        return since

    def _runs(self, found: Found) -> tuple[Run, ...]:
        """Each run once, as it was read last: one that moves between two pages is on both."""
        read = (run_of(row, self._factory.resource) for row in found.rows)
        return tuple({run.ref.run_id: run for run in read if run}.values())


def _newest(found: Found) -> datetime | None:
    return max((at for row in found.rows if (at := moment(row.get("lastUpdated")))), default=None)
