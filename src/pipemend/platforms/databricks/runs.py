"""Databricks' runs as ours.

A repair keeps the run's id and has one of its own. For us each repair is a run: its id is `<run>:repair:<repair>`, its
group the run's id. So a rerun, whoever asked for it, is found, counted and ended like any other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pipemend.core.run import Resource, Run, RunRef, RunStatus
from pipemend.core.scrub import cut, scrub

Json = Mapping[str, Any]
REPAIR = ":repair:"
MANUAL, BY_ANOTHER_JOB = "ONE_TIME", "RUN_JOB_TASK"
MOVING = {
    "BLOCKED": RunStatus.QUEUED,
    "PENDING": RunStatus.QUEUED,
    "QUEUED": RunStatus.QUEUED,
    "WAITING": RunStatus.QUEUED,
    "WAITING_FOR_RETRY": RunStatus.QUEUED,
    "RUNNING": RunStatus.IN_PROGRESS,
    "TERMINATING": RunStatus.CANCELING,
}
OVER = ("TERMINATED", "SKIPPED", "INTERNAL_ERROR")
MASKED = "SUCCESS_WITH_FAILURES"
WELL = ("SUCCESS", MASKED, "EXCLUDED", "DISABLED")
STOPPED = ("USER_CANCELED", "CANCELED", "UPSTREAM_CANCELED")


@dataclass(frozen=True, slots=True)
class State:
    """How something stands: a run, a task or a repair. `code` is the vendor's word for how it ended."""

    status: RunStatus
    code: str = ""
    kind: str = ""  # SUCCESS, CLIENT_ERROR, CLOUD_FAILURE or INTERNAL_ERROR
    message: str = ""

    @property
    def failed(self) -> bool:
        return self.status is RunStatus.FAILED


def state_of(raw: Json) -> State:
    """Reads `status`, the newer shape, and `state` where that is missing or says nothing that we know.

    They may contradict each other. An unknown word is no end: somebody keeps looking.
    """
    new, old = _object(raw.get("status")), _object(raw.get("state"))
    details = _object(new.get("termination_details"))
    code, result = text(details.get("code")), text(old.get("result_state"))
    message = text(details.get("message")) or text(old.get("state_message"))
    kind = text(details.get("type"))
    word, was = text(new.get("state")), text(old.get("life_cycle_state"))
    if word == "TERMINATED":
        return State(_ended(code, kind, result), code or result, kind, message)
    if word in MOVING:
        return State(MOVING[word], message=message)
    if was in OVER:
        # A task that cannot run for a task before it is skipped; a whole run for one that is still running.
        return State(_ended(result, "", result) if result else RunStatus.FAILED, result or was, kind, message)
    return State(MOVING.get(was, RunStatus.UNKNOWN), message=message)


def _ended(code: str, kind: str, result: str) -> RunStatus:
    if code in WELL or (not code and (kind == "SUCCESS" or result in WELL)):
        return RunStatus.SUCCEEDED
    if code == "CANCELED" and result != "CANCELED":  # by the platform, for instance when it ran too long
        return RunStatus.FAILED
    return RunStatus.CANCELLED if code in STOPPED or (not code and result in STOPPED) else RunStatus.FAILED


def repair_of(run_id: str) -> tuple[str, str | None]:
    """The run's own id, and that of the repair where ours names one."""
    own, _, repair = run_id.partition(REPAIR)
    return own, repair or None


def repairs(raw: Json) -> Sequence[Json]:
    """The repairs of a run, the earliest first."""
    found = [row for row in _rows(raw.get("repair_history")) if text(row.get("type")) == "REPAIR"]
    return sorted(found, key=lambda row: at(row.get("start_time")) or datetime.max.replace(tzinfo=UTC))


def latest_repair(raw: Json) -> str | None:
    """The id that the next repair has to name."""
    ids = [text(row.get("id")) for row in repairs(raw)]
    return next((found for found in reversed(ids) if found), None)


