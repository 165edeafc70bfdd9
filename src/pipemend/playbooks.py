"""Reads playbooks: the built-in ones, with the user's own laid over them. Every mistake is named at start."""

import math
import tomllib
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pipemend import routes
from pipemend.core import blob
from pipemend.core.errors import SettingsError
from pipemend.core.freeze import Window
from pipemend.core.playbook import ACTIONS, ERROR_TYPES, PipelineRule, Playbook, Playbooks
from pipemend.core.rca import UNCLASSIFIED, Severity

BUILT_IN = Path(__file__).with_name("playbooks.toml")
PLATFORMS = ("data_factory", "databricks")
MOST_RETRIES, MOST_A_DAY = 20, 1000
RULES = ("pipeline", "freeze", "route")  # tables that are no playbooks
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

# What is wrong with a value, or nothing.
Check = Callable[[Any], str | None]
Table = Mapping[str, Any]


def load(file: Path | None, default_retries: int) -> Playbooks:
    """The playbooks in force. Raises SettingsError, which names every wrong entry and field."""
    tables, own = _read(BUILT_IN), _read(file) if file is not None else {}
    tables = _overlay(tables, own)
    mistakes = list(_mistakes(tables))
    if mistakes:
        raise SettingsError("PLAYBOOKS_FILE: " + "; ".join(mistakes))
    entries = {(book.error_type, platform): book for platform, book in _books(tables, default_retries)}
    return Playbooks(
        entries=entries,
        origins={key: _origins(tables, own, *key) for key in entries},
        pipelines=tuple(_rule(table) for table in tables.get("pipeline", ())),
        freeze=tuple(_window(table) for table in tables.get("freeze", ())),
        routes=routes.routes(tables.get("route", ())),
    )


def _origins(tables: Table, own: Table, error_type: str, platform: str | None) -> Mapping[str, str]:
    """Which fields of an entry are not built in, and where they come from."""
    merged, mine = _fields(tables, error_type, platform), _fields(own, error_type, platform)
    found = dict.fromkeys(mine, "PLAYBOOKS_FILE")
    return found if "max_retries" in merged else {**found, "max_retries": "AUTO_REMEDIATION_MAX_RETRIES"}


def _fields(tables: Table, error_type: str, platform: str | None) -> Table:
    entry = tables.get(error_type, {})
    own = {name: value for name, value in entry.items() if name not in PLATFORMS}
    return own | entry.get(platform, {}) if platform else own


def _read(file: Path) -> Table:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"PLAYBOOKS_FILE: {file} cannot be read ({error.strerror})") from None
    except ValueError as error:  # also what UTF-8 and TOML say
        raise SettingsError(f"PLAYBOOKS_FILE: {file} is no TOML: {error}") from None


def _overlay(below: Table, above: Table) -> dict[str, Any]:
    """Fields that `above` names replace those of `below`; tables are laid over one another, all else stays."""
    laid = dict(below)
    for name, value in above.items():
        both = isinstance(value, dict) and isinstance(laid.get(name), dict)
        laid[name] = _overlay(laid[name], value) if both else value
    return laid


def _books(tables: Table, default_retries: int) -> Iterator[tuple[str | None, Playbook]]:
    for error_type, entry in tables.items():
        if error_type in RULES:
            continue
        own = {name: value for name, value in entry.items() if name not in PLATFORMS}
        if book := _book(error_type, own, default_retries):
            yield None, book
        for platform in PLATFORMS:
            if platform in entry and (book := _book(error_type, own | entry[platform], default_retries)):
                yield platform, book


def _book(error_type: str, fields: Table, default_retries: int) -> Playbook | None:
    """The playbook of an entry; none where it is switched off, or has fields for some platforms only."""
    if not fields.get("enabled", True) or "action" not in fields:
        return None
    given = {name: value for name, value in fields.items() if name != "enabled"}
    if "backoff_seconds" in given:
        given["backoff_seconds"] = tuple(given["backoff_seconds"])
    return Playbook(error_type=error_type, **{"max_retries": default_retries, **given})


