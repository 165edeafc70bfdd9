"""A server to be measured, in a process of its own: Pipemend with its worker, and beside it the bare endpoint.

The bare endpoint keeps a body as raw text, durably, committed together with what waits: the least a door could do.
"""

import asyncio
import json
import queue
import resource
import sqlite3
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import psycopg
import sqlalchemy as sa
import uvicorn
from starlette.types import Receive, Scope, Send

from bench.figures import at
from bench.installation import at_work
from bench.invented import Invented
from pipemend.bootstrap import _calm_collector
from pipemend.settings import Settings
from pipemend.store.database import Database
from pipemend.store.schema import alerts, deliveries, tickets
from pipemend.web.app import create_app
from pipemend.web.connection import Connection

SECRET = "bench"
INSERT = "INSERT INTO bare (body) VALUES ({})"


class Bare:
    """Inserts texts. SQLite: one thread commits what waits, together; PostgreSQL: eight, and it groups by itself."""

    def __init__(self, url: str) -> None:
        self.sqlite = url.startswith("sqlite")
        if self.sqlite:
            self.waiting: queue.SimpleQueue[tuple[bytes, Future[None]]] = queue.SimpleQueue()
            threading.Thread(target=self._write, args=(url.removeprefix("sqlite:///"),), daemon=True).start()
        else:
            self.url = url.replace("+psycopg", "")
            self.mine = threading.local()
            with psycopg.connect(self.url, autocommit=True) as db:
                db.execute("CREATE TABLE IF NOT EXISTS bare (id SERIAL PRIMARY KEY, body TEXT)")
            self.threads = ThreadPoolExecutor(8)

    async def keep(self, body: bytes) -> None:
        if self.sqlite:
            done: Future[None] = Future()
            self.waiting.put((body, done))
            await asyncio.wrap_future(done)
        else:
            await asyncio.get_running_loop().run_in_executor(self.threads, self._insert, body)

    def _insert(self, body: bytes) -> None:
        if not hasattr(self.mine, "db"):
            self.mine.db = psycopg.connect(self.url, autocommit=True)
        self.mine.db.execute(INSERT.format("%s"), (body.decode(),))

    def _write(self, path: str) -> None:
        db = sqlite3.connect(path, isolation_level=None, timeout=30)
        db.execute("PRAGMA synchronous=FULL")
        db.execute("CREATE TABLE IF NOT EXISTS bare (id INTEGER PRIMARY KEY, body TEXT)")
        while True:
            batch = [self.waiting.get()]
            while len(batch) < 64 and not self.waiting.empty():
                batch.append(self.waiting.get())
            db.execute("BEGIN IMMEDIATE")
            for body, _ in batch:
                db.execute(INSERT.format("?"), (body.decode(),))
            db.execute("COMMIT")
            for _, done in batch:
                done.set_result(None)


class Server:
    def __init__(self, url: str, database: Database, platform: Invented, app: Any) -> None:
        self.database, self.platform, self.app = database, platform, app
        self.bare = Bare(url)
        self.lag: list[float] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if path == "/bare":
            await self.bare.keep((await receive())["body"])
            await answer(send, 202, b"{}")
        elif path == "/state":
            await answer(send, 200, json.dumps(await self.state(scope["query_string"] == b"1")).encode())
        else:
            await self.app(scope, receive, send)

    async def state(self, keep: bool) -> dict[str, Any]:
        """How it stands, and how late the loop was since the lags were last not kept."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        lag, self.lag = self.lag, self.lag if keep else []
        counted = await self.database.read(counts)
        return counted | {
            "cpu": used.ru_utime + used.ru_stime,
            "memory": memory(),
            "lag_p99": at(lag, 0.99),
            "lag_max": max(lag, default=0.0),
            "calls": dict(self.platform.calls),
        }

    async def watch(self) -> None:
        while True:
            asleep = time.perf_counter()
            await asyncio.sleep(0.005)
            self.lag.append(time.perf_counter() - asleep - 0.005)


def counts(db: sa.Connection) -> dict[str, int]:
    waiting = db.scalar(sa.select(sa.func.count()).where(alerts.c.state.in_(["new", "looking", "held"]))) or 0
    kept = db.scalar(sa.select(sa.func.count()).select_from(deliveries)) or 0
    return {"waiting": waiting, "deliveries": kept, "tickets": db.scalar(sa.select(sa.func.count(tickets.c.id))) or 0}


def memory() -> int:
    """Bytes that are held now."""
    with open("/proc/self/statm") as file:  # noqa: PTH123
        return int(file.read().split()[1]) * 4096


async def answer(send: Send, status: int, body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


async def serve(url: str, port: int, enabled: bool) -> None:
    database = Database(url)
    platform = Invented()
    async with at_work(database, platform, enabled=enabled) as services:
        settings = Settings.of({"AZURE_MONITOR_SECRET": SECRET})
        server = Server(url, database, platform, create_app(services, settings))
        watching = asyncio.create_task(server.watch())
        _calm_collector()
        config = uvicorn.Config(server, port=port, http=Connection, lifespan="off", access_log=False, log_config=None)
        await uvicorn.Server(config).serve()
        watching.cancel()
    database.close()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2]), sys.argv[3] == "enabled"))