def runs_of(raw: Json, resource: Resource, parent: RunRef | None = None) -> Sequence[Run]:
    """The run that a JSON object describes and its repairs, in their order; nothing when it has no id."""
    first = run_of(raw, resource, parent)
    if first is None:
        return ()
    return (first, *(again for row in repairs(raw) if (again := _repair(row, raw, first))))


def run_of(raw: Json, resource: Resource, parent: RunRef | None = None) -> Run | None:
    """The run as it was before any repair; None when it has no id."""
    run_id = text(raw.get("run_id"))
    if not run_id:
        return None
    original = next((row for row in _rows(raw.get("repair_history")) if text(row.get("type")) == "ORIGINAL"), None)
    part = original if original is not None and repairs(raw) else raw
    state = state_of(part)
    return Run(
        ref=RunRef(resource.platform, resource.id, run_id),
        pipeline=text(raw.get("run_name")) or f"job {text(raw.get('job_id'))}".strip(),
        status=state.status,
        group_id=run_id,
        parent=parent,
        started_at=at(raw.get("start_time")),
        ended_at=at(part.get("end_time")) if state.status.ended else None,
        manual=text(raw.get("trigger")) == MANUAL,
        message=cut(scrub(state.message)),
        link=text(raw.get("run_page_url")) or None,
        masked=state.code == MASKED,
    )


def _repair(row: Json, raw: Json, first: Run) -> Run | None:
    repair_id = text(row.get("id"))
    if not repair_id:
        return None
    # The history may lag behind: what the run says of itself is said of its latest repair.
    state = state_of(row)
    whole = state_of(raw) if repair_id == latest_repair(raw) and state.status is RunStatus.UNKNOWN else state
    ended = at(row.get("end_time")) or (at(raw.get("end_time")) if whole is not state else None)
    return Run(
        ref=RunRef(first.ref.platform, first.ref.resource, f"{first.ref.run_id}{REPAIR}{repair_id}"),
        pipeline=first.pipeline,
        status=whole.status,
        group_id=first.ref.run_id,
        started_at=at(row.get("start_time")),
        ended_at=ended if whole.status.ended else None,
        manual=True,
        message=cut(scrub(whole.message)),
        link=first.link,
        masked=whole.code == MASKED,
    )


def named(runs: Sequence[Run], run_id: str) -> Run | None:
    """The one of these runs that has this id."""
    return next((run for run in runs if run.ref.run_id == run_id), None)


def starter(raw: Json) -> str:
    """The task run of another job that started this run; empty where a schedule or a person did."""
    by = _object(raw.get("trigger_info"))
    return text(by.get("run_id")) if text(raw.get("trigger")) == BY_ANOTHER_JOB else ""


def at(milliseconds: object) -> datetime | None:
    """A vendor's time; 0 stands for none."""
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, int | float | str):
        return None
    try:
        return datetime.fromtimestamp(float(milliseconds) / 1000, UTC) if float(milliseconds) > 0 else None
    except (ValueError, OverflowError, OSError):
        return None


def text(value: object) -> str:
    """A text without what no database keeps; numbers are taken as written, anything else is nothing."""
    if isinstance(value, str):
        return value.replace("\x00", "").encode("utf-8", "replace").decode()
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def tasks(raw: Json) -> Sequence[Json]:
    """The tasks of a run, each as it was tried last."""
    last: dict[str, Json] = {}
    for task in sorted(_rows(raw.get("tasks")), key=lambda row: (_number(row), at(row.get("start_time")) or EPOCH)):
        last[text(task.get("task_key"))] = task
    return list(last.values())


EPOCH = datetime.fromtimestamp(0, UTC)


def _number(task: Json) -> int:
    number = task.get("attempt_number")
    return number if isinstance(number, int) else 0


def _object(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def _rows(value: object) -> Sequence[Json]:
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []
