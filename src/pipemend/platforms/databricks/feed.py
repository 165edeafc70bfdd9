"""What changed in a workspace since a watermark.

Databricks lists runs by their start and tells no changes. So each reading asks for the runs that are active, and for
those that have ended since they began not long ago. A run that was active and is not any more is read by itself, and
so is an old one that is active again: that is a repair. Calls grow with the workspace, not with our reruns.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from logging import getLogger

from pipemend.core.clock import Clock
from pipemend.core.run import Changes, RunRef
from pipemend.platforms.databricks.client import Found, Json, Workspace
from pipemend.platforms.databricks.runs import at, run_of, runs_of, starter, state_of, text

log = getLogger(__name__)

OVERLAP = timedelta(minutes=2)
FAR_BACK = timedelta(days=2)  # a first reading finds runs that ended while nobody looked, if they began since
SWEEP = timedelta(hours=1)  # so often all of that is read again, for what moves between two readings
AT_ONCE, MOST_ALONE, PAGES = 5, 200, 200
Rows = Mapping[str, Json]


class Feed:
    """Reads one workspace's changes. What it remembers only saves calls: without it the next reading goes far back."""

    def __init__(self, workspace: Workspace, clock: Clock) -> None:
        self._workspace = workspace
        self._clock = clock
        self._active: set[str] = set()
        self._repairing: set[str] = set()
        self._ends: dict[str, object] = {}
        self._read_at: datetime | None = None
        self._swept_at: datetime | None = None

    async def since(self, since: datetime) -> Changes:
        asked = self._clock.now()
        listed = await self._workspace.runs(active_only="true", pages=PAGES)  # first: what ends now is in the next one
        theirs = listed.at or asked
        sweep = self._swept_at is None or theirs - self._swept_at > SWEEP
        begun = since - FAR_BACK if sweep else min(since, self._read_at or since) - OVERLAP
        ended = await self._workspace.runs(
            completed_only="true", start_time_from=str(int(begun.timestamp() * 1000)), pages=PAGES
        )
        if not (listed.complete and ended.complete):
            log.warning("more runs than one answer may hold", extra={"resource": self._workspace.resource.id})
        active, over = _by_id(listed), _by_id(ended)
        wanted = sorted(self._alone(active, over, begun))
        read = await self._read(wanted[:MOST_ALONE])
        self._remember(active, over, set(wanted[MOST_ALONE:]), read, begun)
        self._read_at, self._swept_at = theirs, theirs if sweep else self._swept_at
        rows = {**active, **over}
        plain = [row for run_id, row in rows.items() if run_id not in read and run_id not in self._repairing]
        runs = [run for row in plain if (run := run_of(row, self._workspace.resource, self._parent(row)))]
        runs += [run for raw in read.values() for run in runs_of(raw, self._workspace.resource, self._parent(raw))]
        return Changes(tuple(runs), max(since, theirs))

    def _alone(self, active: Rows, over: Rows, begun: datetime) -> set[str]:
        """The runs that the lists do not tell enough of: they have ended, or a repair has begun or ended."""
        known = self._repairing | self._workspace.repaired
        gone = self._active - set(active) - set(over)
        moved = {run_id for run_id, row in over.items() if self._ends.get(run_id, _end(row)) != _end(row)}
        return gone | moved | (self._again(active, begun) - known) | (known - set(active))

    def _again(self, active: Rows, begun: datetime) -> set[str]:
        """Old runs that were not active at the last reading and are now."""
        new = set(active) - self._active
        return {run_id for run_id in new if (at(active[run_id].get("start_time")) or begun) < begun}

    async def _read(self, run_ids: Sequence[str]) -> dict[str, Json]:
        turns = asyncio.Semaphore(AT_ONCE)

        async def one(run_id: str) -> Json | None:
            async with turns:
                return await self._workspace.run(run_id)

        found = await asyncio.gather(*(one(run_id) for run_id in run_ids))
        return {run_id: raw for run_id, raw in zip(run_ids, found, strict=True) if raw is not None}

    def _remember(self, active: Rows, over: Rows, unread: set[str], read: Rows, begun: datetime) -> None:
        known = self._repairing | self._workspace.repaired | self._again(active, begun)
        running = {run_id for run_id, raw in read.items() if not state_of(raw).status.ended}
        self._repairing = {run_id for run_id in known if run_id in active or run_id in running or run_id in unread}
        self._workspace.repaired.clear()
        self._active = set(active) | unread
        self._ends = {run_id: _end(row) for run_id, row in over.items()}

    def _parent(self, row: Json) -> RunRef | None:
        by, resource = starter(row), self._workspace.resource
        return RunRef(resource.platform, resource.id, by) if by else None


def _by_id(found: Found) -> dict[str, Json]:
    return {run_id: row for row in found.rows if (run_id := text(row.get("run_id")))}


def _end(row: Json) -> object:
    return row.get("end_time")
