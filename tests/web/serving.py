"""A real server on a free port, for what needs one: sockets, half bodies, browsers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI

from pipemend.web.connection import Connection


@asynccontextmanager
async def serving(app: FastAPI, port: int = 0) -> AsyncIterator[str]:
    """The address of the application, `host:port`, while the block runs."""
    config = uvicorn.Config(
        app,
        port=port,
        http=Connection,
        ws="websockets-sansio",
        access_log=False,
        log_config=None,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    work = asyncio.create_task(server._serve())  # `serve` would take over the signals of the test run
    while not server.started:
        await asyncio.sleep(0.01)
        if work.done():
            work.result()
    host, port, *_ = server.servers[0].sockets[0].getsockname()
    try:
        yield f"{host}:{port}"
    finally:
        server.should_exit = True
        await work
