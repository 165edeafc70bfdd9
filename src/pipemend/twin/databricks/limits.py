"""Rate limits: so many requests a second of each kind, counted per workspace."""

import time
from collections import defaultdict, deque
from collections.abc import Mapping

ALL = "*"


class Meter:
    """Counts the requests of the last second."""

    def __init__(self) -> None:
        self._times: dict[str, deque[float]] = defaultdict(deque)

    def allows(self, operation: str, limits: Mapping[str, float]) -> bool:
        """Whether this request is within the limits; one that is not does not count."""
        at = time.monotonic()
        asked = [name for name in (operation, ALL) if name in limits]
        if any(not self._room(name, limits[name], at) for name in asked):
            return False
        for name in asked:
            self._times[name].append(at)
        return True

    def _room(self, name: str, limit: float, at: float) -> bool:
        times = self._times[name]
        while times and times[0] <= at - 1:
            times.popleft()
        return len(times) < limit
