"""What jobs and clusters are told to do, read from the control addresses."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from .clusters import Habits
from .endings import CODES, SUCCESS, BadEnding, Ending, ending, read_ending
from .failures import NAMED
from .jobs import RUN_IFS, Needs, Outcome, Plan, Task, Tell
from .libraries import BadLibrary, read_library
from .notifications import SHAPES
from .reasons import BadReason, Reason, read_reason

EVENTS = ("on_start", "on_success", "on_failure")
SIMPLE = ("duration", "max_retries", "retry_seconds", "inputs", "run_if")
OF_A_TASK = ("outcomes", "cluster", "libraries", "needs", *SIMPLE)
OF_A_JOB = ("queued", "max_concurrent_runs", "queue", "parameters", "start_seconds")


class BadPlan(ValueError):
    """The plan cannot be read; the message says why."""


def read_plan(body: Mapping[str, Any]) -> Plan:
    """The plan of a job. Without `tasks` it has one, "main", described beside the rest. Raises BadPlan."""
    own = ("tasks", "tell", "new_cluster", "starts")
    _know(body, (*OF_A_JOB, *own, *(() if "tasks" in body else OF_A_TASK)))
    given = _fitting(Plan(), {name: body[name] for name in OF_A_JOB if name in body})
    if "tasks" in body:
        given["tasks"] = tuple(read_task(item) for item in _list(body, "tasks"))
        _check_order(given["tasks"])
    else:
        given["tasks"] = (read_task({"key": "main", **{name: body[name] for name in OF_A_TASK if name in body}}),)
    if "tell" in body:
        given["tell"] = _read_tell(body["tell"])
    if "new_cluster" in body:
        given["spec"] = dict(_object(body["new_cluster"], "new_cluster"))
    if "starts" in body:
        given["starts"] = read_starts(body)
    return replace(Plan(), **given)


def _check_order(tasks: tuple[Task, ...]) -> None:
    """Every task depends on earlier ones only, so there is no circle."""
    known: set[str] = set()
    for task in tasks:
        if task.key in known or set(task.depends_on) - known:
            raise BadPlan(f"task {task.key}: its key is new and it depends on tasks before it")
        known.add(task.key)
    if not tasks:
        raise BadPlan("tasks: at least one")


def read_task(item: Any) -> Task:
    body = _object(item, "a task")
    _know(body, ("key", "depends_on", *OF_A_TASK))
    given = _fitting(Task(""), {name: body[name] for name in ("key", *SIMPLE) if name in body})
    if not given.get("key"):
        raise BadPlan("a task needs a key")
    if given.get("run_if", "ALL_SUCCESS") not in RUN_IFS:
        raise BadPlan(f"run_if: one of {', '.join(RUN_IFS)}")
    given["depends_on"] = tuple(str(key) for key in _list(body, "depends_on"))
    given["cluster"] = None if body.get("cluster") is None else str(body["cluster"])
    if "outcomes" in body:
        given["outcomes"] = tuple(read_outcome(one) for one in _list(body, "outcomes")) or Task("").outcomes
    try:
        given["libraries"] = tuple(read_library(one) for one in _list(body, "libraries"))
    except BadLibrary as wrong:
        raise BadPlan(str(wrong)) from wrong
    if "needs" in body:
        given["needs"] = _read_needs(body["needs"])
    return replace(Task(""), **given)


def read_outcome(item: Any) -> Outcome:
    """`Succeeded`, `Running`, a failure by name, a termination code, or an object that says more."""
    if isinstance(item, str):
        return Outcome(None) if item == "Running" else Outcome(named_ending(item))
    body = dict(_object(item, "an outcome"))
    given = {name: body.pop(name) for name in ("duration", "output") if name in body}
    name = body.pop("name", None)
    try:
        how = named_ending(name) if name else read_ending(body) if body else SUCCESS
    except BadEnding as wrong:
        raise BadPlan(str(wrong)) from wrong
    if not isinstance(given.get("duration", 0.0), int | float) or not isinstance(given.get("output", ""), str):
        raise BadPlan("duration: a number; output: a text")
    return Outcome(how, **given)


def named_ending(word: Any) -> Ending:
    if word == "Succeeded":
        return SUCCESS
    if word in NAMED:
        return NAMED[word]
    if word in CODES:
        return ending(word, "" if word == "SUCCESS" else f"The run ended with {word}.")
    raise BadPlan(f"unknown outcome {word!r}; by name: Succeeded, Running, {', '.join(NAMED)}; or a termination code")


def _read_needs(item: Any) -> Needs:
    body = _object(item, "needs")
    _know(body, [field.name for field in fields(Needs)])
    given = {name: value for name, value in body.items() if name != "error"}
    wrong = [name for name, value in given.items() if type(value) is not _NEEDS[name]]
    if wrong:
        raise BadPlan(f"needs.{wrong[0]}: {_NEEDS[wrong[0]].__name__} is due")
    return Needs(**given, error=read_outcome(body["error"]).ending if "error" in body else None)


_NEEDS: dict[str, type] = {
    "workers": int,
    "memory_mb": int,
    "restarted": bool,
    "libraries": bool,
    "pipeline": str,
    "job": str,
}


def _read_tell(item: Any) -> Tell:
    body = _object(item, "tell")
    _know(body, [field.name for field in fields(Tell)])
    given = _fitting(Tell(), body)
    told = replace(Tell(), **given)
    if set(told.on) - set(EVENTS):
        raise BadPlan(f"tell.on: any of {', '.join(EVENTS)}")
    if told.shape not in SHAPES or told.ids not in ("text", "number"):
        raise BadPlan(f"tell.shape: one of {', '.join(SHAPES)}; tell.ids: text or number")
    return told


def read_starts(body: Mapping[str, Any]) -> tuple[Reason | None, ...]:
    """What successive starts of a cluster come to: `RUNNING`, or the reason why it does not come up."""
    try:
        found = tuple(None if item == "RUNNING" else read_reason(item) for item in _list(body, "starts"))
    except BadReason as wrong:
        raise BadPlan(str(wrong)) from wrong
    return found or (None,)


def read_habits(body: Mapping[str, Any], usual: Habits) -> Habits:
    """The habits of a cluster with what the body names changed. Raises BadPlan."""
    simple = ("start_seconds", "stop_seconds", "autostart", "ends_in")
    given = _fitting(usual, {name: body[name] for name in simple if name in body})
    if given.get("ends_in", "TERMINATED") not in ("TERMINATED", "ERROR"):
        raise BadPlan("ends_in: TERMINATED or ERROR")
    if "starts" in body:
        given["starts"] = read_starts(body)
    return replace(usual, **given)


def _know(body: Mapping[str, Any], known: Any) -> None:
    strange = set(body) - set(known)
    if strange:
        raise BadPlan(f"unknown: {', '.join(sorted(strange))}; known: {', '.join(known)}")


def _object(item: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(item, Mapping):
        raise BadPlan(f"{what}: an object, not {item!r}")
    return item


def _list(body: Mapping[str, Any], name: str) -> list[Any]:
    found = body.get(name, [])
    if not isinstance(found, list):
        raise BadPlan(f"{name}: a list, not {found!r}")
    return found


def _fitting(usual: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """The given values where they are of the kind that the usual ones have; numbers are 0 or more."""
    found = dict(given)
    for name, value in given.items():
        was = getattr(usual, name)
        if isinstance(was, float) and isinstance(value, int) and not isinstance(value, bool):
            found[name] = value = float(value)
        if isinstance(was, tuple) and isinstance(value, list):
            found[name] = value = tuple(value)
        if type(value) is not type(was) or (isinstance(value, int | float) and value < 0):
            raise BadPlan(f"{name}: {type(was).__name__} is due, not {value!r}")
    return found
