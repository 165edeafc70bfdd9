"""The functions that expressions may call, each with how many values it takes. There are no others."""

import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from ...clock import moment, now, stamp


class Unfit(ValueError):
    """A function was given what it does not take."""


MANY = 100
LONGEST_INT = 2**63


def text_of(value: Any) -> str:
    """A value as text, as `string` and `@{…}` write it: null is nothing, objects and lists are JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _contains(where: Any, what: Any) -> bool:
    if isinstance(where, str):
        return _text(what) in where
    if isinstance(where, list):
        return any(_same(one, what) for one in where)
    if isinstance(where, dict):
        return what in where
    raise Unfit("contains: a text, a list or an object is due")


def _same(one: Any, other: Any) -> bool:
    """True is not 1, and a text is compared letter by letter."""
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _empty(value: Any) -> bool:
    if value is None or isinstance(value, str | list | dict):
        return not value
    raise Unfit("empty: a text, a list or an object is due")


def _length(value: Any) -> int:
    if isinstance(value, str | list):
        return len(value)
    raise Unfit("length: a text or a list is due")


def _first(value: Any) -> Any:
    return _sized("first", value)[0] if _sized("first", value) else None


def _last(value: Any) -> Any:
    return _sized("last", value)[-1] if _sized("last", value) else None


def _sized(name: str, value: Any) -> Sequence[Any]:
    if isinstance(value, str | list):
        return value
    raise Unfit(f"{name}: a text or a list is due")


def _sort(value: Any, by: Any) -> list[Any]:
    if not isinstance(value, list):
        raise Unfit("sort: a list is due")
    try:
        return sorted(value, key=lambda one: one[by])
    except (KeyError, TypeError) as wrong:
        raise Unfit(f"sort: not every one has a '{by}' that can be compared") from wrong


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise Unfit(f"a text is due, not {type(value).__name__}")


def _whole(value: Any) -> int:
    try:
        number = int(value) if isinstance(value, str | int) and not isinstance(value, bool) else None
    except ValueError:
        number = None
    if number is None or abs(number) >= LONGEST_INT:
        raise Unfit(f"int: {text_of(value)[:40]!r} is no whole number")
    return number


def _number(value: Any) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    raise Unfit(f"a number is due, not {type(value).__name__}")


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise Unfit(f"true or false is due, not {type(value).__name__}")


def _flags(values: Sequence[Any]) -> list[bool]:
    return [_flag(one) for one in values]


def _json(value: Any) -> Any:
    try:
        return json.loads(_text(value))
    except ValueError as wrong:
        raise Unfit(f"json: {wrong}") from wrong


def _put(where: Any, name: Any, value: Any) -> dict[str, Any]:
    if not isinstance(where, dict):
        raise Unfit("setProperty: an object is due")
    return {**where, _text(name): value}


def _moment(value: Any) -> datetime:
    try:
        return moment(_text(value))
    except ValueError as wrong:
        raise Unfit(f"{value!r} is no time") from wrong


def _add(value: Any, count: Any, unit: Any) -> str:
    seconds = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}.get(_text(unit).lower())
    if seconds is None:
        raise Unfit("addToTime: Second, Minute, Hour or Day is due")
    return stamp(_moment(value) + timedelta(seconds=_whole(count) * seconds))


def _ticks(value: Any) -> int:
    """Tenths of microseconds since the year 1."""
    since = _moment(value).replace(tzinfo=None) - datetime(1, 1, 1)  # noqa: DTZ001 - in UTC, as the other
    return (since.days * 86400 + since.seconds) * 10**7 + since.microseconds * 10


def _divide(one: Any, other: Any) -> float:
    if not _number(other):
        raise Unfit("div: by zero")
    return int(one // other) if isinstance(one, int) and isinstance(other, int) else one / other


# By their names in small letters: how many values at least and at most, and what is made of them.
FUNCTIONS: dict[str, tuple[int, int, Callable[..., Any]]] = {
    "add": (2, 2, lambda one, other: _number(one) + _number(other)),
    "addtotime": (3, 3, _add),
    "and": (1, MANY, lambda *some: all(_flags(some))),
    "coalesce": (1, MANY, lambda *some: next((one for one in some if one is not None), None)),
    "concat": (1, MANY, lambda *parts: "".join(text_of(part) for part in parts)),
    "contains": (2, 2, _contains),
    "createarray": (1, MANY, lambda *items: list(items)),
    "div": (2, 2, _divide),
    "empty": (1, 1, _empty),
    "encodeuricomponent": (1, 1, lambda text: quote(_text(text), safe="!'()*-._~")),
    "endswith": (2, 2, lambda text, end: _text(text).lower().endswith(_text(end).lower())),
    "equals": (2, 2, _same),
    "first": (1, 1, _first),
    "greater": (2, 2, lambda one, other: _number(one) > _number(other)),
    "greaterorequals": (2, 2, lambda one, other: _number(one) >= _number(other)),
    "if": (3, 3, lambda test, yes, no: yes if _flag(test) else no),
    "int": (1, 1, _whole),
    "join": (2, 2, lambda items, by: _text(by).join(text_of(one) for one in items)),
    "json": (1, 1, _json),
    "last": (1, 1, _last),
    "length": (1, 1, _length),
    "less": (2, 2, lambda one, other: _number(one) < _number(other)),
    "lessorequals": (2, 2, lambda one, other: _number(one) <= _number(other)),
    "max": (1, MANY, lambda *some: max(_number(one) for one in some)),
    "min": (1, MANY, lambda *some: min(_number(one) for one in some)),
    "mul": (2, 2, lambda one, other: _number(one) * _number(other)),
    "not": (1, 1, lambda one: not _flag(one)),
    "or": (1, MANY, lambda *some: any(_flags(some))),
    "replace": (3, 3, lambda text, old, new: _text(text).replace(_text(old), _text(new))),
    "setproperty": (3, 3, _put),
    "sort": (2, 2, _sort),
    "split": (2, 2, lambda text, by: _text(text).split(_text(by))),
    "startswith": (2, 2, lambda text, start: _text(text).lower().startswith(_text(start).lower())),
    "string": (1, 1, text_of),
    "sub": (2, 2, lambda one, other: _number(one) - _number(other)),
    "take": (2, 2, lambda what, count: _sized("take", what)[: _whole(count)]),
    "ticks": (1, 1, _ticks),
    "tolower": (1, 1, lambda text: _text(text).lower()),
    "utcnow": (0, 0, lambda: stamp(now())),
}
# What needs to know the run.
OF_THE_RUN: dict[str, tuple[int, int]] = {
    "body": (1, 1),
    "item": (0, 0),
    "items": (1, 1),
    "outputs": (1, 1),
    "parameters": (1, 1),
    "result": (1, 1),
    "triggerbody": (0, 0),
    "variables": (1, 1),
    "workflow": (0, 0),
}
