"""A clock that tests move."""

from datetime import UTC, datetime, timedelta

START = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)


class MovingClock:
    def __init__(self, at: datetime = START) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def move(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)
