"""Serving the twin so that faults reach the connection itself."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from .app import create_app
from .line import TRANSPORT
from .world import World

KEEP_ALIVE_SECONDS = 75


class NotListening(OSError):
    """The twin ended before it listened."""


class _ShowsTransport:
    """Puts the connection into the state of every request that comes over it."""

    app_state: dict[str, Any]

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.app_state = {**self.app_state, TRANSPORT: transport}
        super().connection_made(transport)  # type: ignore[misc]  # the protocol class comes after this one


Protocol: type[asyncio.Protocol] = type("Protocol", (_ShowsTransport, AutoHTTPProtocol), {})


class _Server(uvicorn.Server):
    """Tells its base URL once it listens."""

    def __init__(self, world: World, config: uvicorn.Config, ready: Callable[[str], None], *, signals: bool) -> None:
        super().__init__(config)
        self._ports = world.ports
        self._opening: set[asyncio.Task[None]] = set()
        self._ready = ready
        self._signals = signals

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.servers:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            base_url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
            self._ports.serve_with(host, base_url, self._listen_too)
            self._ready(base_url)

    def _listen_too(self, opened: socket.socket) -> None:
        """Serves the same world at one more port; who connects before that waits in the socket's queue."""
        opening = asyncio.get_running_loop().create_task(self._serve_port(opened))
        self._opening.add(opening)
        opening.add_done_callback(self._opening.discard)

    async def _serve_port(self, opened: socket.socket) -> None:
        def protocol() -> asyncio.Protocol:
            return Protocol(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)  # type: ignore[call-arg]

        self.servers.append(await asyncio.get_running_loop().create_server(protocol, sock=opened))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Hangs up first: whoever still waits for an answer gets none."""
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await asyncio.sleep(0.01)
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        if not self._signals:
            yield
            return
        with super().capture_signals():
            yield


def serve(
    host: str = "127.0.0.1", port: int = 0, ready: Callable[[str], None] | None = None, world: World | None = None
) -> None:
    """Serves until interrupted. `ready` hears the base URL; without it the URL is printed."""
    world = world or World()
    _Server(world, _config(world, host, port), ready or _announce, signals=True).run()


@asynccontextmanager
async def running(world: World | None = None, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serves inside the running event loop; yields the base URL."""
    listening: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    place = world or World()
    server = _Server(place, _config(place, host, port), listening.set_result, signals=False)
    serving = asyncio.create_task(server.serve())

    def give_up(_: asyncio.Task[None]) -> None:
        if not listening.done():
            listening.set_exception(NotListening())

    serving.add_done_callback(give_up)
    try:
        yield await listening
    finally:
        server.should_exit = True
        await serving


def _config(world: World, host: str, port: int) -> uvicorn.Config:
    return uvicorn.Config(
        create_app(world),
        host=host,
        port=port,
        http=Protocol,
        ws="websockets-sansio",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=2,
    )


def _announce(url: str) -> None:
    print(f"The twin is listening on {url} (see {url}/twin/)", flush=True)
