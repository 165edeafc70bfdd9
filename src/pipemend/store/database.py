"""One way to write for both databases: a unit is a plain function of a connection, durable when `write` returns."""

import asyncio
import contextlib
import fcntl
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import sqlalchemy as sa

from pipemend.core.errors import SettingsError

T = TypeVar("T")
Unit = Callable[[sa.Connection], T]


class Database:
    """SQLite: one writer thread commits what waits, together. PostgreSQL: a few connections, one commit a unit."""

    def __init__(self, url: str, writers: int = 8, readers: int = 4) -> None:
        self.url = url
        self.several = not url.startswith("sqlite")
        self.engine = _engine(url, writers + readers)
        self.threads = ThreadPoolExecutor(writers + readers, thread_name_prefix="database")
        if not self.several:
            sa.event.listen(self.engine, "connect", _sqlite)
            self.reading = self.engine.execution_options(isolation_level="AUTOCOMMIT")
            self.waiting: queue.SimpleQueue[tuple[Unit[Any], Future[Any]] | None] = queue.SimpleQueue()
            self.writer = threading.Thread(target=self._write_together, name="writer", daemon=True)
            self.writer.start()

    async def write(self, unit: Unit[T]) -> T:
        """Runs the unit in a transaction of its own and returns when it is on disk; an error undoes the unit alone."""
        if self.several:
            return await asyncio.get_running_loop().run_in_executor(self.threads, self._write_alone, unit)
        done: Future[T] = Future()
        self.waiting.put((unit, done))
        return await asyncio.wrap_future(done)

    async def read(self, ask: Unit[T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self.threads, self._read, ask)

    def close(self) -> None:
        if not self.several:
            self.waiting.put(None)
            self.writer.join()
        self.threads.shutdown()
        self.engine.dispose()

    def _read(self, ask: Unit[T]) -> T:
        with (self.engine if self.several else self.reading).connect() as db:
            return ask(db)

    def _write_alone(self, unit: Unit[T]) -> T:
        with self.engine.begin() as db:
            return unit(db)

    def _write_together(self) -> None:
        while batch := self._what_waits():
            try:
                with self.engine.connect() as db:
                    _commit(db, batch)
            except Exception as error:  # the writer outlives a database that could not be opened
                _refuse(batch, error)

    def _what_waits(self) -> list[tuple[Unit[Any], Future[Any]]]:
        """Waits for one unit and takes what else is there; empty means: closing."""
        batch = [self.waiting.get()]
        with contextlib.suppress(queue.Empty):
            while batch[-1] and len(batch) < 64:
                batch.append(self.waiting.get_nowait())
        if batch[-1] is None:
            self.waiting.put(batch.pop())
        return [entry for entry in batch if entry]


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
    return sa.create_engine(
        url, pool_size=size, pool_pre_ping=True, pool_timeout=5, connect_args={"connect_timeout": 3}
    )


def _commit(db: sa.Connection, batch: list[tuple[Unit[Any], Future[Any]]]) -> None:
    """Each unit stands or falls alone; nobody hears of success before the commit."""
    ended: list[tuple[Future[Any], Any, BaseException | None]] = []
    try:
        with db.begin():
            db.exec_driver_sql("BEGIN IMMEDIATE")
            for unit, done in batch:
                if not done.set_running_or_notify_cancel():
                    continue  # its caller has gone
                try:
                    with db.begin_nested():
                        ended.append((done, unit(db), None))
                except Exception as error:
                    ended.append((done, None, error))
    except Exception as error:
        _refuse(batch, error)
        return
    for done, answer, fault in ended:
        done.set_exception(fault) if fault else done.set_result(answer)


def _refuse(batch: list[tuple[Unit[Any], Future[Any]]], error: Exception) -> None:
    for _, done in batch:
        if not done.done() and (done.running() or done.set_running_or_notify_cancel()):
            done.set_exception(error)


def _sqlite(dbapi: Any, _: Any) -> None:
    dbapi.isolation_level = None  # we say BEGIN: otherwise each RELEASE of a savepoint is a commit of its own
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=2000", "foreign_keys=ON"):
        dbapi.execute(f"PRAGMA {pragma}")


def transient(error: BaseException) -> bool:
    """Whether our own database may answer when asked again: a lost connection, a locked file."""
    return isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError | sa.exc.TimeoutError)
