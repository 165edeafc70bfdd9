"""The worker process: the same worker as in the server, without doors."""

import asyncio
import os
import signal
import socket
from collections.abc import Mapping
from contextlib import ExitStack

import uvicorn

from pipemend.bootstrap import only_on_postgresql, running
from pipemend.cli.serve import Server, leave_in_time, listening
from pipemend.flows.services import Services
from pipemend.settings import Settings
from pipemend.telemetry import set_up
from pipemend.web.app import health_app, metrics_app
from pipemend.web.operations import Worker

Pages = Mapping[str, socket.socket]  # where each is to be shown, by its path


def run(health_port: int | None) -> None:
    """Works until Ctrl-C or SIGTERM. Raises SettingsError."""
    os.umask(0o077)  # what we keep is for us alone
    settings = Settings.load()
    set_up(settings.log_format)
    only_on_postgresql(settings, "pipemend worker")
    with ExitStack() as held:
        pages: dict[str, socket.socket] = {}
        if health_port is not None:
            pages["/readyz"] = held.enter_context(listening("127.0.0.1", health_port, "--health-port"))
        if settings.metrics_port is not None:
            named = "METRICS_HOST, METRICS_PORT"
            pages["/metrics"] = held.enter_context(listening(settings.metrics_host, settings.metrics_port, named))
        asyncio.run(_work(settings, pages))


async def _work(settings: Settings, pages: Pages) -> None:
    async with running(settings) as (services, worker):
        told = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, told.set)
        servers = [(_server(path, services, worker), door) for path, door in pages.items()]
        shown = [asyncio.create_task(server.serve([door])) for server, door in servers]
        print(
            " ".join(["Pipemend works", *(f"http://{_address(door)}{path}" for path, door in pages.items())]),
            flush=True,
        )
        await told.wait()
        leave_in_time()
        for server, _ in servers:
            server.should_exit = True
        await asyncio.gather(*shown)


def _server(path: str, services: Services, worker: Worker) -> Server:
    app = metrics_app(services) if path == "/metrics" else health_app(services, worker)
    return Server(uvicorn.Config(app, access_log=False, log_config=None, ws="none", server_header=False))


def _address(door: socket.socket) -> str:
    host, port = door.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
