"""Reads routes, the `[[route]]` tables of the playbooks' file. Every mistake is named at start, and no secret is."""

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pipemend.core.rca import Severity
from pipemend.core.route import Route, Secret

Table = Mapping[str, Any]
Check = Callable[[Any], str | None]

CHANNEL = re.compile(r"#?[\w-]{1,80}")
MENTION = re.compile(r"[USW][A-Z0-9]{6,20}")
PROJECT = re.compile(r"[A-Z][A-Z0-9_]{1,79}")
LEVELS = tuple(level.value for level in Severity)
ROUTING_KEY = re.compile(r"[A-Za-z0-9]{32}")


def routes(tables: Any) -> tuple[Route, ...]:
    """The routes of tables that are known to be right."""
    return tuple(_route(table) for table in tables)


def mistakes(tables: Any) -> Iterator[str]:
    """What is wrong, by table and field."""
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        yield "[[route]]: must be a list of tables"
        return
    for number, table in enumerate(tables, 1):
        yield from _mistakes_of(f"[[route]] {number}", table)


def whsec(secret: str) -> bytes | None:
    """The key in a secret of Standard Webhooks, `whsec_` and 24 to 64 bytes in base64; None when it is none."""
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        return None
    return key if secret.startswith("whsec_") and 24 <= len(key) <= 64 else None


def _route(table: Table) -> Route:
    values: dict[str, Any] = {}
    for name, value in table.items():
        if name.endswith("_file"):
            values[name.removesuffix("_file")] = Secret(value, _read(value))
        else:
            values[name] = value
    mention = values.get("slack_mention", ())
    values["slack_mention"] = (mention,) if isinstance(mention, str) else tuple(mention)
    return Route(**values)


def _mistakes_of(place: str, table: Table) -> Iterator[str]:
    for name, value in table.items():
        if name not in FIELDS:
            yield f"{place} {name}: unknown, one of {', '.join(FIELDS)}"
        elif wrong := FIELDS[name](value):
            yield f"{place} {name}: {wrong}"
    if not {"match", "team"} & table.keys():
        yield f"{place}: holds for nobody; name match, team or both"
    if not table.keys() - {"match", "team"}:
        yield f"{place}: says nothing; name {', '.join(name for name in FIELDS if name not in ('match', 'team'))}"
    pair = ("webhook_url_file", "webhook_secret_file")
    for one, other in (pair, pair[::-1]):
        if one in table and other not in table:
            yield f"{place} {other}: must be set too, with {one}"


def _read(file: str) -> str:
    """Raises OSError or ValueError."""
    return Path(file).read_text(encoding="utf-8").strip()


def _text(value: Any) -> str | None:
    return None if isinstance(value, str) and value.strip() else "must be a text"


def _like(form: re.Pattern[str], example: str, value: Any) -> str | None:
    return None if isinstance(value, str) and form.fullmatch(value) else f"must be like {example}"


def _mentions(value: Any) -> str | None:
    some = [value] if isinstance(value, str) else value
    good = isinstance(some, list) and some and not any(_like(MENTION, "", one) for one in some)
    return None if good else "must be the id of a user (U…, W…) or a group (S…), or a list of them"


def _file(check: Callable[[str], str | None], value: Any) -> str | None:
    if wrong := _text(value):
        return wrong
    try:
        held = _read(value)
    except (OSError, ValueError):
        return f"{value} cannot be read"
    return check(held) if held else f"{value} is empty"


def _address(held: str) -> str | None:
    return None if held.startswith(("https://", "http://")) else "holds no web address"


def _routing_key(held: str) -> str | None:
    return None if ROUTING_KEY.fullmatch(held) else "holds no integration key of 32 characters"


def _secret(held: str) -> str | None:
    return None if whsec(held) else "holds no secret: it is whsec_ and 24 to 64 bytes in base64"


FIELDS: Mapping[str, Check] = {
    "match": _text,
    "team": _text,
    "slack_channel": partial(_like, CHANNEL, "C024BE91L or #alerts"),
    "slack_mention": _mentions,
    "jira_project": partial(_like, PROJECT, "OPS"),
    "severity": lambda value: None if value in LEVELS else f"must be one of {', '.join(LEVELS)}",
    "teams_webhook_url_file": partial(_file, _address),
    "pagerduty_routing_key_file": partial(_file, _routing_key),
    "webhook_url_file": partial(_file, _address),
    "webhook_secret_file": partial(_file, _secret),
}
