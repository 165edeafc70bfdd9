"""Checks that what was promised was kept: in the tables, and at the twin where one was rehearsed against."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa

from pipemend.core.clock import WallClock, moment
from pipemend.core.errors import SettingsError, Unreachable
from pipemend.engine import living_flows
from pipemend.settings import Settings
from pipemend.store.database import reading_alone
from pipemend.store.verify import CHECKS, Facts, Start, Violation
from pipemend.store.verify import verify as violations

SECONDS = 30


def verify(twin: str | None, *, as_json: bool, grace: float) -> int:
    """Prints every violation; 0 when there is none, else 1. Raises SettingsError or Unreachable."""
    starts = None if twin is None else starts_of(twin)  # before the tables: an attempt is there before its start
    found = look(Settings.load().database, starts, timedelta(seconds=grace))
    if as_json:
        print(json.dumps({"checks": len(CHECKS), "violations": [asdict(violation) for violation in found]}, indent=2))
        return 1 if found else 0
    for violation in found:
        print(f"{violation.row}: {violation.rule}: {violation.says}")
    seen = "" if starts is None else f", {len(starts)} starts at the twin"
    print(f"{len(CHECKS)} checks{seen}: {len(found) or 'no'} violation{'' if len(found) == 1 else 's'}.")
    return 1 if found else 0


def look(url: str, starts: Sequence[Start] | None, grace: timedelta) -> Sequence[Violation]:
    """The violations in the database at this address. Raises SettingsError when it cannot be read."""
    try:
        with reading_alone(url) as db:
            now, living = WallClock().now(), living_flows(db)
            return violations(db, Facts(now=now, living=living, starts=starts, grace=grace))
    except (sa.exc.OperationalError, sa.exc.ProgrammingError) as error:
        raise SettingsError(f"DATABASE_URL: the tables cannot be read ({str(error.orig).splitlines()[0]})") from None


def starts_of(twin: str) -> Sequence[Start]:
    """What the twin at this address, or a file of its answer, says was started. Raises SettingsError, Unreachable."""
    try:
        return [_start(told) for told in _answer(twin)["starts"]]
    except (ValueError, KeyError, TypeError) as error:
        raise SettingsError(f"--twin: {twin} holds no list of starts ({type(error).__name__}: {error})") from None


def _answer(twin: str) -> Any:
    if not twin.startswith(("http://", "https://")):
        try:
            return json.loads(Path(twin).read_text())
        except OSError as error:
            raise SettingsError(f"--twin: {twin} cannot be read ({error.strerror})") from None
    try:
        return httpx.get(f"{twin.rstrip('/')}/twin/starts", timeout=SECONDS, trust_env=False).raise_for_status().json()
    except httpx.HTTPError as error:
        raise Unreachable(f"the twin at {twin} does not tell its starts ({type(error).__name__})") from None


def _start(told: Any) -> Start:
    at = moment(told["at"])
    if at is None:
        raise ValueError(f"no time: {told['at']}")
    names = ("platform", "resource", "run_id", "repeats", "status", "key")
    return Start(at=at, **{name: told[name] for name in names})
