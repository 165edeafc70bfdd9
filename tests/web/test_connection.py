"""What a sender may not do to a connection: begin without end."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI, Request

from pipemend.web import connection
from tests.web.serving import serving

CHUNK = b"10000\r\n" + b"a" * 0x10000 + b"\r\n"
PATIENCE = 20


@pytest.fixture
async def address() -> AsyncIterator[str]:
    app = FastAPI()

    @app.get("/")
    async def greet() -> str:
        return "hello"

    @app.post("/refused", status_code=413)
    async def refuse() -> None:
        return None

    @app.post("/kept")
    async def keep(request: Request) -> int:
        return len(await request.body())

    async with serving(app) as found:
        yield found


async def sent(address: str, *parts: bytes) -> bytes:
    """What comes back until the server closes."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        async with asyncio.timeout(PATIENCE):
            for part in parts:
                writer.write(part)
                await writer.drain()
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def test_a_head_that_does_not_come_to_its_end_is_not_waited_for(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.2)

    assert await sent(address, b"GET / HTTP/1.1\r\nHost: x\r\n") == b""
    assert await sent(address) == b""


async def test_a_head_without_end_is_not_read(address: str) -> None:
    assert await sent(address, b"GET / HTTP/1.1\r\nX: ", *[b"a" * 0x10000] * 400) == b""
    assert await sent(address, b"GET /", *[b"a" * 0x10000] * 400) == b""


async def test_a_body_without_end_is_not_read_on_behind_its_answer(address: str) -> None:
    head = b"POST /refused HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"

    answer = await sent(address, head, *[CHUNK] * 1000)

    assert answer == b"" or answer.startswith(b"HTTP/1.1 413")


async def test_a_body_may_be_slower_and_longer_than_a_head(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.2)
    monkeypatch.setattr(connection, "HEAD_LIMIT", 1000)
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /kept HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 4000\r\n\r\n" + b"a" * 2000)
    await asyncio.sleep(0.5)
    writer.write(b"a" * 2000)

    assert (await reader.read()).endswith(b"4000")
    writer.close()


async def test_one_connection_takes_many_requests_at_once(address: str) -> None:
    last = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

    answer = await sent(address, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 50 + last)

    assert answer.count(b"HTTP/1.1 200") == 51
