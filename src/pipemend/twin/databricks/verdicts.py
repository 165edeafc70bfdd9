"""Judging: whether a task may start, and how a job run ends when its tasks have."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from .endings import EXCLUDED, SUCCESS, UPSTREAM_CANCELED, UPSTREAM_FAILED, Ending, ending
from .jobs import Plan, Task
from .runs import JobRun, TaskRun


def may_start(task: Task, upstream: Sequence[TaskRun]) -> Ending | None:
    """None when its condition is met by the upstream tasks, all of which have ended; else how it ends instead."""
    endings = [one.ending for one in upstream if one.ending is not None]
    if _CONDITIONS[task.run_if](endings):
        return None
    if task.run_if not in ("ALL_SUCCESS", "NONE_FAILED", "AT_LEAST_ONE_SUCCESS"):
        return EXCLUDED
    if any(e.failed or e.result == "UPSTREAM_FAILED" for e in endings):
        return UPSTREAM_FAILED
    return UPSTREAM_CANCELED if any(e.result in ("CANCELED", "UPSTREAM_CANCELED") for e in endings) else EXCLUDED


def _bad(e: Ending) -> bool:
    return not e.good and e.result not in ("EXCLUDED", "DISABLED")


_CONDITIONS: dict[str, Callable[[list[Ending]], bool]] = {
    "ALL_SUCCESS": lambda endings: all(e.good for e in endings),
    "ALL_DONE": lambda _: True,
    "NONE_FAILED": lambda endings: not any(_bad(e) for e in endings),
    "AT_LEAST_ONE_SUCCESS": lambda endings: any(e.good for e in endings),
    "AT_LEAST_ONE_FAILED": lambda endings: any(e.failed for e in endings),
    "ALL_FAILED": lambda endings: all(e.failed for e in endings),
}


def verdict(run: JobRun) -> Ending:
    """How the job run ends: its leaves decide, and the first failure gives the message."""
    endings = {one.task.key: one.ending or SUCCESS for one in run.current()}
    leaves = [endings[key] for key in _leaves(run.job.plan, endings)]
    cancelled = next((e for e in endings.values() if e.result == "CANCELED"), None)
    failed = [(key, e) for key, e in endings.items() if e.failed]
    if all(e.good or e.result in ("EXCLUDED", "DISABLED") for e in leaves):
        return replace(ending("SUCCESS_WITH_FAILURES"), message=_told(run, failed)) if failed else SUCCESS
    if cancelled is not None and not failed:
        return cancelled
    if not failed:
        return ending("INTERNAL_ERROR", "No task of the run could be run.")
    first, message = failed[0][1], _told(run, failed)
    if first.result == "TIMEDOUT":
        return replace(first, message=message)
    code = first.code if all(e.code == first.code for _, e in failed) else "RUN_EXECUTION_ERROR"
    return replace(ending(code, message), life="INTERNAL_ERROR", result="FAILED")


def first_failed(run: JobRun) -> TaskRun | None:
    """The first task whose newest attempt failed."""
    return next((one for one in run.current() if one.ending is not None and one.ending.failed), None)


def _leaves(plan: Plan, endings: dict[str, Ending]) -> list[str]:
    """The leaves of the plan as it is now; a task of an older plan counts as one."""
    known = {task.key for task in plan.tasks}
    return [key for key in endings if key in plan.leaves() or key not in known]


def _told(run: JobRun, failed: list[tuple[str, Ending]]) -> str:
    key, first = failed[0]
    text = f"Task {key} failed with message: {first.message.rstrip('.')}."
    skipped = any(one.ending is not None and one.ending.result == "UPSTREAM_FAILED" for one in run.current())
    return f"{text} This caused all downstream tasks to get skipped." if skipped else text
