"""The server process: doors and worker in one event loop."""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Iterator

import uvicorn

from pipemend.bootstrap import running
from pipemend.core.errors import SettingsError
from pipemend.flows.services import Services
from pipemend.settings import LOOPBACK, Settings
from pipemend.store import access
from pipemend.telemetry import set_up
from pipemend.web.app import create_app
from pipemend.web.connection import Connection


class Server(uvicorn.Server):
    """Leaves the signals to us, so that the worker drains before the process goes."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def run(host: str | None, port: int | None) -> None:
    """Serves until Ctrl-C or SIGTERM. Raises SettingsError."""
    os.umask(0o077)  # what we keep is for us alone
    settings = Settings.load()
    changes = {"pipemend_host": host, "pipemend_port": port}
    settings = settings.model_copy(update={name: value for name, value in changes.items() if value is not None})
    set_up(settings.log_format)
    with _listening(settings.pipemend_host, settings.pipemend_port) as door:
        asyncio.run(_serve(settings, door))


def _listening(host: str, port: int) -> socket.socket:
    """The socket people come to. Raises SettingsError when it cannot be had."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SettingsError(f"PIPEMEND_HOST, PIPEMEND_PORT: cannot listen on {host}:{port} ({reason})") from None


async def _serve(settings: Settings, door: socket.socket) -> None:
    async with running(settings) as (services, worker):
        await _refuse_open_doors(settings, services)
        app = create_app(services, settings, worker=worker)
        config = uvicorn.Config(
            app,
            host=settings.pipemend_host,
            port=settings.pipemend_port,
            access_log=False,  # ours leaves secrets out
            log_config=None,
            http=Connection,
            ws="websockets-sansio",
            ws_max_size=65536,
            ws_per_message_deflate=False,
            server_header=False,
            timeout_graceful_shutdown=3,
        )
        server = Server(config)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, _leave, server)
        print(f"Pipemend listens on http://{settings.pipemend_host}:{door.getsockname()[1]}", flush=True)
        await server.serve([door])


def _leave(server: Server) -> None:
    server.force_exit = server.should_exit  # the second time at once
    server.should_exit = True


async def _refuse_open_doors(settings: Settings, services: Services) -> None:
    """Without any API token only this machine may come in."""
    if settings.pipemend_host in LOOPBACK or await services.database.read(access.any_token):
        return
    raise SettingsError(
        f"PIPEMEND_HOST: {settings.pipemend_host} is open to others, and there is no API token yet; "
        "make one with 'pipemend tokens add NAME --role admin'"
    )
