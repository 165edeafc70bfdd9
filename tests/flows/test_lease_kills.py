"""We die at any moment of repairs that borrow a cluster: it is enlarged once, given back, and a person's word holds."""

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa

from pipemend.analyzers.rules import Rules
from pipemend.platforms.databricks import client
from pipemend.store import leases, schema
from pipemend.store.database import Database
from tests.flows.test_databricks import Workspace
from tests.flows.test_scaling import BOOKS, MEMORY, cluster
from tests.platforms.tiny_databricks import TinyDatabricks, connected

SMALL, LARGE, PERSONS = "Standard_D4s_v3", "Standard_D8s_v3", "Standard_E8s_v3"
ROUNDS = 80  # of half a minute, so long may a repair take with all deaths


class Killed(BaseException):
    """Nothing of ours goes on; what was committed or asked for outside stays."""


class Life:
    """Ends before or after any unit that is saved and any request that acts. Until the next start nothing is done."""

    def __init__(self, deaths: int) -> None:
        self.left, self.over, self.chance = deaths, False, random.Random(7)

    def mortal(self, work: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def works(*given: Any, **more: Any) -> Any:
            self._may_end()
            answer = await work(*given, **more)
            self._may_end()
            return answer

        return works

    def _may_end(self) -> None:
        if not self.over and self.left and self.chance.random() < 0.04:
            self.over, self.left = True, self.left - 1
        if self.over:
            raise Killed


@pytest.fixture
async def world(database: Database) -> AsyncIterator[Workspace]:
    made = Workspace(database)
    made.tiny = TinyDatabricks()
    made.tiny.clusters["c-1"] = {"cluster_id": "c-1", "state": "RUNNING", "start_time": 1, "num_workers": 4}
    async with connected(made.tiny, clock=made.clock) as dbx:
        made.services.platforms = {"databricks": dbx}
        made.services.analyzer, made.services.playbooks = Rules(), BOOKS
        await made.begin()
        yield made


@pytest.mark.parametrize("deaths", [12, pytest.param(100, marks=pytest.mark.soak)])
async def test_whenever_we_die_everything_borrowed_is_given_back(
    world: Workspace, monkeypatch: pytest.MonkeyPatch, deaths: int
) -> None:
    life, jobs, healed = Life(deaths), 0, 0
    monkeypatch.setattr(world.database, "write", life.mortal(world.database.write))
    monkeypatch.setattr(client.Workspace, "_start", life.mortal(client.Workspace._start))
    while life.left:
        jobs += 1
        cluster(world).update(node_type_id=SMALL, driver_node_type_id=SMALL, state="RUNNING")
        before = len(world.tiny.sent("clusters/edit"))
        run_id = world.fails(f"load-{jobs}", MEMORY, job_id=jobs)
        world.tiny.runs[run_id]["tasks"][0]["existing_cluster_id"] = "c-1"
        persons_at = await _until_it_is_over(world, life, run_id)
        asked = [edit["node_type_id"] for edit in world.tiny.sent("clusters/edit")[before:]]
        if persons_at is None:
            assert (cluster(world)["node_type_id"], asked) in ((SMALL, []), (SMALL, [LARGE, SMALL]))
        else:
            assert (cluster(world)["node_type_id"], cluster(world)["num_workers"]) == (PERSONS, 4)
            assert asked[persons_at - before :] == []
        healed += world.tiny.runs[run_id]["state"].get("result_state") == "SUCCESS"
        assert len(world.tiny.sent("jobs/runs/repair")) <= jobs
        assert await world.broken() == set()
    assert healed


async def _until_it_is_over(world: Workspace, life: Life, run_id: int) -> int | None:
    """How much had been asked for when a person changed the cluster, if one did while we were dead."""
    persons_at = None
    for _ in range(ROUNDS):
        with suppress(Killed):
            if life.over:
                life.over = False
                await world.database.write(partial(leases.release_all, now=world.clock.now()))
            await world.after(31, step=31)
            await world.upkeep()
        if life.over and persons_at is None and life.chance.random() < 0.2:
            cluster(world).update(node_type_id=PERSONS, driver_node_type_id=PERSONS)
            persons_at = len(world.tiny.sent("clusters/edit"))
        _goes_on(world, run_id)
        if await _ended(world):
            return persons_at
    raise AssertionError("it is not over")


def _goes_on(world: Workspace, run_id: int) -> None:
    """What goes on outside, whether we live or not."""
    if cluster(world)["state"] in ("RESTARTING", "RESIZING"):
        world.tiny.comes_up("c-1")
    if not world.tiny.runs[run_id]["end_time"]:
        world.ends(run_id, "SUCCESS")


async def _ended(world: Workspace) -> bool:
    """Whether the latest ticket is decided, and nobody has borrowed anything."""
    kept = await world.database.read(lambda db: db.scalar(sa.select(sa.func.count()).select_from(schema.leases)))
    tried = [await world.attempts(ticket.id) for ticket in await world.tickets()]
    return not kept and len(tried) == len(world.tiny.runs) and all(a and a[-1].status.ended for a in tried)
