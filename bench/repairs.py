"""From an alert to the playbook's call, to the rerun's end, to the closed ticket and whoever watches."""

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from bench.alone import alone
from bench.figures import Figure, at, ms
from bench.installation import at_work
from bench.invented import Invented
from bench.place import opened, place
from bench.size import Size
from pipemend.core.alert import Alert
from pipemend.core.clock import WallClock
from pipemend.flows.services import Services
from pipemend.store import alerts as kept
from pipemend.store.schema import tickets
from pipemend.web.live import Live

EVERY = 0.05  # seconds between alerts: 20 a second
WATCH = 0.5


def reaction(kind: str, size: Size) -> Iterator[Figure]:
    with place(kind) as url:
        seen = alone(react, url, max(int(size.seconds * 4 / EVERY), 3))
    p50, p99 = at(seen.to_call, 0.5), at(seen.to_call, 0.99)
    yield Figure("alert to the playbook's call at 20/s, p50", ms(p50), "300 ms", p50 <= 0.3)
    yield Figure("  p99", ms(p99), "800 ms", p99 <= 0.8)
    late = at(seen.to_close, 0.99)
    yield Figure(f"rerun's end to the closed ticket, watched every {WATCH} s, p99", ms(late), "1500 ms", late <= 1.5)
    heard = at(seen.to_page, 0.95)
    yield Figure("an event to whoever follows, p95", ms(heard), "300 ms", heard <= 0.3)


def repairs(kind: str, size: Size) -> Iterator[Figure]:
    with place(kind) as url:
        rate, cpu = alone(mend, url, size.repairs)
    yield Figure("whole repairs a second", f"{rate:.0f}", "25, aim 60", rate >= 25)
    yield Figure("  our time of a core for each, whatever else runs here", ms(cpu))


@dataclass(frozen=True, slots=True)
class Seen:
    to_call: list[float]
    to_close: list[float]
    to_page: list[float]


async def react(url: str, number: int) -> Seen:
    with opened(url) as database:
        platform = Invented(rerun_seconds=0.2)
        async with at_work(database, platform, watch=WATCH) as services:
            live, heard = Live(database, WallClock()), list[float]()
            page = asyncio.create_task(_follow(live, heard))
            told = {}
            for n in range(number):
                told[f"run-{n}"] = await _hear(services, platform, n)
                await asyncio.sleep(EVERY)
            await _all_closed(services, number)
            closed = await database.read(
                lambda db: db.execute(sa.select(tickets.c.root_run_id, tickets.c.ack_ts)).all()
            )
            page.cancel()
            await live.close()
    to_call = [(platform.started_at[run] - begun).total_seconds() for run, begun in told.items()]
    ended = {root: platform.runs[f"{root}-again-1"].ended_at for root, _ in closed}
    to_close = [(ack - end).total_seconds() for root, ack in closed if ack and (end := ended[root])]
    return Seen(to_call, to_close, heard)


async def mend(url: str, number: int) -> tuple[float, float]:
    """Repairs a second, and seconds of a core for each."""
    with opened(url) as database:
        platform = Invented(rerun_seconds=0.0)
        async with at_work(database, platform, watch=WATCH) as services:
            begun, used = time.monotonic(), time.process_time()
            for n in range(number):
                await _hear(services, platform, n)
            await _all_closed(services, number)
            return number / (time.monotonic() - begun), (time.process_time() - used) / number


async def _hear(services: Services, platform: Invented, n: int) -> datetime:
    where = platform.connections[0]
    alert = Alert(platform=platform.name, resource=where.id, pipeline=f"load-{n}", run_id=f"run-{n}")
    now = services.clock.now()
    await services.database.write_at_once(lambda db: kept.insert(db, alert, now))
    services.wake.set()
    return now


async def _all_closed(services: Services, number: int) -> None:
    wish = sa.select(sa.func.count()).where(tickets.c.tab == "closed")
    begun = time.monotonic()
    while (await services.database.read(lambda db: db.scalar(wish)) or 0) < number:
        if time.monotonic() - begun > 300:
            raise TimeoutError(f"{number} tickets were not closed within 300 s")
        await asyncio.sleep(0.1)


async def _follow(live: Live, heard: list[float]) -> None:
    """How long after it was saved each event was heard."""
    async for events in live.follow(None):
        for _, text in events:
            said = datetime.fromisoformat(json.loads(text)["at"])
            heard.append((WallClock().now() - said).total_seconds())
