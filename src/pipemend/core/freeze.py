"""Freeze windows: times at which nothing may be started, by the clock of a place."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)
MOST_IN_A_ROW = 40  # windows that touch one another are one; what never ends is looked at again after so many


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Begins on each day that is among `days` (0 is Monday) and within `dates`; None: every day.

    It lasts from `begins` to `ends`, which is on the day after where it is not later than the beginning. In the nights
    when clocks change it is never shorter than its words.
    """

    days: frozenset[int] | None = None
    dates: tuple[tuple[date, date], ...] | None = None
    begins: time = time(0)
    ends: time = time(0)
    zone: ZoneInfo

    def end_at(self, now: datetime) -> datetime | None:
        """When the window that covers this moment ends, if one does."""
        today = now.astimezone(self.zone).date()
        for day in (today - DAY, today, today + DAY):
            if self._holds_on(day):
                begin, end = self._span(day)
                if begin <= now < end:
                    return end
        return None

    def _holds_on(self, day: date) -> bool:
        if self.days is not None and day.weekday() not in self.days:
            return False
        return self.dates is None or any(first <= day <= last for first, last in self.dates)

    def _span(self, day: date) -> tuple[datetime, datetime]:
        last = day if self.ends > self.begins else day + DAY
        return min(self._instants(day, self.begins)), max(self._instants(last, self.ends))

    def _instants(self, day: date, at: time) -> Iterator[datetime]:
        """What the clock's word may mean: two instants where it comes twice, or never."""
        for fold in (0, 1):
            yield datetime.combine(day, at, self.zone).replace(fold=fold).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Frozen:
    """Nothing may be started until then."""

    until: datetime
    zone: ZoneInfo

    def __str__(self) -> str:
        return f"{self.until.astimezone(self.zone):%Y-%m-%d %H:%M} {self.zone.key}"


def frozen(windows: Sequence[Window], now: datetime) -> Frozen | None:
    """Whether any of the windows covers this moment, and until when; those that overlap or touch count as one."""
    found: Frozen | None = None
    for _ in range(MOST_IN_A_ROW):
        moment = found.until if found else now
        ends = [(end, window) for window in windows if (end := window.end_at(moment)) is not None]
        if not ends:
            return found
        end, window = max(ends, key=lambda one: one[0])
        found = Frozen(end, window.zone)
    return found
