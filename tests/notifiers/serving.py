"""A vendor of our own making behind a real port: what goes wrong between two machines can go wrong here."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse, Response


@dataclass(frozen=True)
class Trouble:
    """What happens to the next calls that `what` is a part of; `after`: the work is done all the same."""

    what: str
    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    hangs: bool = False
    after: bool = False
    times: int = 1

    async def answer(self) -> Response:
        if self.hangs:
            await asyncio.sleep(3)
        if isinstance(self.body, str):
            return Response(self.body, self.status, self.headers, media_type="text/html")
        return JSONResponse(self.body, self.status, self.headers)


class Vendor:
    """Counts calls and makes trouble on demand; what it is asked to do is `work`."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self._troubles: list[Trouble] = []
        self._left: list[int] = []

    def trouble(self, what: str, **how: Any) -> None:
        self._troubles.append(Trouble(what, **how))
        self._left.append(self._troubles[-1].times)

    def no_more_trouble(self) -> None:
        self._troubles.clear()
        self._left.clear()

    def called(self, what: str) -> int:
        return sum(what in call for call in self.calls)

    async def handle(self, request: Request) -> Response:
        name = f"{request.method} {request.url.path}"
        self.calls.append(name)
        trouble = self._strike(name)
        if trouble and not trouble.after:
            return await trouble.answer()
        done = await self.work(request)
        return await trouble.answer() if trouble else done

    async def work(self, request: Request) -> Response:
        raise NotImplementedError

    def _strike(self, name: str) -> Trouble | None:
        for at, trouble in enumerate(self._troubles):
            if trouble.what in name and self._left[at]:
                self._left[at] -= 1
                return trouble
        return None


@asynccontextmanager
async def serving(app: Any, **more: Any) -> AsyncIterator[str]:
    """Serves inside the running loop; gives the base address."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", ws="none", lifespan="off", **more))
    running = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = server.force_exit = True
        await running
