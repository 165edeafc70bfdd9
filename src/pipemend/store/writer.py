"""The one thread that writes to a SQLite file: it commits what waits together, and what is urgent first."""

import asyncio
import contextlib
import queue
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any, NamedTuple, TypeVar

import sqlalchemy as sa

T = TypeVar("T")
Unit = Callable[[sa.Connection], T]
TOGETHER = 64  # units in one commit
SECONDS = 0.01  # so long a commit takes up others once it holds an urgent unit: somebody waits at a door for its end


class Waiting(NamedTuple):
    unit: Unit[Any]
    done: "asyncio.Future[Any]"
    urgent: bool


_Ended = tuple["asyncio.Future[Any]", Any, Exception | None]


class Writer(threading.Thread):
    """Each unit stands or falls alone; nobody hears of success before the commit."""

    def __init__(self, engine: sa.Engine) -> None:
        super().__init__(name="writer", daemon=True)
        self.engine = engine
        self.arriving: queue.SimpleQueue[Waiting | None] = queue.SimpleQueue()
        self.urgent, self.others = deque[Waiting](), deque[Waiting]()
        self.closing = False

    async def write(self, unit: Unit[T], *, urgent: bool) -> T:
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self.arriving.put(Waiting(unit, done, urgent))
        return await done

    def close(self) -> None:
        """Writes what waits, and ends."""
        self.arriving.put(None)
        self.join()

    def run(self) -> None:
        while self._waits():
            taken: list[Waiting] = []
            try:
                with self.engine.connect() as db:
                    ended = self._commit(db, taken)
            except Exception as error:  # the writer outlives a database that could not be opened, or is full
                refused = taken or list(self._some())
                ended = [(waiting.done, None, error) for waiting in refused]
            _tell(ended)

    def _commit(self, db: sa.Connection, taken: list[Waiting]) -> list[_Ended]:
        ended: list[_Ended] = []
        with db.begin():
            db.exec_driver_sql("BEGIN IMMEDIATE")
            for waiting in self._some():
                taken.append(waiting)
                if not waiting.done.cancelled():  # else its caller has gone
                    ended.append((waiting.done, *_alone(db, waiting.unit)))
        return ended

    def _waits(self) -> bool:
        """Blocks until something is to be written; False when no more will come."""
        if not (self.urgent or self.others or self.closing):
            self._sort(self.arriving.get())
        self._sort_all()
        return bool(self.urgent or self.others or not self.closing)

    def _some(self) -> Iterator[Waiting]:
        """Units of one commit: urgent ones, also those that come meanwhile, at least one other, more while time is."""
        others, until = 0, float("inf")
        for left in range(TOGETHER, 0, -1):
            self._sort_all()
            starved = self.others and not others and left == 1
            if self.urgent and not starved:
                until = min(until, time.monotonic() + SECONDS)
                yield self.urgent.popleft()
            elif self.others and (not others or time.monotonic() < until):
                others += 1
                yield self.others.popleft()
            else:
                return

    def _sort_all(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._sort(self.arriving.get_nowait())

    def _sort(self, waiting: Waiting | None) -> None:
        if waiting is None:
            self.closing = True
        else:
            (self.urgent if waiting.urgent else self.others).append(waiting)


def _alone(db: sa.Connection, unit: Unit[T]) -> tuple[T | None, Exception | None]:
    """What became of the unit; one that fails leaves nothing. Savepoints are said to the driver: it costs a tenth."""
    say = db.connection.cursor().execute
    try:
        say("SAVEPOINT unit")
        try:
            answer = unit(db)
        except Exception as error:
            say("ROLLBACK TO unit")
            say("RELEASE unit")
            return None, error
        say("RELEASE unit")
    except sqlite3.Error as error:
        raise sa.exc.OperationalError("a savepoint", {}, error) from error
    return answer, None


def _tell(ended: list[_Ended]) -> None:
    """Hands the answers to their callers, all of a loop at once: waking it is dear."""
    for loop, theirs in groupby(ended, key=lambda one: one[0].get_loop()):
        with contextlib.suppress(RuntimeError):  # the loop has been closed meanwhile
            loop.call_soon_threadsafe(_settle, list(theirs))


def _settle(ended: list[_Ended]) -> None:
    for done, answer, fault in ended:
        if not done.done():
            done.set_exception(fault) if fault else done.set_result(answer)
