"""Makes a call meet a fault, and says what is wrong with the way it ended."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from pipemend import bootstrap
from pipemend.clients import azure, logic_app
from pipemend.core.attempt import Declined, Progress, Running, Unknown
from pipemend.core.errors import NotAllowed, OutsideError, Throttled, Unreachable
from pipemend.platforms.databricks import client as databricks
from tests.faults.faults import Fault, Fine
from tests.faults.outside import Outside, OutsideCall, Ready

AT_ONCE = 30  # cells that run at the same time
SLACK = 6.0  # seconds that a busy machine may take beyond a deadline; what has none takes a minute
LONGEST_TEXT = 700
LONGEST_WAIT = 60.0
SOUP = ("<html", "<!doctype", "<body", "Traceback", 'File "', "\n")
SECRETS = ("twin-sig", "xoxb-twin", "twin-jira-token", "twin-gemini-key", "twin-identity", "eyJ", "Bearer ")


def hasten(patch: pytest.MonkeyPatch, seconds: float) -> None:
    """From now on what leaves us has this long."""
    for name in ("READ_SECONDS", "START_SECONDS", "TOKEN_SECONDS"):
        patch.setattr(azure, name, seconds)
    for name in ("READ_SECONDS", "START_SECONDS"):
        patch.setattr(databricks, name, seconds)
    patch.setattr(logic_app, "SECONDS", seconds)
    patch.setattr(bootstrap, "HEARTBEAT_SECONDS", seconds)


@dataclass(frozen=True)
class Ended:
    """How a call ended: with an answer, or with what it raised; and what was seen on the wire."""

    answer: object
    error: Exception | None
    seconds: float
    requests: Sequence[dict[str, Any]]
    started: int = 0

    def __str__(self) -> str:
        if self.error is not None:
            return f"{type(self.error).__name__}: {self.error}"
        return f"{type(self.answer).__name__} {getattr(self.answer, 'reason', '')}"


class Matrix:
    """Runs cells beside each other, a few at a time."""

    def __init__(self, outside: Outside) -> None:
        self.outside = outside
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def complaints(self, call: OutsideCall, faults: Sequence[Fault]) -> list[str]:
        """What is wrong, in words, of all cells of a call."""
        found = await asyncio.gather(*(self._cell(call, fault) for fault in faults))
        # Beside many others a call may be late. What is wrong with it is wrong when it is alone, too.
        again = [await self._cell(call, fault) for fault, some in zip(faults, found, strict=True) if some]
        return [complaint for some in again for complaint in some]

    async def _cell(self, call: OutsideCall, fault: Fault) -> list[str]:
        async with self._turns:
            ended = await self._meet(call, fault)
        wrong = _judged(call, fault, ended, self.outside.seconds)
        return [f"{call} / {fault}: {word} ({ended})" for word in wrong]

    async def _meet(self, call: OutsideCall, fault: Fault) -> Ended:
        ready, twin = await call.ready(self.outside), self.outside.twin
        aimed = await twin.fault(call.service, ready.operation, fault.kind, text=ready.texts, times=-1, **fault.more)
        began = time.monotonic()
        answer, error = await _made(ready)
        seconds = time.monotonic() - began
        requests = (await twin.get("requests", fault=aimed))["requests"]
        await twin.http.delete(f"/twin/faults/{aimed}")
        started = await ready.started() if ready.started else 0
        return Ended(answer, error, seconds, requests, started)


async def _made(ready: Ready) -> tuple[object, Exception | None]:
    try:
        return await ready.make(), None
    except Exception as error:  # any: what is no OutsideError is what we are here to find
        return None, error


def _judged(call: OutsideCall, fault: Fault, ended: Ended, seconds: float) -> Sequence[str]:
    wrong = [*_names(call, fault, ended), *_texts(ended)]
    if not ended.requests:
        wrong.append("the fault hit nothing")
    if len(ended.requests) > call.most:
        wrong.append(f"{len(ended.requests)} requests were sent")
    if ended.seconds > seconds * call.deadlines + SLACK:
        wrong.append(f"it took {ended.seconds:.1f} s")
    if isinstance(ended.error, Throttled) and not 0 <= (ended.error.retry_after or 0) <= LONGEST_WAIT:
        wrong.append(f"it would wait {ended.error.retry_after} s")
    return wrong


def _names(call: OutsideCall, fault: Fault, ended: Ended) -> Sequence[str]:
    if ended.error is not None and not isinstance(ended.error, OutsideError):
        return ["an error that has no name of ours"]
    if call.starts:
        return _starts(ended)
    # Without a token nothing was sent to anybody, whatever happened to the token.
    ends = (Unreachable, NotAllowed, Fine) if call.service == "identity" else fault.ends
    if 400 <= fault.more.get("status", 0) < 429:
        ends = (*ends, *call.refused)
    end = Fine if ended.error is None else type(ended.error)
    if any(issubclass(end, name) and (name is not OutsideError or end is not Unreachable) for name in ends):
        return []
    return [f"it ends with {end.__name__}, not {' or '.join(name.__name__ for name in ends)}"]


def _starts(ended: Ended) -> Sequence[str]:
    """What is said of a start must be true: at most one run, none when it is declined."""
    most = {Declined: 0, Running: 1, Unknown: 1}
    if not isinstance(ended.answer, Progress):
        return ["it ends with no progress"]
    if ended.started > most[type(ended.answer)]:
        return [f"{ended.started} runs were started"]
    return []


def _texts(ended: Ended) -> Sequence[str]:
    reason: str = getattr(ended.answer, "reason", "")
    text = reason if ended.error is None else str(ended.error)
    wrong = [f"it says {word!r}" for word in (*SOUP, *SECRETS) if word.lower() in text.lower()]
    return [*wrong, *(["it is too long"] if len(text) > LONGEST_TEXT else [])]
