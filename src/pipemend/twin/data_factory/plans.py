"""What a pipeline is told to do, read from the control address."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .failures import NAMED, ActivityError

SHAPES = ("none", "metric", "log_v2", "log_v2_bare", "log_v1", "metric_classic", "flat")
TARGETS = ("factory", "workspace", "none")
JOB_ACTIVITIES = ("DatabricksNotebook", "DatabricksJob")


class BadPlan(ValueError):
    """The plan cannot be read; the message says why."""


@dataclass(frozen=True)
class Outcome:
    """How one run ends. `InProgress` never ends by itself."""

    status: str = "Succeeded"
    error: ActivityError | None = None
    duration: float | None = None


@dataclass(frozen=True)
class Plan:
    """What the runs of a pipeline do, and how Azure Monitor tells of the failed ones."""

    outcomes: tuple[Outcome, ...] = (Outcome(),)
    duration: float = 0.3
    queued: float = 0.0
    activities: int = 1
    children: tuple[str, ...] = ()
    jobs: tuple[str, ...] = ()
    job_activity: str = "DatabricksNotebook"
    linked_services: tuple[str, ...] = ()
    handled: bool = False
    alert: str = "none"
    copies: int = 1
    delay: float = 0.0
    target: str = "factory"
    resolve_after: float | None = None

    def outcome(self, number: int) -> Outcome:
        """Of the run with this number, counted from 0; the last outcome repeats."""
        return self.outcomes[min(number, len(self.outcomes) - 1)]

    def usual_error(self) -> ActivityError | None:
        return next((outcome.error for outcome in self.outcomes if outcome.error), None)


def read_plan(body: Mapping[str, Any]) -> Plan:
    """The plan that the body describes. Raises BadPlan."""
    usual = {name: getattr(Plan(), name) for name in Plan.__dataclass_fields__}
    unknown = set(body) - set(usual)
    if unknown:
        raise BadPlan(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(usual)}")
    values = {**usual, **body, "outcomes": _outcomes(body), "children": tuple(_list(body, "children"))}
    for name in ("jobs", "linked_services"):
        values[name] = tuple(str(item) for item in _list(body, name))
    if values["job_activity"] not in JOB_ACTIVITIES:
        raise BadPlan(f"job_activity: one of {', '.join(JOB_ACTIVITIES)}")
    _check_numbers(values, "duration", "queued", "activities", "copies", "delay")
    if not isinstance(values["handled"], bool):
        raise BadPlan(f"handled: true or false, not {values['handled']!r}")
    if values["resolve_after"] is not None:
        _check_numbers(values, "resolve_after")
    if values["alert"] not in SHAPES:
        raise BadPlan(f"alert: one of {', '.join(SHAPES)}")
    if values["target"] not in TARGETS:
        raise BadPlan(f"target: one of {', '.join(TARGETS)}")
    elsewhere = values["children"] or values["jobs"]
    if "activities" not in body and elsewhere and all(o.status == "Succeeded" for o in values["outcomes"]):
        values["activities"] = 0
    return Plan(**values)


def _outcomes(body: Mapping[str, Any]) -> tuple[Outcome, ...]:
    return tuple(read_outcome(item) for item in _list(body, "outcomes")) or Plan().outcomes


def _list(body: Mapping[str, Any], name: str) -> list[Any]:
    found = body.get(name, [])
    if not isinstance(found, list):
        raise BadPlan(f"{name}: a list, not {found!r}")
    return found


def _check_numbers(values: Mapping[str, Any], *names: str) -> None:
    for name in names:
        if not isinstance(values[name], int | float) or values[name] < 0:
            raise BadPlan(f"{name}: a number of 0 or more, not {values[name]!r}")


def read_outcome(item: Any) -> Outcome:
    """A status, the name of a failure, or an object with `status`, `error` and `duration`."""
    if isinstance(item, str):
        return Outcome("Failed", NAMED[item]) if item in NAMED else Outcome(_status(item))
    if not isinstance(item, Mapping):
        raise BadPlan(f"an outcome is a word or an object, not {item!r}")
    error = read_error(item["error"]) if item.get("error") else None
    if item.get("duration") is not None:
        _check_numbers(item, "duration")
    return Outcome(_status(item.get("status", "Failed" if error else "Succeeded")), error, item.get("duration"))


def read_error(item: Any) -> ActivityError:
    if isinstance(item, str) and item in NAMED:
        return NAMED[item]
    if not isinstance(item, Mapping):
        raise BadPlan(f"an error is an object or one of {', '.join(NAMED)}, not {item!r}")
    return ActivityError(
        code=str(item.get("errorCode", "2200")),
        message=str(item.get("message", "The activity failed.")),
        failure_type=str(item.get("failureType", "UserError")),
        activity_type=str(item.get("activityType", "Copy")),
        target=item.get("target"),
    )


def _status(word: Any) -> str:
    if word not in ("Succeeded", "Failed", "Cancelled", "InProgress"):
        raise BadPlan(f"unknown outcome {word!r}; failures by name: {', '.join(NAMED)}")
    return str(word)
