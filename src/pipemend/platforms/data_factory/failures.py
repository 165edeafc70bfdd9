"""Why a run failed, read from its activities and those of the runs it started."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from pipemend.core.clock import Clock, moment
from pipemend.core.errors import Unreadable
from pipemend.core.rca import Fault
from pipemend.core.run import Run
from pipemend.core.scrub import cut, scrub
from pipemend.platforms.data_factory.client import Factory, Json
from pipemend.platforms.data_factory.runs import run_of, text

# Activities that only pass on what went wrong inside them.
WRAPPERS = frozenset({"executepipeline", "foreach", "ifcondition", "if", "until", "switch"})
DEEPEST = 5
MOST_RUNS = 20
MARGIN = timedelta(hours=1)
LATEST = datetime.max.replace(tzinfo=UTC)
TARGET = re.compile(r"Operation on target (.{1,260}?) failed:", re.DOTALL)


@dataclass
class Search:
    """Looks for the faults of one run; reads `MOST_RUNS` runs at most."""

    factory: Factory
    clock: Clock
    seen: set[str] = field(default_factory=set)
    pages: list[str] = field(default_factory=list)  # of failed runs on another platform
    broken: list[tuple[str, str]] = field(default_factory=list)  # pipeline and activity, of what did its own work

    async def faults(self, run: Run, depth: int = 0) -> tuple[Fault, ...]:
        """Innermost first; what only passed a failure on comes last."""
        self.seen.add(run.ref.run_id)
        failed = _by_weight(await self._failed_activities(run), run.message)
        real: list[Fault] = []
        wrappers: list[Fault] = []
        self.pages += filter(None, map(_page, failed))
        for activity in failed:
            if _kind(activity) == "executepipeline" and depth < DEEPEST:
                inner = await self._child_faults(run, activity, depth)
                real += [fault for fault in inner if not _wraps(fault)]
                wrappers += [fault for fault in inner if _wraps(fault)]
            (wrappers if _kind(activity) in WRAPPERS else real).append(fault_of(activity))
            if _kind(activity) not in WRAPPERS:
                self.broken.append((text(activity.get("pipelineName")) or run.pipeline, real[-1].activity))
        return (*real, *wrappers)

    async def masked(self, run: Run) -> tuple[Fault, ...]:
        """What failed in a good run, the earliest first, without what went well later. Raises OutsideError."""
        failed = await self._failed_activities(run)
        if not failed:
            return ()
        all_rows = await self.factory.activities(run.ref.run_id, {}, *self._window(run))
        if not all_rows.complete:
            raise Unreadable("Data Factory did not list all activities of a run")
        well = {_turn(row) for row in all_rows.rows if text(row.get("status")).lower() == "succeeded"}
        return tuple(fault_of(row) for row in sorted(failed, key=_ended) if _turn(row) not in well)

    async def _failed_activities(self, run: Run) -> list[Json]:
        after, before = self._window(run)
        found = await self.factory.activities(run.ref.run_id, {"Status": "Failed"}, after, before)
        return _last_tries(row for row in found.rows if text(row.get("status")).lower() == "failed")

    async def _child_faults(self, run: Run, activity: Json, depth: int) -> tuple[Fault, ...]:
        child = await self._child(run, activity) if len(self.seen) < MOST_RUNS else None
        if child is None or child.ref.run_id in self.seen or (child.ended and not child.failed):
            return ()
        faults = await self.faults(child, depth + 1)
        # A run may fail before any of its activities does; then its own message is all there is.
        return faults or ((Fault(message=child.message),) if child.message else ())

    async def _child(self, run: Run, activity: Json) -> Run | None:
        """The run that an Execute Pipeline activity started: named in its output, else found by who started it."""
        output = activity.get("output")
        named = text(output.get("pipelineRunId")) if isinstance(output, dict) else ""
        if named:
            raw = await self.factory.run(named)
            return run_of(raw, self.factory.resource) if raw else None
        found = await self.factory.runs({"Status": "Failed"}, *self._window(run), pages=2)
        children = (run_of(row, self.factory.resource) for row in found.rows if _started(row, run, activity))
        return next((child for child in children if child and child.ref.run_id not in self.seen), None)

    def _window(self, run: Run) -> tuple[datetime, datetime]:
        now = self.clock.now()
        return (run.started_at or now - timedelta(days=7)) - MARGIN, max(run.ended_at or now, now) + MARGIN


def _page(activity: Json) -> str:
    """Where Databricks shows the run that an activity has started."""
    output = activity.get("output")
    return text(output.get("runPageUrl")) if isinstance(output, dict) else ""


def fault_of(activity: Json) -> Fault:
    """The error of an activity run. It may be missing, be no object, or hide its message in a JSON text."""
    given = activity.get("error")
    error: Mapping[str, Any] = given if isinstance(given, dict) else {"message": given}
    code, message = _unwrapped(text(error.get("errorCode")), text(error.get("message")))
    return Fault(
        activity=text(activity.get("activityName")),
        activity_type=text(activity.get("activityType")),
        code=code,
        message=cut(scrub("\n".join([message, *_details(error.get("details"), message)]).strip())),
        failure_type=text(error.get("failureType")),
    )


def _unwrapped(code: str, message: str) -> tuple[str, str]:
    """Data flows put a JSON text where the message belongs; its own code says more than the outer one."""
    inner = _parsed(message)
    if inner is None:
        return code, message
    nested = inner.get("error")
    nested = nested if isinstance(nested, dict) else {}
    words = [text(part.get(name)) for part in (inner, nested) for name in ("Message", "message")]
    codes = [
        text(part.get(name)) for part in (inner, nested) for name in ("StatusCode", "errorCode", "ErrorCode", "code")
    ]
    said = next(filter(None, words), "") or message
    more = text(inner.get("Details"))
    return next(filter(None, codes), "") or code, f"{said}\n{more}" if more and more not in said else said


def _parsed(message: str) -> Mapping[str, Any] | None:
    if not message.lstrip().startswith("{"):
        return None
    try:
        read = json.loads(message)
    except (ValueError, RecursionError):
        return None
    return read if isinstance(read, dict) else None


def _details(details: object, message: str) -> list[str]:
    """`details` is a list of objects, an empty list or an empty text."""
    rows = details if isinstance(details, list) else []
    found = [text(row.get("message")) for row in rows[:10] if isinstance(row, dict)]
    return [said for said in found if said and said not in message]


def _last_tries(activities: Iterable[Json]) -> list[Json]:
    """An activity that was repeated has a row for each try: the last one counts."""
    last: dict[tuple[str, str, str], Json] = {}
    for activity in sorted(activities, key=_ended):
        name, turn = text(activity.get("activityName")), text(activity.get("iterationHash"))
        # Without a mark of the turn, equal names may be turns of a loop: all of them stay.
        last[name, turn, "" if turn or activity.get("retryAttempt") else text(activity.get("activityRunId"))] = activity
    return list(last.values())


def _turn(activity: Json) -> tuple[str, str]:
    """The activity, and which turn of a loop it was."""
    return text(activity.get("activityName")), text(activity.get("iterationHash"))


def _by_weight(activities: list[Json], message: str) -> list[Json]:
    """What the run's own message blames comes first, then the earliest: a failed activity may have been handled."""
    blamed = set(TARGET.findall(message))
    return sorted(activities, key=lambda a: (text(a.get("activityName")) not in blamed, _ended(a)))


def _ended(activity: Json) -> datetime:
    return moment(activity.get("activityRunEnd")) or LATEST


def _kind(activity: Json) -> str:
    return text(activity.get("activityType")).lower()


def _wraps(fault: Fault) -> bool:
    return fault.activity_type.lower() in WRAPPERS


def _started(row: Json, parent: Run, activity: Json) -> bool:
    by = row.get("invokedBy")
    if not isinstance(by, dict) or by.get("pipelineRunId") != parent.ref.run_id:
        return False
    return by.get("name") in (None, "", activity.get("activityName")) or by.get("id") == activity.get("activityRunId")
