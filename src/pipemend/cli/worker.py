"""The worker process: the same worker as in the server, without doors."""

import asyncio
import os
import signal
import socket

import uvicorn

from pipemend.bootstrap import only_on_postgresql, running
from pipemend.cli.serve import Server, leave_in_time, listening, until_told
from pipemend.settings import Settings
from pipemend.telemetry import set_up
from pipemend.web.app import health_app


def run(health_port: int | None) -> None:
    """Works until Ctrl-C or SIGTERM. Raises SettingsError."""
    os.umask(0o077)  # what we keep is for us alone
    settings = Settings.load()
    set_up(settings.log_format)
    only_on_postgresql(settings, "pipemend worker")
    if health_port is None:
        asyncio.run(_work(settings))
        return
    with listening("127.0.0.1", health_port, "--health-port") as door:
        asyncio.run(_work_and_tell(settings, door))


async def _work(settings: Settings) -> None:
    async with running(settings):
        told = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, told.set)
        print("Pipemend works", flush=True)
        await told.wait()
        leave_in_time()


async def _work_and_tell(settings: Settings, door: socket.socket) -> None:
    async with running(settings) as (services, worker):
        app = health_app(services, worker)
        server = Server(uvicorn.Config(app, access_log=False, log_config=None, ws="none", server_header=False))
        until_told(server)
        print(f"Pipemend works, and tells how it is on http://127.0.0.1:{door.getsockname()[1]}/readyz", flush=True)
        await server.serve([door])
