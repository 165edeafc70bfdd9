"""Reads the fields of an alert, whatever their case, form and place. Raises BadDelivery, which names the field."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import lru_cache
from typing import Any

from pipemend.core.errors import BadDelivery
from pipemend.core.scrub import cut

Json = Mapping[str, Any]

# What a target is when it only holds the logs in which the failure was found, or is no single resource at all.
_HOLDS_LOGS = ("microsoft.operationalinsights/workspaces", "microsoft.insights/components")
_DURATION = re.compile(r"P(?:(\d{1,5})D)?(?:T(?:(\d{1,5})H)?(?:(\d{1,6})M)?(?:(\d{1,8})(?:\.\d*)?S)?)?", re.IGNORECASE)
# Azure Diagnostics puts a type behind every column: runId_g, pipelineName_s.
_SUFFIX = re.compile(r"_[sgdbt]$")


def plain(name: str) -> str:
    """A field's name as names are compared: case, underscores, dashes and blanks do not count."""
    return _plain(name) if len(name) <= 64 else _plain.__wrapped__(name)  # only names that are short are remembered


@lru_cache(maxsize=512)
def _plain(name: str) -> str:
    return _SUFFIX.sub("", name).lower().replace("_", "").replace("-", "").replace(" ", "")


def duration(value: Any) -> timedelta | None:
    """ISO 8601, or the classic alert's number of minutes."""
    text = text_of(value)
    if text.isascii() and text.isdigit() and len(text) <= 5:
        return timedelta(minutes=int(text))
    found = _DURATION.fullmatch(text)
    if not found or not any(found.groups()):
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def first_target(targets: Any) -> str | None:
    """The first resource that is more than the place of its logs."""
    if targets is not None and not isinstance(targets, list | str):
        raise BadDelivery("data.essentials.alertTargetIDs: a list is expected", field="data.essentials.alertTargetIDs")
    names = [targets] if isinstance(targets, str) else targets or []
    return next(filter(None, (target_of(text_of(name)) for name in names)), None)


def target_of(resource_id: str) -> str | None:
    """The resource in small letters; None for a place of logs, a resource group, a subscription."""
    found = resource_id.strip().rstrip("/").lower()
    single = "/providers/" in found and not any(f"/providers/{kind}/" in found for kind in _HOLDS_LOGS)
    return found if single else None


def fields_of(given: Json) -> dict[str, str]:
    """Names and values as text; what is not set is left out, objects stay JSON."""
    return {name: text for name, value in given.items() if name and (text := _value(value))}


def _value(value: Any) -> str:
    if isinstance(value, dict | list):
        return cut(json.dumps(value, ensure_ascii=False, separators=(",", ":"))) if value else ""
    return cut(text_of(value))


def text_of(value: Any) -> str:
    """A single value as text; lists and objects are none."""
    if isinstance(value, str):
        return value.strip()
    if value is None or isinstance(value, dict | list):
        return ""
    return json.dumps(value) if isinstance(value, bool) else str(value)


def get(given: Json, name: str) -> Any:
    """A field whose case varies: `SearchIntervalEndtimeUtc` is spelt both ways."""
    if name in given:
        return given[name]
    return next((value for other, value in given.items() if other.lower() == name.lower()), None)


def object_in(given: Json, name: str, where: str, *, empty: bool = False) -> Json:
    """The object of this name; where there is none and `empty` allows it, an empty one."""
    value = get(given, name)
    if value is None and empty:
        return {}
    if not isinstance(value, dict):
        raise BadDelivery(f"{where}: {'missing' if value is None else 'an object is expected'}", field=where)
    return value


def list_in(given: Json, name: str, where: str) -> Sequence[Any]:
    """The list of this name; an empty one where there is none."""
    value = get(given, name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise BadDelivery(f"{where}: a list is expected", field=where)
    return value
