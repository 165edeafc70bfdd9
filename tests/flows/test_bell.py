"""Somebody rings in one process, and a worker of another wakes."""

import asyncio
import contextlib

import pytest

from pipemend.flows.bell import Bell, listen
from pipemend.flows.services import Wake
from pipemend.store.database import Database


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_ring_wakes_who_listens(database: Database) -> None:
    bell, wake = Bell(database), Wake()
    ear = asyncio.create_task(listen(database, wake))
    try:
        mark = wake.mark()
        async with asyncio.timeout(10):
            while not mark.is_set():  # it begins to listen when it has its connection
                bell.set()
                await wake.wait(mark, 0.1)
    finally:
        ear.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await ear
