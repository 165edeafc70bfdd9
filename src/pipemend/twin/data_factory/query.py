"""queryPipelineRuns: filters, the window, and pages."""

import base64
import binascii
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..clock import moment, stamp
from .model import Run


class BadQuery(ValueError):
    """The query cannot be read; the message says why."""


@dataclass(frozen=True)
class Window:
    after: datetime
    before: datetime

    def holds(self, when: datetime) -> bool:
        return self.after <= when <= self.before


Test = Callable[[Run], bool]

_OPERANDS: dict[str, Callable[[Run], str]] = {
    "pipelinename": lambda run: run.pipeline.name.casefold(),
    "status": lambda run: run.status.casefold(),
    "rungroupid": lambda run: run.group.casefold(),
    "runstart": lambda run: stamp(run.start),
    "runend": lambda run: stamp(run.end) if run.end else "",
}
_OPERATORS: dict[str, Callable[[str, list[str]], bool]] = {
    "equals": lambda value, wanted: value == wanted[0],
    "notequals": lambda value, wanted: value != wanted[0],
    "in": lambda value, wanted: value in wanted,
    "notin": lambda value, wanted: value not in wanted,
}


def window(body: dict[str, Any]) -> Window:
    """The time window, which Data Factory insists on."""
    try:
        return Window(moment(body["lastUpdatedAfter"]), moment(body["lastUpdatedBefore"]))
    except (KeyError, TypeError, ValueError, AttributeError) as wrong:
        raise BadQuery("'lastUpdatedAfter' and 'lastUpdatedBefore' are required and must be dates.") from wrong


def tests(body: dict[str, Any]) -> list[Test]:
    filters = body.get("filters") or []
    if not isinstance(filters, list):
        raise BadQuery("'filters' is a list.")
    return [_test(item) for item in filters]


def _test(item: Any) -> Test:
    if not isinstance(item, dict):
        raise BadQuery("A filter is an object with operand, operator and values.")
    operand, operator = str(item.get("operand", "")), str(item.get("operator", ""))
    values = [str(value) for value in item.get("values") or ()]
    if operator.casefold() not in _OPERATORS or not values:
        raise BadQuery(f"The filter on '{operand}' needs an operator (Equals, NotEquals, In, NotIn) and values.")
    if operand.casefold() == "latestonly":
        return lambda run: run.latest or values[0].casefold() != "true"
    if operand.casefold() not in _OPERANDS:
        raise BadQuery(f"The operand '{operand}' is not supported for pipeline runs.")
    read, compare = _OPERANDS[operand.casefold()], _OPERATORS[operator.casefold()]
    wanted = [_wanted(operand, value) for value in values]
    return lambda run: compare(read(run), wanted)


def _wanted(operand: str, value: str) -> str:
    if not operand.casefold().startswith("run") or operand.casefold() == "rungroupid":
        return value.casefold()
    try:
        return stamp(moment(value))
    except ValueError as wrong:
        raise BadQuery(f"'{value}' is not a date.") from wrong


def matching(runs: Iterable[Run], body: dict[str, Any]) -> list[Run]:
    """The runs asked for, newest first."""
    when, wanted = window(body), tests(body)
    found = [run for run in runs if when.holds(run.last_updated) and all(test(run) for test in wanted)]
    return sorted(found, key=_order, reverse=True)


def page(runs: list[Run], token: str | None, size: int) -> tuple[list[Run], str | None]:
    """One page and the token of the next. The token names the last run shown, so new runs shift nothing."""
    if token:
        last = _read_token(token)
        runs = [run for run in runs if _order(run) < last]
    shown = runs[:size]
    return shown, _token(shown[-1]) if len(runs) > size else None


def _order(run: Run) -> tuple[datetime, str]:
    return run.start, run.id


def _token(run: Run) -> str:
    return base64.urlsafe_b64encode(f"{run.start.isoformat()}|{run.id}".encode()).decode()


def _read_token(token: str) -> tuple[datetime, str]:
    try:
        start, run_id = base64.urlsafe_b64decode(token.encode()).decode().split("|")
        return moment(start), run_id
    except (AttributeError, binascii.Error, ValueError) as wrong:
        raise BadQuery("The continuation token is not valid.") from wrong
