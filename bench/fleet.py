"""Many jobs fail at once in five workspaces: all get tickets, no workspace is asked too much, nothing starts twice."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
import sqlalchemy as sa

from bench.alone import alone
from bench.figures import Figure
from bench.installation import at_work
from bench.place import opened, place
from bench.size import Size
from pipemend.clients.http import Http
from pipemend.core.clock import WallClock
from pipemend.core.run import Resource
from pipemend.flows.services import Services
from pipemend.platforms.databricks import Databricks
from pipemend.platforms.databricks.client import PER_SECOND, PersonalToken, Workspace
from pipemend.store.schema import tickets
from pipemend.twin import running
from pipemend.twin.world import World

WORKSPACES, FAILURES, WATCH, PATIENCE = 5, 200, 5.0, 500.0
WINDOW = 10  # seconds: on a busy machine calls that leave evenly arrive unevenly
LIMIT = 3 * PER_SECOND  # calls a second, all together, that a workspace takes


@dataclass(frozen=True, slots=True)
class Seen:
    ticketed: float
    healed: float
    tickets: int
    calls: int
    busiest: int  # calls to one workspace within the window
    refused: int
    doubled: int


def fleet(kind: str, size: Size) -> Iterator[Figure]:
    number = min(size.many, FAILURES)
    with place(kind) as url:
        seen = alone(fail, url, number)
    yield Figure(f"{number} jobs fail at once in {WORKSPACES} workspaces: tickets", str(seen.tickets), str(number),
                 seen.tickets == number)  # fmt: skip
    yield Figure("  all ticketed after, all healed after", f"{seen.ticketed:.0f} s, {seen.healed:.0f} s")
    most = int(PER_SECOND * WINDOW) + 2
    what = f"  calls to the busiest workspace within any {WINDOW} s"
    yield Figure(what, str(seen.busiest), str(most), seen.busiest <= most)
    yield Figure("  calls for each failure, watching included", f"{seen.calls / number:.1f}")
    yield Figure("  refused for coming too fast", str(seen.refused), "0", seen.refused == 0)
    yield Figure("  doubled starts", str(seen.doubled), "0", seen.doubled == 0)


async def fail(url: str, number: int) -> Seen:
    world = World()
    async with (
        running(world) as base,
        httpx.AsyncClient(base_url=f"{base}/twin/databricks", trust_env=False, timeout=30) as control,
    ):
        names = [f"ws-{n}" for n in range(WORKSPACES)]
        places = [await _made(control, name) for name in names]
        platform = Databricks(places, WallClock())
        with opened(url) as database:
            async with at_work(database, platform, watch=WATCH) as services:
                begun = time.monotonic()
                for n in range(number):
                    await _fails(control, names[n % WORKSPACES], f"load-{n}")
                ticketed = await _until(services, number, tickets.c.id.is_not(None)) - begun
                healed = await _until(services, number, tickets.c.tab == "closed") - begun
                many = sa.select(sa.func.count()).select_from(tickets)
                count = await database.read(lambda db: db.scalar(many) or 0)
        await platform.close()
        asked = world.journal.listed("databricks")
        repairs = Counter(
            act["run_id"] for name in names for act in world.databricks.workspaces[name].acts if act["act"] == "repair"
        )
    return Seen(
        ticketed=ticketed,
        healed=healed,
        tickets=count,
        calls=len(asked),
        busiest=max(_busiest([entry for entry in asked if entry["workspace"] == name]) for name in names),
        refused=sum(entry["status"] == 429 for entry in asked),
        doubled=sum(repairs.values()) - len(repairs),
    )


async def _made(control: httpx.AsyncClient, name: str) -> Workspace:
    """A workspace that refuses what comes too fast."""
    told = (await control.put(f"/{name}", json={"limits": {"*": LIMIT}})).raise_for_status().json()
    host = told["url"].removeprefix("http://")
    return Workspace(Resource("databricks", host, name), told["url"], Http(), PersonalToken(told["tokens"][0]))


async def _fails(control: httpx.AsyncClient, workspace: str, job: str) -> None:
    plan = {"outcomes": ["GatewayTimeout", "Succeeded"], "duration": 0.05}
    (await control.put(f"/{workspace}/jobs/{job}", json=plan)).raise_for_status()
    (await control.post(f"/{workspace}/jobs/{job}/trigger", json={"by": "schedule"})).raise_for_status()


async def _until(services: Services, number: int, holds: sa.ColumnElement[bool]) -> float:
    """When so many tickets were as they should be."""
    wish, begun = sa.select(sa.func.count()).where(holds), time.monotonic()
    while (await services.database.read(lambda db: db.scalar(wish)) or 0) < number:
        if time.monotonic() - begun > PATIENCE:
            raise TimeoutError(f"not {number} within {PATIENCE:.0f} s")
        await asyncio.sleep(0.2)
    return time.monotonic()


def _busiest(entries: list[Mapping[str, Any]]) -> int:
    """The most calls within any window."""
    times = sorted(datetime.fromisoformat(str(entry["time"])[:26] + "+00:00").timestamp() for entry in entries)
    first, most = 0, 0
    for last, at in enumerate(times):
        while times[first] <= at - WINDOW:
            first += 1
        most = max(most, last - first + 1)
    return most
