"""Everything that goes wrong outside, with the errors by which it may be called."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

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


class Fine:
    """The call gives an answer: nothing that it needs was spoiled."""


Name = type[OutsideError] | type[Fine]


@dataclass(frozen=True)
class Fault:
    """A fault of the twin, and what a call that meets it may end with."""

    name: str
    kind: str
    ends: Sequence[Name]
    more: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


def status(number: int, *ends: Name, **headers: str) -> Fault:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    words = " ".join(f"{name}={value}" for name, value in named.items())
    return Fault(f"{number} {words}".strip(), "status", ends, {"status": number, "headers": named})


def after(number: int, *ends: Name) -> Fault:
    return Fault(f"{number} after the work", "status_after", ends, {"status": number})


def page(number: int, *ends: Name) -> Fault:
    return Fault(f"a page with {number}", "html", ends, {"status": number})


SOON = format_datetime(datetime.now(UTC) + timedelta(seconds=40), usegmt=True)
ODD = (Unreadable, Fine)
NEEDED = [
    *("access_token", "expires_on", "value", "runId", "run_id", "ok", "ts", "channel", "messages", "key", "id"),
    *(
        "issues",
        "comments",
        "fields",
        "statusCategory",
        "transitions",
        "candidates",
        "parts",
        "text",
        "choices",
        "message",
        "content",
    ),
]
FAULTS = (
    Fault("silence before the work", "timeout_before", (NoAnswer,)),
    Fault("silence after the work", "timeout_after", (NoAnswer,)),
    Fault("a body that drips", "slow_drip", (NoAnswer,), {"seconds": 600}),
    Fault("a head that drips", "slow_head", (NoAnswer,), {"seconds": 600}),
    Fault("dropped before the work", "drop_before", (NoAnswer,)),
    Fault("dropped after the work", "drop_after", (NoAnswer,)),
    Fault("half closed", "half_close", (NoAnswer, Fine), {"seconds": 0.2}),
    Fault("cut short", "wrong_length", (NoAnswer, Fine)),
    Fault("reset", "reset", (NoAnswer, Fine)),
    Fault("an endless body", "huge", (Unreadable,), {"megabytes": 50}),
    Fault("a gzip bomb", "gzip_bomb", (Unreadable,), {"megabytes": 50}),
    Fault("a page after the work", "html_after", ODD),
    Fault("a page instead", "html", ODD),
    Fault("nothing", "empty_after", ODD),
    Fault("nothing instead", "empty", ODD),
    Fault("garbage", "garbage", ODD),
    Fault("an unknown word", "unknown_status", ODD),
    Fault("fields missing", "fields_missing", ODD),
    Fault("fields null", "fields_null", ODD),
    Fault("more fields", "fields_extra", (Fine,)),
    Fault("fields of other types", "fields_wrong", ODD),
    Fault("what we need missing", "fields_missing", ODD, {"fields": NEEDED}),
    Fault("what we need null", "fields_null", ODD, {"fields": NEEDED}),
    Fault("what we need of another type", "fields_wrong", ODD, {"fields": NEEDED}),
    status(302, Unreadable, Refused, Fine, Location="/twin/"),
    status(400, Refused),
    status(401, NotAllowed),
    status(403, NotAllowed),
    status(404, Missing, Fine),
    status(409, Refused, OutsideError),
    status(429, Throttled),
    status(429, Throttled, Retry_After="2"),
    status(429, Throttled, Retry_After="1e9"),
    status(429, Throttled, Retry_After="-3"),
    status(429, Throttled, Retry_After="soon"),
    status(429, Throttled, Retry_After=SOON),
    status(500, OutsideError),
    status(502, OutsideError),
    status(503, Throttled, OutsideError),
    status(503, Throttled, OutsideError, Retry_After="2"),
    status(504, OutsideError),
    after(500, OutsideError),
    after(502, OutsideError),
    after(503, Throttled, OutsideError),
    after(504, OutsideError),
    page(401, NotAllowed),
    page(502, OutsideError),
)
NOTHING_SENT = (Unreachable, NotAllowed)
