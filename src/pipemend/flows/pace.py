"""Pace: how fast one notifier is told, and how long it is left alone after a failure."""

from datetime import datetime, timedelta

from pipemend.core.ports import Limits

PROBES = 4  # tickets that are tried at once while a notifier seems to be away; one of them may be at fault itself
SLOWEST = 60.0  # seconds between tries


class Pace:
    """Of one notifier in this process. A restart loses no message, only the pause; each worker keeps its own."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.tokens = float(limits.burst)
        self.filled_at: datetime | None = None
        self.failures = 0
        self.quiet_until: datetime | None = None

    def room(self, now: datetime, busy: int) -> int:
        """How many more messages may be sent now, beside those that are on their way."""
        if self.quiet_until is not None and now < self.quiet_until:
            return 0
        if self.filled_at is not None:
            passed = max(0.0, (now - self.filled_at).total_seconds())
            self.tokens = min(self.limits.burst, self.tokens + passed * self.limits.per_second)
        self.filled_at = now
        at_once = min(PROBES, self.limits.at_once) if self.failures else self.limits.at_once
        return max(0, min(at_once - busy, int(self.tokens)))

    def spend(self, messages: int) -> None:
        self.tokens -= messages

    def heard(self) -> None:
        """It answers."""
        self.failures = 0

    def silent(self, now: datetime) -> None:
        """It does not answer: what failed together counts once."""
        if self.quiet_until is None or now >= self.quiet_until:
            self.failures += 1
            self.quiet_until = now + timedelta(seconds=min(2.0 ** min(self.failures, 10), SLOWEST))

    def throttled(self, now: datetime, seconds: float) -> None:
        """It asked for a pause."""
        self.tokens = min(self.tokens, 1.0)
        wanted = now + timedelta(seconds=seconds)
        self.quiet_until = max(self.quiet_until or wanted, wanted)
