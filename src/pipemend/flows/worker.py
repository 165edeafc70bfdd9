"""The worker: one loop for each kind of due work, so that a slow one holds up none of the others."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial

from pipemend.core.ports import Listens
from pipemend.flows import announcements, bell, due, feed, heartbeat, intake, masked, reconsider, storms, upkeep
from pipemend.flows.presses import Presses
from pipemend.flows.services import Services
from pipemend.store import leases, schema, switches
from pipemend.store.database import transient

log = logging.getLogger(__name__)
Work = Callable[[Services], Awaitable[object]]
TICK, SILENCE = 1.0, 120.0  # seconds between looks; seconds after which a loop counts as standing still
LISTEN_AGAIN = 5.0
UNHURRIED = ("takeover", "upkeep")  # no wake-up makes these more urgent
HELD = {  # what a loop leases for a turn, and not from one turn to the next
    "intake": schema.alerts,
    "tickets": schema.tickets,
    "attempts": schema.attempts,
    "feeds": schema.feeds,
    "masked": schema.masked_failures,
    "upkeep": schema.leases,
}


class Worker:
    """Does what is due until it is stopped."""

    def __init__(self, s: Services, tick: float = TICK) -> None:
        self.s, self.tick = s, tick
        self.loops: list[asyncio.Task[None]] = []
        self.reading: set[asyncio.Task[None]] = set()
        self.seen: dict[str, float] = {}
        self.tellers = [announcements.Teller(s, name) for name in s.notifiers]
        self.let_go: dict[str, Callable[..., int]] = {
            **{kind: partial(leases.release_own, table=table, owner=s.worker) for kind, table in HELD.items()},
            **{f"telling {teller.name}": teller.let_go for teller in self.tellers},
        }

    async def start(self) -> None:
        await feed.begin(self.s)
        await self._look_again()
        kinds: dict[str, tuple[Work, float]] = {
            "intake": (intake.take_due, self.tick),
            "tickets": (reconsider.take_due, self.tick),
            "attempts": (due.take_due, self.tick),
            "feeds": (self._read_feeds, min(self.tick, self.s.policy.watch_interval.total_seconds() / 2)),
            "storms": (storms.take_due, self.tick),
            "masked": (masked.take_due, self.tick),
            "takeover": (upkeep.take_over, self.tick),
            "upkeep": (self._look_after, 60.0),
            **{f"telling {teller.name}": (_tells(teller), self.tick) for teller in self.tellers},
        }
        self.seen = dict.fromkeys(kinds, time.monotonic())  # a loop that never gets going stands still too
        self.loops = [asyncio.create_task(self._run(n, w, e), name=n) for n, (w, e) in kinds.items()]
        self.loops += [
            asyncio.create_task(self._listen(name, notifier), name=f"hearing {name}")
            for name, notifier in self.s.notifiers.items()
            if isinstance(notifier, Listens)
        ]
        if self.s.database.several:  # there may be doors in other processes
            self.loops.append(asyncio.create_task(bell.listen(self.s.database, self.s.wake), name="bell"))

    async def stop(self) -> None:
        """Begins nothing more; leases run out by themselves."""
        for loop in (*self.loops, *self.reading):
            loop.cancel()
        await asyncio.gather(*self.loops, *self.reading, return_exceptions=True)
        for teller in self.tellers:
            await teller.stop()

    def healthy(self) -> str | None:
        """Nothing, or why the worker stands still."""
        now = time.monotonic()
        slow = [name for name, at in self.seen.items() if now - at > SILENCE]
        return f"standing still: {', '.join(slow)}" if slow else None

    async def _look_again(self) -> None:
        """Playbooks and settings may have changed: what was put off until some day is judged by them now."""
        now = self.s.clock.now()
        await self.s.database.write(lambda db: switches.look_again(db, now))

    async def _read_feeds(self, s: Services) -> None:
        """Each feed apart: one that answers slowly holds up none of the others."""
        for row in await feed.claim(s):
            reading = asyncio.create_task(feed.read(s, row), name=f"feed {row.resource}")
            self.reading.add(reading)
            reading.add_done_callback(self._was_read)

    def _was_read(self, reading: asyncio.Task[None]) -> None:
        """What a reading could not save is read again when its lease ends, or is let go."""
        self.reading.discard(reading)
        if not reading.cancelled() and (error := reading.exception()):
            log.error("a reading stumbled", exc_info=error, extra={"reading": reading.get_name()})

    async def _look_after(self, s: Services) -> None:
        await upkeep.look_after(s)
        await heartbeat.beat(s, self.healthy())

    async def _run(self, name: str, work: Work, every: float) -> None:
        heard = self.s.database.silences
        while True:
            if name not in UNHURRIED:
                await self.s.flood.over()
            mark = self.s.wake.mark()
            try:
                if heard != (silences := self.s.database.silences):
                    await self._let_go(name)
                    heard = silences
                await work(self.s)
                self.seen[name] = time.monotonic()
            except Exception as error:
                if transient(error):
                    log.warning("the database did not answer", extra={"loop": name, "error": type(error).__name__})
                else:
                    log.exception("a loop stumbled", extra={"loop": name})
                await asyncio.sleep(min(every, 5.0))
            if name in UNHURRIED:
                await asyncio.sleep(every)
            else:
                await self.s.wake.wait(mark, every)

    async def _listen(self, name: str, notifier: Listens) -> None:
        """People's presses, as long as the worker works."""
        presses = Presses(self.s)
        while True:
            try:
                return await notifier.listen(presses.take)
            except Exception:
                log.exception("listening stumbled", extra={"notifier": name})
                await asyncio.sleep(LISTEN_AGAIN)

    async def _let_go(self, name: str) -> None:
        """The database was away: what is leased since then is due at once, and not when its lease has run out."""
        if release := self.let_go.get(name):
            now = self.s.clock.now()
            await self.s.database.write(lambda db: release(db, now=now))


def _tells(teller: announcements.Teller) -> Work:
    return lambda _: teller.take_due()
