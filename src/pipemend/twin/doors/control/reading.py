"""Reading what a rehearsal asks for; a misspelt name is refused instead of ignored."""

from collections.abc import Iterable
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

from ...wire import Answer, Call, Refused, json_answer

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Settings = TypeVar("Settings", bound=DataclassInstance)
else:
    Settings = TypeVar("Settings")

SERVICE = "twin"


def refused(message: str, status: int = 400) -> Refused:
    return Refused(json_answer({"error": message}, status))


def not_there(what: str) -> Refused:
    return refused(f"there is no {what}", 404)


def body(call: Call, known: Iterable[str] | None = None) -> dict[str, Any]:
    """The JSON object of the request. Raises Refused when it is none or has names that are not known."""
    try:
        data = call.json()
    except ValueError as wrong:
        raise refused(f"not JSON: {wrong}") from wrong
    data = {} if data is None else data
    if not isinstance(data, dict):
        raise refused("a JSON object is due")
    if known is not None:
        _know(data, known)
    return data


def _know(data: dict[str, Any], known: Iterable[str]) -> None:
    strange = set(data) - set(known)
    if strange:
        raise refused(f"unknown: {', '.join(sorted(strange))}; known: {', '.join(sorted(known))}")


def changed(settings: "Settings", call: Call) -> "Settings":
    """The settings with what the request names changed; types must stay what they are."""
    return changed_by(settings, body(call))


def changed_by(settings: "Settings", data: dict[str, Any]) -> "Settings":
    """The same, from what a request says."""
    known = {field.name: getattr(settings, field.name) for field in fields(settings)}
    _know(data, known)
    values = {name: _fitting(name, value, known[name]) for name, value in data.items()}
    return replace(settings, **values)


def _fitting(name: str, value: Any, was: Any) -> Any:
    if isinstance(was, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(was, tuple) and isinstance(value, list):
        return tuple(value)
    if was is not None and value is not None and type(value) is not type(was):
        raise refused(f"{name}: {type(was).__name__} is due, not {type(value).__name__}")
    return value


def done() -> Answer:
    return json_answer({"ok": True})