def _rule(table: Table) -> PipelineRule:
    lists = {
        "upstream": _listed(table.get("upstream", ())),
        "downstream": _listed(table.get("downstream", ())),
        "freeze": tuple(_window(window) for window in table.get("freeze", ())),
    }
    return PipelineRule(**{**table, **lists})


def _listed(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _window(table: Table) -> Window:
    days, dates = table.get("days"), table.get("dates")
    return Window(
        days=None if days is None else frozenset(DAYS.index(day) for day in days),
        dates=None if dates is None else tuple(_span(part) for part in dates),
        begins=_clock(table.get("from", "00:00")),
        ends=_clock(table.get("to", "24:00")),
        zone=ZoneInfo(table.get("zone", "UTC")),
    )


def _span(text: Any) -> tuple[date, date]:
    """From `2026-12-24`, or `2026-12-24/2027-01-02`. Raises ValueError or TypeError."""
    if isinstance(text, date) and not isinstance(text, datetime):
        return text, text
    first, _, last = text.partition("/")
    return date.fromisoformat(first), date.fromisoformat(last or first)


def _clock(text: Any) -> time:
    """From `18:30`; `24:00` is midnight. Raises ValueError or TypeError."""
    if text == "24:00":
        return time(0)
    read = text if isinstance(text, time) else time.fromisoformat(text)
    if read.tzinfo is not None:
        raise ValueError
    return read


def _mistakes(tables: Table) -> Iterator[str]:
    for name, entry in tables.items():
        if name == "pipeline":
            yield from _rule_mistakes(entry)
        elif name == "freeze":
            yield from _window_mistakes("[[freeze]]", entry)
        elif name == "route":
            yield from routes.mistakes(entry)
        elif name not in ERROR_TYPES or name == UNCLASSIFIED:
            # A misspelt error type would never match, silently.
            yield f"[{name}]: no error type that can be diagnosed"
        else:
            yield from _entry_mistakes(name, entry)


def _entry_mistakes(name: str, entry: Any) -> Iterator[str]:
    if not isinstance(entry, dict):
        yield f"[{name}]: must be a table"
        return
    own = {key: value for key, value in entry.items() if key not in PLATFORMS}
    yield from _field_mistakes(f"[{name}]", own, FIELDS)
    parts = {platform: entry[platform] for platform in PLATFORMS if platform in entry}
    for platform, part in parts.items():
        if isinstance(part, dict):
            yield from _field_mistakes(f"[{name}.{platform}]", part, FIELDS)
        else:
            yield f"[{name}.{platform}]: must be a table"
    for platform, part in (parts or {"": {}}).items():
        if isinstance(part, dict) and (own | part).get("enabled", True) and "action" not in own | part:
            yield f"[{name}{'.' + platform if platform else ''}] action: is missing"


def _rule_mistakes(rules: Any) -> Iterator[str]:
    if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
        yield "[[pipeline]]: must be a list of tables"
        return
    for number, rule in enumerate(rules, 1):
        place = f"[[pipeline]] {number}"
        if "match" not in rule:
            yield f"{place} match: is missing"
        yield from _field_mistakes(place, rule, RULE_FIELDS)
        yield from _window_mistakes(f"{place} freeze", rule.get("freeze", []))


def _window_mistakes(place: str, windows: Any) -> Iterator[str]:
    if not isinstance(windows, list) or not all(isinstance(window, dict) for window in windows):
        yield f"{place}: must be a list of tables"
        return
    for number, window in enumerate(windows, 1):
        yield from _field_mistakes(f"{place} {number}", window, FREEZE_FIELDS)
        if not {"days", "dates", "from", "to"} & window.keys():
            yield f"{place} {number}: would never end; name days, dates, from or to"


def _field_mistakes(place: str, fields: Table, known: Mapping[str, Check]) -> Iterator[str]:
    for name, value in fields.items():
        if name not in known:
            yield f"{place} {name}: unknown, one of {', '.join(known)}"
        elif wrong := known[name](value):
            yield f"{place} {name}: {wrong}"


def _one_of(allowed: tuple[str, ...], value: Any) -> str | None:
    return None if isinstance(value, str) and value in allowed else f"{value!r} is not one of {', '.join(allowed)}"


def _text(value: Any) -> str | None:
    return None if isinstance(value, str) and value.strip() else "must be a text"


def _yes_or_no(value: Any) -> str | None:
    return None if isinstance(value, bool) else "must be true or false"


def _texts(value: Any) -> str | None:
    some = [value] if isinstance(value, str) else value
    good = isinstance(some, list) and some and not any(_text(one) for one in some)
    return None if good else "must be a text or a list of texts"


def _upstreams(value: Any) -> str | None:
    """Pipelines as `factory/pipeline`, and blobs by their addresses."""
    if wrong := _texts(value):
        return wrong
    addresses = filter(blob.is_address, _listed(value))
    return next((wrong for address in addresses if (wrong := blob.mistake(address))), None)


def _days(value: Any) -> str | None:
    good = isinstance(value, list) and value and all(day in DAYS for day in value)
    return None if good else f"must be a list of {', '.join(DAYS)}"


def _dates(value: Any) -> str | None:
    try:
        good = isinstance(value, list) and value and all(first <= last for first, last in map(_span, value))
    except (ValueError, TypeError, AttributeError):
        good = False
    return None if good else "must be a list of dates like 2026-12-24, or spans like '2026-12-24/2027-01-02'"


def _time(value: Any) -> str | None:
    try:
        _clock(value)
    except (ValueError, TypeError):
        return "must be a time like '18:30'"
    return None


def _zone(value: Any) -> str | None:
    try:
        ZoneInfo(value)
    except (ValueError, TypeError, AttributeError, OSError, KeyError):  # KeyError: there is no such zone
        return f"{value!r} is no time zone known here, as 'Europe/Berlin' is"
    return None


def _count(least: int, value: Any, most: int = MOST_RETRIES) -> str | None:
    fits = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
    return None if fits else f"must be a whole number from {least} to {most}"


def _seconds(value: Any) -> str | None:
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return None if number and value >= 0 else "must be seconds, 0 or more"


def _some_seconds(value: Any) -> str | None:
    return _seconds(value) or (None if value else "must be more than 0 seconds")


def _list_of_seconds(value: Any) -> str | None:
    if isinstance(value, list) and not any(_seconds(item) for item in value):
        return None
    return "must be a list of seconds, each 0 or more"


FIELDS: Mapping[str, Check] = {
    "action": partial(_one_of, tuple(sorted(ACTIONS))),
    "max_retries": partial(_count, 1),
    "backoff_seconds": _list_of_seconds,
    "initial_delay_seconds": _seconds,
    "risk": partial(_one_of, ("low", "medium", "high")),
    "approval": _yes_or_no,
    "deadline_seconds": _some_seconds,
    "enabled": _yes_or_no,
}
RULE_FIELDS: Mapping[str, Check] = {
    "match": _text,
    "rerun": partial(_one_of, ("auto", "ask", "never")),
    "upstream": _upstreams,
    "downstream": _texts,
    "freeze": lambda value: None,  # a list of tables, whose fields are checked one by one
    "max_retries": partial(_count, 0),
    "max_repairs_per_day": partial(_count, 1, most=MOST_A_DAY),
    "deadline_seconds": _some_seconds,
    "severity": partial(_one_of, tuple(level.value for level in Severity)),
    "team": _text,
    "owner": _text,
    "cost_center": _text,
    "masked": partial(_one_of, ("ignore", "list", "ticket")),
}
FREEZE_FIELDS: Mapping[str, Check] = {
    "days": _days,
    "dates": _dates,
    "from": _time,
    "to": _time,
    "zone": _zone,
}
