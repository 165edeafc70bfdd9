"""What changed in a workspace since a watermark.

Databricks lists runs by their start and tells no changes. So each reading asks for the runs that are active, and for
those that have ended since they began not long ago. A run that was active and is not any more is read by itself, so
is one that failed, and an old one that is active again: those have, or may have, been repaired, and no list tells.
Calls grow with the workspace, not with our reruns.
"""

import asyncio
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from logging import getLogger

from pipemend.core.clock import Clock
from pipemend.core.run import Changes, Run, RunRef, RunStatus
from pipemend.platforms.databricks.client import Found, Json, Workspace
from pipemend.platforms.databricks.runs import at, run_of, runs_of, starter, state_of, text

log = getLogger(__name__)

OVERLAP = timedelta(minutes=2)
FAR_BACK = timedelta(days=2)  # a first reading finds runs that ended while nobody looked, if they began since
SWEEP = timedelta(hours=1)  # so often all of that is read again, for what moves between two readings
AT_ONCE, MOST_ALONE, PAGES = 5, 200, 200
Rows = Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Memory:
    """What a reading leaves for the next one. `told` are the runs that failed, each read by itself; `done` are those
    whose repair by us has ended."""

    active: Set[str] = frozenset()
    repairing: Set[str] = frozenset()
    ends: Mapping[str, object] = field(default_factory=dict)
    told: Rows = field(default_factory=dict)
    done: Set[str] = frozenset()
    read_at: datetime | None = None
    swept_at: datetime | None = None
    until: datetime | None = None


class Feed:
    """Reads one workspace's changes. What it remembers only saves calls: without it the next reading goes far back."""

    def __init__(self, workspace: Workspace, clock: Clock) -> None:
        self._workspace = workspace
        self._clock = clock
        self._memory = self._next = Memory()
        self._ours: set[str] = set()  # runs that we have had repaired, until the end of that is taken in

    async def since(self, since: datetime) -> Changes:
        if self._next.until is None or since >= self._next.until:  # else nobody took in what was read: once more
            self._memory = self._next
            self._ours -= self._memory.done
        self._ours |= self._workspace.repaired
        self._workspace.repaired.clear()
        was = self._memory
        listed = await self._workspace.runs(active_only="true", pages=PAGES)  # first: what ends now is in the next one
        theirs = listed.at or self._clock.now()
        sweep = was.swept_at is None or theirs - was.swept_at > SWEEP
        begun = since - FAR_BACK if sweep else min(since, was.read_at or since) - OVERLAP
        ended = await self._workspace.runs(
            completed_only="true", start_time_from=str(int(begun.timestamp() * 1000)), pages=PAGES
        )
        if not (listed.complete and ended.complete):
            log.warning("more runs than one answer may hold", extra={"resource": self._workspace.resource.id})
        active, over = _by_id(listed), _by_id(ended)
        known = was.repairing | self._ours
        again = {run_id for run_id in set(active) - was.active if run_id in was.ends or _began(active[run_id], begun)}
        wanted = sorted(_alone(was, active, over) | (again - known) | (known - set(active)))
        read = await self._read(wanted[:MOST_ALONE])
        until = max(since, theirs)
        over_now = {run_id for run_id, raw in read.items() if state_of(raw).status.ended}
        done = (over_now | set(wanted[:MOST_ALONE]) - set(read)) - set(active)  # or it has been deleted
        self._next = Memory(
            active=set(active) | set(wanted[MOST_ALONE:]),
            repairing=(known | again) - done,
            done=done,
            ends={run_id: _end(row) for run_id, row in over.items()},
            told={run_id: raw for run_id, raw in {**was.told, **read}.items() if run_id in over},
            read_at=theirs,
            swept_at=theirs if sweep else was.swept_at,
            until=until,
        )
        whole = {**self._next.told, **read}
        skip = known | again | set(wanted) | set(whole)
        plain = {run_id: row for run_id, row in {**active, **over}.items() if run_id not in skip}
        return Changes((*self._plain(plain), *self._with_repairs(whole)), until)

    async def _read(self, run_ids: Sequence[str]) -> dict[str, Json]:
        turns = asyncio.Semaphore(AT_ONCE)

        async def one(run_id: str) -> Json | None:
            async with turns:
                return await self._workspace.run(run_id)

        found = await asyncio.gather(*(one(run_id) for run_id in run_ids))
        return {run_id: raw for run_id, raw in zip(run_ids, found, strict=True) if raw is not None}

    def _plain(self, rows: Rows) -> list[Run]:
        resource = self._workspace.resource
        return [run for row in rows.values() if (run := run_of(row, resource, self._parent(row)))]

    def _with_repairs(self, rows: Rows) -> list[Run]:
        resource = self._workspace.resource
        return [run for raw in rows.values() for run in _worth_telling(runs_of(raw, resource, self._parent(raw)))]

    def _parent(self, row: Json) -> RunRef | None:
        by, resource = starter(row), self._workspace.resource
        return RunRef(resource.platform, resource.id, by) if by else None


def _alone(was: Memory, active: Rows, over: Rows) -> set[str]:
    """The runs of which the lists do not tell enough: no longer active, for that may have been a repair; ended again;
    or failed, for a failed run may have been repaired since."""
    gone = {run_id for run_id in was.active if run_id not in active}
    moved = {run_id for run_id, row in over.items() if was.ends.get(run_id, _end(row)) != _end(row)}
    failed = {run_id for run_id, row in over.items() if state_of(row).failed and run_id not in was.told}
    return gone | moved | failed


def _worth_telling(chain: Sequence[Run]) -> Sequence[Run]:
    """A run and its repairs. What failed before a repair that went well is nobody's matter any more."""
    if chain and chain[-1].status is RunStatus.SUCCEEDED:
        return [run for run in chain if not run.failed]
    return chain


def _began(row: Json, begun: datetime) -> bool:
    """Whether a run that was not active at the last reading had begun long before: then it has been repaired."""
    return (at(row.get("start_time")) or begun) < begun


def _by_id(found: Found) -> dict[str, Json]:
    return {run_id: row for row in found.rows if (run_id := text(row.get("run_id")))}


def _end(row: Json) -> object:
    return row.get("end_time")
