"""The durable engine under our own names. Nothing else imports dbos."""

import asyncio
import contextlib
import logging
import os
import secrets
import socket
import sqlite3
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from dbos import DBOS, DBOSClient, DBOSConfig, EnqueueOptions

from pipemend.core.clock import stamp
from pipemend.core.errors import OutsideError, SettingsError
from pipemend.store.database import Database, transient
from pipemend.store.leases import NOW, SILENCE
from pipemend.store.schema import workers

SHAPE = "flows-1"  # a constant, never the default hash of the sources: that strands every flow at an upgrade
QUEUE, BEAT, POISON = "pipemend", 1.0, 10
ALIVE, ENDED = ["PENDING", "ENQUEUED", "DELAYED"], ["SUCCESS", "ERROR", "CANCELLED"]
log = logging.getLogger(__name__)


def flow(name: str) -> Callable[[Any], Any]:
    """A durable flow: after a crash it goes on behind its last finished step. Its body only calls steps."""
    return DBOS.workflow(name=name, max_recovery_attempts=POISON)


def step(name: str, *, again: bool = False) -> Callable[[Any], Any]:
    """A step of a flow; it may run twice. `again`: a lost database and a read that failed are tried again.

    Never `again` for a step that starts something outside.
    """
    if not again:
        return DBOS.step(name=name)
    return DBOS.step(
        name=name, retries_allowed=True, interval_seconds=0.5, backoff_rate=2.0, max_attempts=8, should_retry=_may_pass
    )


def _may_pass(error: BaseException) -> bool:
    return transient(error) or (isinstance(error, OutsideError) and error.transient)


def living_flows(db: sa.Connection) -> frozenset[str]:
    """Keys of the flows that wait or run, by the engine's own table: for whoever only reads the database."""
    schema = "dbos" if db.dialect.name == "postgresql" else None
    if not sa.inspect(db).has_table("workflow_status", schema):
        return frozenset()
    flows = sa.table("workflow_status", sa.column("workflow_uuid"), sa.column("status"), schema=schema)
    return frozenset(db.scalars(sa.select(flows.c.workflow_uuid).where(flows.c.status.in_(ALIVE))))


class Engine:
    """Runs short flows. What a dead worker leaves behind, another one finishes."""

    def __init__(self, ours: Database, at_once: int = 32) -> None:
        self.ours, self.at_once = ours, at_once
        self.id = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}" if ours.several else "local"
        if not ours.several and sys.version_info >= (3, 12) and sqlite3.sqlite_version_info < (3, 42):
            raise SettingsError("DATABASE_URL: SQLite 3.42 or newer is needed on this Python; use PostgreSQL")
        self.client = DBOSClient(system_database_url=ours.url, application_name="pipemend", lazy=True)
        self.signs: list[asyncio.Task[None]] = []
        self.leaving = False
        self.patient_until = 0.0

    async def start(self, poll_seconds: float = 0.2) -> None:
        """Begins to work, flows of an earlier life first."""
        if self.ours.several:
            await self.ours.write(self._beat)  # alive before it can claim a flow
        DBOS(
            config=DBOSConfig(
                name="pipemend",
                system_database_url=self.ours.url,
                application_version=SHAPE,
                executor_id=self.id,
                sys_db_pool_size=8,
                max_executor_threads=32,
                use_listen_notify=False,
                log_level="WARNING",
                scheduler_polling_interval_sec=3600.0,
            )
        )
        DBOS.launch()  # inside the running loop, so that async flows share it
        await DBOS.register_queue_async(QUEUE, worker_concurrency=self.at_once, polling_interval_sec=poll_seconds)
        if self.ours.several:
            self.signs = [asyncio.create_task(self._live()), asyncio.create_task(_leave_when_frozen())]

    async def stop(self, patience: int = 5) -> None:
        """Claims nothing more and waits; what is still running then is resumed elsewhere, or at the next start."""
        self.leaving = True
        await asyncio.to_thread(DBOS.destroy, workflow_completion_timeout_sec=patience)
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor())  # the engine took the loop's and shut it
        for sign in self.signs:
            sign.cancel()
        if self.signs:
            with contextlib.suppress(sa.exc.SQLAlchemyError):  # a database that is away sees us fall silent
                await self.ours.write(lambda db: db.execute(workers.delete().where(workers.c.id == self.id)))
        self.close()

    def close(self) -> None:
        """For a process that only begins flows and never started to run them."""
        self.client.destroy()

    def begin(self, db: sa.Connection, name: str, key: str, *args: Any) -> None:
        """Starts the flow when `db` commits. The same key again is the same flow."""
        wish = EnqueueOptions(workflow_name=name, queue_name=QUEUE, workflow_id=key, app_version=SHAPE)
        self.client.enqueue_in_transaction(db, wish, *args)

    async def living(self, keys: Sequence[str]) -> set[str]:
        """Which of these flows are waiting or running."""
        if not keys:
            return set()
        found = await DBOS.list_workflows_async(
            workflow_ids=list(keys), status=list(ALIVE), load_input=False, load_output=False
        )
        return {status.workflow_id for status in found}

    async def forget(self, before: datetime) -> int:
        """Deletes flows that ended before, a thousand at most; how many."""
        old = await DBOS.list_workflows_async(
            completed_before=stamp(before), status=list(ENDED), limit=1000, load_input=False, load_output=False
        )
        if old:
            await DBOS.delete_workflows_async([status.workflow_id for status in old])
        return len(old)

    def trusts_silence(self) -> bool:
        """Whether a worker without a heartbeat is dead. After a database that was away the others beat first."""
        return time.monotonic() > self.patient_until and not self.leaving

    async def _live(self) -> None:
        while True:
            await asyncio.sleep(BEAT)
            try:
                async with asyncio.timeout(SILENCE / 2):
                    await self.ours.write(self._beat)
                if self.trusts_silence():
                    await self._adopt()
            except Exception as error:
                log.warning("heartbeat missed, trying again", extra={"error": type(error).__name__})
                self.patient_until = time.monotonic() + SILENCE

    def _beat(self, db: sa.Connection) -> None:
        if not db.execute(workers.update().where(workers.c.id == self.id).values(beat_at=NOW)).rowcount:
            db.execute(workers.insert().values(id=self.id, beat_at=NOW))

    async def _adopt(self) -> None:
        running = await DBOS.list_workflows_async(status="PENDING", load_input=False, load_output=False)
        alive = await self.ours.read(
            lambda db: set(db.scalars(sa.select(workers.c.id).where(workers.c.beat_at > NOW - SILENCE)))
        )
        if gone := sorted({f.executor_id for f in running if f.executor_id} - alive):
            log.warning("taking over from %s", gone)
            await asyncio.to_thread(DBOS._recover_pending_workflows, gone)  # guarded by executor id: all may call it


async def _leave_when_frozen() -> None:
    """Ends a process that slept while others took its flows: step bodies that they repeat must not go on here."""
    while True:
        asleep = time.monotonic()
        await asyncio.sleep(BEAT)
        if time.monotonic() - asleep > SILENCE:
            log.critical("frozen for longer than the lease: others run our flows, leaving")
            os._exit(70)  # the supervisor starts a fresh worker
