"""What an answer from outside means, in our own errors; and how often a call may be sent."""

import asyncio
import json
import math
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from hashlib import sha256
from typing import TypeVar

from pipemend.core.errors import (
    Missing,
    NoAnswer,
    NotAllowed,
    OutsideError,
    Refused,
    Throttled,
    Unreachable,
    Unreadable,
)
from pipemend.core.scrub import cut, scrub

T = TypeVar("T")
Sleep = Callable[[float], Awaitable[object]]

LONGEST_RETRY_AFTER = 60.0
LONGEST_PAUSE = 10.0
TRIES = 3
TITLE = re.compile(r"<title[^>]{0,200}>([^<]{1,500})", re.IGNORECASE)


def refusal(
    status: int,
    what: str,
    detail: str = "",
    *,
    retry_after: float | None = None,
    starts: bool = False,
) -> OutsideError:
    """The error for an answer that is no success. `starts`: the call starts something outside, so a server that
    broke down on the way may have started it. Gateways say 503 too where a line broke behind them, so that it is a
    plain "slow down" only with the time to wait."""
    said = told(what, f"answered {status}", detail)
    if status == 429 or (status == 503 and not (starts and retry_after is None)):
        return Throttled(said, retry_after=retry_after, status=status)
    if status in (401, 403):
        return NotAllowed(said, status=status)
    if status == 404:
        return Missing(said)
    if status == 408 or (status >= 500 and starts):
        return NoAnswer(said)
    if status >= 500:
        return OutsideError(said, transient=True, status=status)
    if status >= 400:
        return Refused(said, status=status)
    return Unreadable(said, status=status)


def told(what: str, happened: str, detail: str = "") -> str:
    """A sentence for people: who, what happened, and the outside's own words without its secrets."""
    detail = cut(scrub(" ".join(readable(detail).split())), 500)
    return f"{what} {happened}: {detail}" if detail else f"{what} {happened}"


def readable(text: str) -> str:
    """The text; of a web page no more than its title, of a JSON object the sentence that it brings."""
    text = text.lstrip("\ufeff \t\r\n")
    if text.startswith("<"):
        title = TITLE.search(text[:10_000])
        return f'a web page, "{title[1].strip()[:100]}"' if title else "a web page"
    return (_sentence(text) if text.startswith("{") else "") or text


def _sentence(text: str) -> str:
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    error = said.get("error")
    inner = error if isinstance(error, dict) else said
    found = (inner.get(name) for name in ("code", "message", "error_description", "detail"))
    return " ".join(word for word in found if isinstance(word, str)) or (error if isinstance(error, str) else "")


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds to wait, at most a minute, as the headers (names in small letters) ask for; None where they do not."""
    for name in ("retry-after-ms", "x-ms-retry-after-ms"):
        if (found := _number(headers.get(name, ""))) is not None:
            return _capped(found / 1000)
    said = headers.get("retry-after", "")
    if (found := _number(said)) is not None:
        return _capped(found)
    until = date(said)
    # The sender's own clock is the one its date was written by.
    start = date(headers.get("date", "")) or now or datetime.now(UTC)
    return _capped((until - start).total_seconds()) if until else None


def date(text: str) -> datetime | None:
    """Reads the date of a header."""
    try:
        read = parsedate_to_datetime(text)
        return read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _number(text: str) -> float | None:
    try:
        read = float(text)
    except ValueError:
        return None
    return read if math.isfinite(read) else None


def _capped(seconds: float) -> float:
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)


async def start_once(send: Callable[[], Awaitable[T]], sleep: Sleep = asyncio.sleep) -> T:
    """Sends a call that starts something, up to three times, and again only where provably nothing was started.

    That is: no connection, or a plain "slow down". Pauses of 2 and 4 seconds, or what `Retry-After` asks for, capped.
    """
    for number in range(1, TRIES):
        try:
            return await send()
        except (Unreachable, Throttled) as error:
            await sleep(_pause(error, 2.0**number))
    return await send()


def _pause(error: OutsideError, usual: float) -> float:
    asked = error.retry_after if isinstance(error, Throttled) else None
    return min(max(asked or 0.0, usual), LONGEST_PAUSE)


async def read_again(ask: Callable[[], Awaitable[T]], what: str, deadline: float, sleep: Sleep = asyncio.sleep) -> T:
    """Asks a question that changes nothing, up to three times, and ends within `deadline` seconds."""
    last: OutsideError | None = None
    try:
        async with asyncio.timeout(deadline) as limit:
            for number in range(1, TRIES):
                try:
                    return await ask()
                except OutsideError as error:
                    last = error
                    pause = _short_pause(error, number)
                    if not error.transient or _too_late(limit, pause):
                        raise
                    await sleep(pause)
            return await ask()
    except TimeoutError:
        raise last or NoAnswer(told(what, f"did not answer within {deadline:g} s")) from None


def _short_pause(error: OutsideError, number: int) -> float:
    asked = error.retry_after if isinstance(error, Throttled) else None
    return asked if asked is not None else 0.2 * 4 ** (number - 1)


def _too_late(limit: asyncio.Timeout, pause: float) -> bool:
    ends = limit.when()
    return ends is not None and asyncio.get_running_loop().time() + pause >= ends


def fingerprint(value: object) -> str:
    """The same for the same value, whatever order its names come in."""
    return sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
