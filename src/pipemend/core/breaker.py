"""A circuit breaker for each error type and action, worked out from how its repairs have ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerPolicy:
    """It opens when `failures` of the last `outcomes` within `window` have failed, and stays open for `open_for`."""

    failures: int = 8
    outcomes: int = 10
    window: timedelta = timedelta(hours=1)
    open_for: timedelta = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a repair ended, by the work's own end: a person who cancelled one says nothing about its kind."""

    at: datetime
    succeeded: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """It has opened. Until then nothing of its kind is started, after that one at a time; a success closes it."""

    failed: int
    of: int
    until: datetime
    probing: bool = False  # one of its kind is under way

    def open_at(self, now: datetime) -> bool:
        return now < self.until

    def state(self, now: datetime) -> str:
        return "open" if self.open_at(now) else "half_open"


def breaker(outcomes: Sequence[Outcome], policy: BreakerPolicy) -> Breaker | None:
    """What outcomes of one kind, the oldest first and all within the window, have made of it; None: it is closed."""
    found: Breaker | None = None
    recent: list[Outcome] = []
    for outcome in outcomes:
        if found is not None and outcome.succeeded:
            found, recent = None, []
            continue
        recent = [*recent, outcome][-policy.outcomes :]
        failed = sum(not one.succeeded for one in recent)
        if found is not None or failed >= policy.failures:
            found = Breaker(failed=failed, of=len(recent), until=outcome.at + policy.open_for)
    return found
