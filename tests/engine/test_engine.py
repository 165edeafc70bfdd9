"""The promise of the engine, kept by the real one and by the fake that the flow tests use."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from pipemend.engine import Engine, flow, step
from pipemend.flows.services import Begins
from pipemend.store.database import Database
from tests.fakes.engine import TableEngine

heard: list[str] = []
KEYS = ("key-1", "key-2")


@step("test.hear")
async def hear(word: str) -> None:
    heard.append(word)


@flow("test.said")
async def said(word: str) -> None:
    await hear(word)


async def plain(word: str) -> None:
    heard.append(word)


@dataclass
class Bench:
    engine: Begins
    run: Callable[[], Awaitable[object]]


@pytest.fixture(params=["real", "fake"])
async def bench(request: pytest.FixtureRequest, database: Database) -> AsyncIterator[Bench]:
    heard.clear()
    if request.param == "fake":
        fake = TableEngine(database, {"test.said": plain})
        yield Bench(fake, fake.run_all)
        return
    real = Engine(database)
    await real.start(poll_seconds=0.005)
    yield Bench(real, lambda: _ended(real))
    await real.stop(patience=0)


async def _ended(engine: Engine) -> None:
    """Waits until a flow has spoken and its end is recorded, which comes after its last step."""
    async with asyncio.timeout(20):
        while not heard or await engine.living(KEYS):
            await asyncio.sleep(0.02)
    await asyncio.sleep(0.1)  # what would come twice has come by now


class Undone(Exception):
    pass


async def test_a_flow_begins_when_its_unit_commits(bench: Bench, database: Database) -> None:
    await database.write(lambda db: bench.engine.begin(db, "test.said", "key-1", "hello"))
    await bench.run()
    assert heard == ["hello"]


async def test_a_unit_that_is_undone_begins_nothing(bench: Bench, database: Database) -> None:
    def unit(db: sa.Connection) -> None:
        bench.engine.begin(db, "test.said", "key-1", "never")
        raise Undone

    with pytest.raises(Undone):
        await database.write(unit)
    await database.write(lambda db: bench.engine.begin(db, "test.said", "key-2", "hello"))
    await bench.run()
    assert heard == ["hello"]


async def test_the_same_key_is_the_same_flow_also_after_its_end(bench: Bench, database: Database) -> None:
    for _ in range(2):
        await asyncio.gather(
            *(database.write(lambda db: bench.engine.begin(db, "test.said", "key-1", "once")) for _ in range(5))
        )
        await bench.run()
    assert heard == ["once"]


async def test_it_knows_which_flows_live(bench: Bench, database: Database) -> None:
    await database.write(lambda db: bench.engine.begin(db, "test.said", "key-1", "hello"))
    await bench.run()
    assert await bench.engine.living(KEYS) == set()
    assert await bench.engine.living([]) == set()


async def test_old_flows_are_forgotten(database: Database) -> None:
    heard.clear()
    engine = Engine(database)
    await engine.start(poll_seconds=0.005)
    try:
        await database.write(lambda db: engine.begin(db, "test.said", "key-1", "hello"))
        await _ended(engine)
        assert await engine.forget(datetime.now(UTC) - timedelta(days=1)) == 0
        assert await engine.forget(datetime.now(UTC) + timedelta(days=1)) == 1
    finally:
        await engine.stop(patience=0)
