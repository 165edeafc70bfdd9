"""One way to write for both databases: a unit is a plain function of a connection, durable when `write` returns."""

import asyncio
import contextlib
import fcntl
import time
from collections.abc import Awaitable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import psycopg
import sqlalchemy as sa

from pipemend.core.errors import SettingsError
from pipemend.store.writer import Unit, Writer

T = TypeVar("T")
REST = 1.0  # seconds after which a connection is asked whether it still lives
# A server that is gone without a word is noticed within 20 s; else a connection would wait for it a quarter of an hour.
NOTICED = {
    "connect_timeout": 3,
    "tcp_user_timeout": 15_000,
    "keepalives_idle": 5,
    "keepalives_interval": 5,
    "keepalives_count": 2,
}
FRESH = 5.0  # seconds for which a write that failed says something about the next


class Database:
    """SQLite: one writer thread commits what waits, together. PostgreSQL: a few connections, one commit a unit."""

    def __init__(self, url: str, writers: int = 8, readers: int = 4) -> None:
        self.url = url
        self.several = not url.startswith("sqlite")
        self.engine = _engine(url, writers + readers)
        self.threads = ThreadPoolExecutor(writers + readers, thread_name_prefix="database")
        self.each_alone = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self.failed_at: float | None = None  # the last write, if the database did not take it
        self.silences = 0  # how often the database did not answer: whoever sees it grow may have missed something
        if self.several:
            sa.event.listen(self.engine, "connect", _postgresql)
            sa.event.listen(self.engine, "checkin", _rests)
            sa.event.listen(self.engine, "checkout", _lives)
        else:
            sa.event.listen(self.engine, "connect", _sqlite)
            self.writer = Writer(self.engine)
            self.writer.start()

    async def write(self, unit: Unit[T]) -> T:
        """Runs the unit in a transaction of its own and returns when it is on disk; an error undoes the unit alone."""
        if self.several:
            loop = asyncio.get_running_loop()
            return await self._noted(loop.run_in_executor(self.threads, self._write_alone, unit))
        return await self._noted(self.writer.write(unit, urgent=False))

    async def write_at_once(self, unit: Unit[T]) -> T:
        """The same, ahead of others, for a unit of a single statement, which on PostgreSQL needs nothing around it."""
        return await self._noted(self.read(unit) if self.several else self.writer.write(unit, urgent=True))

    async def _noted(self, writing: Awaitable[T]) -> T:
        try:
            answer = await self._counted(writing)
        except sa.exc.SQLAlchemyError as error:
            self.failed_at = time.monotonic() if transient(error) else None
            raise
        self.failed_at = None
        return answer

    async def _counted(self, asking: Awaitable[T]) -> T:
        try:
            return await asking
        except sa.exc.SQLAlchemyError as error:
            self.silences += transient(error)
            raise

    def takes_writes(self) -> bool:
        """False while the last write failed, a moment ago: locked by another process, or the disk is full."""
        return self.failed_at is None or time.monotonic() - self.failed_at > FRESH

    async def read(self, ask: Unit[T]) -> T:
        return await self._counted(asyncio.get_running_loop().run_in_executor(self.threads, self._read, ask))

    def close(self) -> None:
        if not self.several:
            self.writer.close()
        self.threads.shutdown()
        self.engine.dispose()

    def _read(self, ask: Unit[T]) -> T:
        with self.each_alone.connect() as db:
            return ask(db)

    def _write_alone(self, unit: Unit[T]) -> T:
        with self.engine.begin() as db:
            return unit(db)


@contextlib.contextmanager
def reading_alone(url: str) -> Iterator[sa.Connection]:
    """One look at the whole database as it is now, beside whoever uses it. Nothing can be written."""
    file = url.removeprefix("sqlite:///")
    engine = sa.create_engine(url if file == url else f"sqlite:///file:{quote(file)}?mode=ro&uri=true")
    try:
        with engine.connect() as db:
            if db.dialect.name == "postgresql":
                db.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            else:
                db.exec_driver_sql("BEGIN")
            yield db
    finally:
        engine.dispose()


class FileLock:
    """Holds the SQLite file for one process. Raises SettingsError when another one has it."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.file = path.open("a")
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.file.close()
            raise SettingsError(
                f"{path}: another Pipemend uses this data folder; for several processes use PostgreSQL (DATABASE_URL)"
            ) from None

    def release(self) -> None:
        self.file.close()


def _engine(url: str, size: int) -> sa.Engine:
    if url.startswith("sqlite"):
        return sa.create_engine(url, pool_size=size, connect_args={"check_same_thread": False})
    return sa.create_engine(url, pool_size=size, pool_timeout=5, connect_args=NOTICED)


def _rests(_: Any, record: Any) -> None:
    record.info["since"] = time.monotonic()


def _lives(dbapi: Any, record: Any, _: Any) -> None:
    """A connection that has rested is asked whether it still lives, and replaced if not; asking always is dear."""
    if time.monotonic() - record.info.get("since", time.monotonic()) < REST:
        return
    try:
        dbapi.execute("SELECT 1")
        dbapi.rollback()
    except psycopg.Error as error:
        raise sa.exc.DisconnectionError from error


def _sqlite(dbapi: Any, _: Any) -> None:
    dbapi.isolation_level = None  # we say BEGIN: otherwise each RELEASE of a savepoint is a commit of its own
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=2000", "foreign_keys=ON"):
        dbapi.execute(f"PRAGMA {pragma}")


def _postgresql(dbapi: Any, _: Any) -> None:
    """A worker that freezes within a transaction must not hold its rows for ever."""
    dbapi.execute("SET idle_in_transaction_session_timeout = '10s'")
    dbapi.commit()


def transient(error: BaseException) -> bool:
    """Whether our own database may answer when asked again: a lost connection, a locked file, a full disk.

    PostgreSQL's class 54 is no such case: what is too large for it now is too large for ever.
    """
    if isinstance(error, sa.exc.DBAPIError) and str(getattr(error.orig, "sqlstate", "")).startswith("54"):
        return False
    return isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError | sa.exc.TimeoutError)
