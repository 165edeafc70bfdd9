"""A webhook of a product: it remembers what came, and answers what it is told."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


class QuietServer(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@dataclass
class Door:
    url: str = ""
    came: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    async def __call__(self, request: Request) -> Response:
        self.came.append(await request.json())
        self.raw.append(await request.body())
        self.headers.append(dict(request.headers))
        return Response(status_code=self.answers.pop(0) if self.answers else 202)


@asynccontextmanager
async def standing() -> AsyncIterator[Door]:
    door = Door()
    app = Starlette(routes=[Route("/{path:path}", door.__call__, methods=["POST"])])
    server = QuietServer(uvicorn.Config(app, port=0, log_level="critical"))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    door.url = f"http://127.0.0.1:{port}/hook"
    yield door
    server.should_exit = True
    await serving
