"""Time: moments as the vendors write them, and timers that a reset takes back."""

import asyncio
import re
from collections.abc import Callable
from datetime import UTC, datetime


def now() -> datetime:
    return datetime.now(UTC)


def stamp(moment: datetime) -> str:
    """Azure's way: UTC with seven digits of a second."""
    moment = moment.astimezone(UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond:06d}{moment.microsecond % 10}Z"


def milliseconds(moment: datetime) -> str:
    """Azure Monitor's and Jira's shorter way."""
    moment = moment.astimezone(UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def moment(text: str) -> datetime:
    """Reads an ISO 8601 moment; digits below a microsecond are cut off. Raises ValueError."""
    found = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text.strip()))
    return found if found.tzinfo else found.replace(tzinfo=UTC)


class Timers:
    """Everything that will happen by itself."""

    def __init__(self) -> None:
        self._handles: set[asyncio.TimerHandle] = set()

    def after(self, seconds: float, do: Callable[[], object]) -> asyncio.TimerHandle:
        def fire() -> None:
            self._handles.discard(handle)
            do()

        handle = asyncio.get_running_loop().call_later(max(seconds, 0.0), fire)
        self._handles.add(handle)
        return handle

    def cancel(self, handle: asyncio.TimerHandle | None) -> None:
        if handle is not None:
            handle.cancel()
            self._handles.discard(handle)

    def cancel_all(self) -> None:
        for handle in self._handles:
            handle.cancel()
        self._handles.clear()
