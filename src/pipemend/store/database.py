"""One way to write for both databases: a unit is a plain function of a connection, durable when `write` returns."""

import asyncio
import contextlib
import fcntl
import time
from collections.abc import Iterator
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


class Database:
    """SQLite: one writer thread commits what waits, together. PostgreSQL: a few connections, one commit a unit."""

    def __init__(self, url: str, writers: int = 8, readers: int = 4) -> None:
        self.url = url
        self.several = not url.startswith("sqlite")
        self.engine = _engine(url, writers + readers)
        self.threads = ThreadPoolExecutor(writers + readers, thread_name_prefix="database")
        self.each_alone = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        if self.several:
            sa.event.listen(self.engine, "checkin", _rests)
            sa.event.listen(self.engine, "checkout", _lives)
        else:
            sa.event.listen(self.engine, "connect", _sqlite)
            self.writer = Writer(self.engine)
            self.writer.start()

    async def write(self, unit: Unit[T]) -> T:
        """Runs the unit in a transaction of its own and returns when it is on disk; an error undoes the unit alone."""
        if self.several:
            return await asyncio.get_running_loop().run_in_executor(self.threads, self._write_alone, unit)
        return await self.writer.write(unit, urgent=False)

    async def write_at_once(self, unit: Unit[T]) -> T:
        """The same, ahead of others, for a unit of a single statement, which on PostgreSQL needs nothing around it."""
        return await (self.read(unit) if self.several else self.writer.write(unit, urgent=True))

    async def read(self, ask: Unit[T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self.threads, self._read, ask)

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
    return sa.create_engine(url, pool_size=size, pool_timeout=5, connect_args={"connect_timeout": 3})


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


def transient(error: BaseException) -> bool:
    """Whether our own database may answer when asked again: a lost connection, a locked file."""
    return isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError | sa.exc.TimeoutError)
