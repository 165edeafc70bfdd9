"""The red button and pauses of single pipelines, through the API of a running server."""

from datetime import datetime, timedelta
from typing import Any

from pipemend.cli.remote import call
from pipemend.core.clock import stamp
from pipemend.core.errors import SettingsError

PATH = "/api/automation"


def stop_all(url: str, token: str, reason: str) -> None:
    call(url, token, "POST", PATH, {"enabled": False, "reason": reason})
    print("All automation is stopped. Reruns that run go on.")


def start_all(url: str, token: str, reason: str) -> None:
    told = call(url, token, "POST", PATH, {"enabled": True, "reason": reason})
    print("The red button is released.")
    if not told["enabled"]:
        print("Nothing is started all the same: AUTO_REMEDIATION_ENABLED is false.")
    _paused(told)


def pause(url: str, token: str, pipeline: str, until: datetime | None, reason: str) -> None:
    body = {"pipeline": pipeline, "enabled": False, "reason": reason, "until": stamp(until) if until else None}
    _paused(call(url, token, "POST", PATH, body))


def resume(url: str, token: str, pipeline: str) -> None:
    told = call(url, token, "POST", PATH, {"pipeline": pipeline, "enabled": True})
    print(f"{pipeline} is resumed.")
    _paused(told)


def until_of(until: str | None, hours: float | None, now: datetime) -> datetime | None:
    """When a pause ends. Raises SettingsError, which names the option."""
    if until is not None and hours is not None:
        raise SettingsError("--until and --hours are both given: give one")
    if hours is not None:
        return now + timedelta(hours=hours)
    try:
        return datetime.fromisoformat(until).astimezone() if until else None  # without an offset: the clock here
    except ValueError:
        raise SettingsError(f"--until: '{until}' is no time like 2026-11-30T06:00") from None


def _paused(told: Any) -> None:
    for one in told["paused"]:
        until = f"until {one['until']}" if one["until"] else "until it is resumed"
        print(f"{one['pipeline']} is paused {until} by {one['by']}{': ' + one['reason'] if one['reason'] else ''}")
