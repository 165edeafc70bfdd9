import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future

import httpx
import pytest

from pipemend.twin import running
from tests.twin.stage import Stage


@pytest.fixture(scope="session")
def twin() -> Iterator[str]:
    """One twin for all tests, in a thread of its own; each test resets it."""
    listening: Future[tuple[str, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def serve() -> None:
        stop = asyncio.Event()
        async with running() as base_url:
            listening.set_result((base_url, asyncio.get_running_loop(), stop))
            await stop.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    base_url, loop, stop = listening.result(timeout=10)
    yield base_url
    loop.call_soon_threadsafe(stop.set)
    thread.join()


@pytest.fixture
async def stage(twin: str) -> AsyncIterator[Stage]:
    async with httpx.AsyncClient(base_url=twin, trust_env=False, timeout=10) as http:
        stage = Stage(twin, http)
        await stage.post("reset")
        yield stage
