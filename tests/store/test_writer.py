"""The writer's turns: what stands at a door goes first, and others are not starved."""

import asyncio
import threading
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa

from pipemend.store.database import Database


@pytest.fixture
def file(tmp_path: Path) -> Database:
    return Database(f"sqlite:///{tmp_path / 'pipemend.db'}")


async def test_what_is_urgent_overtakes_what_waits(file: Database) -> None:
    order: list[str] = []
    held = threading.Event()
    first = asyncio.create_task(file.write(lambda db: held.wait(5)))
    await asyncio.sleep(0.05)  # the writer is at work on it
    others = [asyncio.create_task(file.write(partial(_note, order, f"other {n}"))) for n in range(3)]
    await asyncio.sleep(0)
    urgent = asyncio.create_task(file.write_at_once(lambda db: order.append("urgent")))
    await asyncio.sleep(0)
    held.set()

    await asyncio.gather(first, urgent, *others)

    assert order == ["urgent", "other 0", "other 1", "other 2"]
    file.close()


def _note(order: list[str], what: str, db: sa.Connection) -> None:
    order.append(what)


async def test_a_constant_stream_of_urgent_units_starves_nobody(file: Database) -> None:
    done = asyncio.create_task(file.write(lambda db: "done"))
    while not done.done():
        await asyncio.gather(*(file.write_at_once(lambda db: None) for _ in range(100)))

    assert done.result() == "done"
    file.close()


async def test_a_unit_whose_caller_has_gone_is_not_written(file: Database) -> None:
    held = threading.Event()
    first = asyncio.create_task(file.write(lambda db: held.wait(5)))
    await asyncio.sleep(0.05)
    gone = asyncio.create_task(file.write(lambda db: db.execute(sa.text("CREATE TABLE gone (id INTEGER)"))))
    await asyncio.sleep(0.01)
    gone.cancel()
    held.set()
    await first

    assert "gone" not in await file.read(lambda db: sa.inspect(db).get_table_names())
    file.close()
