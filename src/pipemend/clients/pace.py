"""How fast one other side is asked, by all who ask it: so many calls a second, and silence when it asks for that."""

import asyncio

from pipemend.core.errors import Throttled

LONGEST_WAIT = 5.0  # half of what a question may take; and what was judged before a start must still be true


class Pace:
    """A budget of calls: a burst of `at_once`, then `per_second`. Nobody calls while the other side rests."""

    def __init__(self, what: str, *, per_second: float, at_once: int) -> None:
        self._what = what
        self._step = 1 / per_second
        self._slack = at_once * self._step
        self._free_at = 0.0
        self._rests_until = 0.0

    async def turn(self) -> None:
        """Waits for its turn. Raises Throttled at once where that would take longer than anybody may wait."""
        now = asyncio.get_running_loop().time()
        starts = max(self._free_at, now - self._slack)
        wait = max(starts, self._rests_until) - now
        if wait > LONGEST_WAIT:
            raise Throttled(f"{self._what} is asked too much already: its budget is used up", retry_after=wait)
        self._free_at = starts + self._step
        if wait > 0:
            await asyncio.sleep(wait)

    def rest(self, seconds: float) -> None:
        """Nobody asks for so long, because the other side said so."""
        self._rests_until = max(self._rests_until, asyncio.get_running_loop().time() + seconds)
