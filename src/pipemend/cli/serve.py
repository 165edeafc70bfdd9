"""The server process: doors and worker in one event loop, or doors alone."""

import asyncio
import contextlib
import os
import signal
import socket
import threading
from collections.abc import Iterator
from functools import partial

import uvicorn

from pipemend.bootstrap import doors_alone, running
from pipemend.core.errors import SettingsError
from pipemend.flows.services import Services
from pipemend.settings import LOOPBACK, Settings
from pipemend.store import access, people
from pipemend.telemetry import set_up
from pipemend.web.app import create_app
from pipemend.web.connection import Connection
from pipemend.web.operations import Worker

IN_TIME = 9.0  # seconds from SIGTERM to the end; supervisors kill after ten


class Server(uvicorn.Server):
    """Leaves the signals to us, so that the worker drains before the process goes."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def run(host: str | None, port: int | None, *, works: bool) -> None:
    """Serves until Ctrl-C or SIGTERM; `works`: with a worker in the same process. Raises SettingsError."""
    os.umask(0o077)  # what we keep is for us alone
    settings = Settings.load()
    changes = {"pipemend_host": host, "pipemend_port": port}
    settings = settings.model_copy(update={name: value for name, value in changes.items() if value is not None})
    set_up(settings.log_format)
    with listening(settings.pipemend_host, settings.pipemend_port, "PIPEMEND_HOST, PIPEMEND_PORT") as door:
        asyncio.run(_serve(settings, door) if works else _serve_alone(settings, door))


def listening(host: str, port: int, named: str) -> socket.socket:
    """A socket that others can come to. Raises SettingsError, with what it is `named`, when it cannot be had."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SettingsError(f"{named}: cannot listen on {host}:{port} ({reason})") from None


async def _serve(settings: Settings, door: socket.socket) -> None:
    async with running(settings) as (services, worker):
        await _open(settings, services, worker, door)


async def _serve_alone(settings: Settings, door: socket.socket) -> None:
    async with doors_alone(settings) as services:
        await _open(settings, services, None, door)


async def _open(settings: Settings, services: Services, worker: Worker | None, door: socket.socket) -> None:
    await _refuse_open_doors(settings, services)
    server = Server(
        uvicorn.Config(
            create_app(services, settings, worker=worker),
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
    )
    until_told(server)
    address = f"http://{settings.pipemend_host}:{door.getsockname()[1]}"
    print(f"Pipemend listens on {address}", flush=True)
    await _invite(settings, services, address)
    await server.serve([door])


def until_told(server: Server) -> None:
    """Ctrl-C and SIGTERM let the server leave; the second time at once."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, _leave, server)


def leave_in_time() -> None:
    """What has not come to its end by then is cut off: it goes on in another process, or at the next start."""
    last = threading.Timer(IN_TIME, os._exit, (0,))
    last.daemon = True
    last.start()


def _leave(server: Server) -> None:
    leave_in_time()
    server.force_exit = server.should_exit
    server.should_exit = True


async def _refuse_open_doors(settings: Settings, services: Services) -> None:
    """As long as nobody can sign in only this machine may come in."""
    if settings.pipemend_host in LOOPBACK or await _somebody(settings, services):
        return
    raise SettingsError(
        f"PIPEMEND_HOST: {settings.pipemend_host} is open to others, and there is no API token and no user yet; "
        "make one with 'pipemend tokens add NAME --role admin' or 'pipemend users add NAME --role admin'"
    )


async def _somebody(settings: Settings, services: Services) -> bool:
    """Whether anybody can sign in."""
    if settings.oidc_issuer:
        return True
    return await services.database.read(lambda db: access.any_token(db) or people.anybody(db))


async def _invite(settings: Settings, services: Services, address: str) -> None:
    """While nobody can sign in: a link, good once, with which the first admin is made."""
    if await _somebody(settings, services):
        return
    link = await services.database.write(partial(people.make_link, name=None, now=services.clock.now()))
    where = f"{settings.public_url or address}/welcome?link={link}"
    print(f"Nobody can sign in yet. Make the first admin here, once, within 24 hours: {where}", flush=True)
