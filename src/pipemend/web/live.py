"""One reader of the events table for each process, and a socket for whoever wants to follow it."""

import asyncio
import json
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from itertools import takewhile
from typing import Any, TypeVar

import sqlalchemy as sa

from pipemend.core.clock import Clock, stamp
from pipemend.store import events as rows_of
from pipemend.store.database import Database
from pipemend.store.rows import Row
from pipemend.store.schema import events

ASK_EVERY = 0.1
CHUNK = 500
PATIENCE = 30  # seconds; then a gap was a rollback
T = TypeVar("T")
log = logging.getLogger(__name__)


class TooSlow(Exception):
    """A follower is further behind than we remember."""


@dataclass
class Reader:
    """Reads events in order and comes back for ids that were taken but not yet committed."""

    head: int = 0
    gaps: dict[int, float] = field(default_factory=dict)

    def begin(self, db: sa.Connection, now: float) -> None:
        """From here on; what is being committed at this moment counts as new."""
        last = db.scalars(sa.select(events.c.id).order_by(events.c.id.desc()).limit(CHUNK)).all()
        if last:
            self.head = last[0]
            self.gaps = dict.fromkeys(set(range(last[-1], last[0])) - set(last), now)

    def read(self, db: sa.Connection, now: float) -> Sequence[Row]:
        self.gaps = {number: since for number, since in self.gaps.items() if now - since < PATIENCE}
        wanted = events.c.id > self.head
        if self.gaps:
            wanted = sa.or_(wanted, events.c.id.in_(self.gaps))
        rows = db.execute(sa.select(events).where(wanted).order_by(events.c.id).limit(CHUNK)).all()
        for row in rows:
            self.gaps.pop(row.id, None)
            if row.id > self.head:
                self.gaps.update(dict.fromkeys(range(max(self.head + 1, row.id - CHUNK), row.id), now))
                self.head = row.id
        return rows

    def knew(self, event_id: int) -> bool:
        return event_id <= self.head and event_id not in self.gaps


# Some events, each with its id and the text that every socket gets.
Told = Sequence[tuple[int, str]]


@dataclass(frozen=True, slots=True)
class Batch:
    """What one look found."""

    number: int
    events: Told


class Live:
    """The short memory that every socket follows; a slow one costs nothing. Reads from the first follower on."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.database = database
        self.clock = clock
        self.batches: deque[Batch] = deque(maxlen=600)  # a minute at the least
        self.number = 0
        self.reader = Reader()
        self._changed = asyncio.Event()
        self._beginning = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="live")
        self._connection: sa.Connection | None = None

    async def follow(self, since: int | None) -> AsyncIterator[Told]:
        """Events as they were found together: those above `since`, then whatever comes. Raises TooSlow."""
        await self._begin()
        number, knew = self.number, Reader(self.reader.head, dict(self.reader.gaps)).knew
        told: set[int] = set()
        if since is not None:
            async for events in self._replay(since):
                told.update(
                    event_id for event_id, _ in events if not knew(event_id)
                )  # these will come again in a batch
                yield events
        while True:
            changed = self._changed  # taken before looking, so that no call is missed
            if self.batches and number + 1 < self.batches[0].number:
                raise TooSlow
            for batch in self._after(number):
                number = batch.number
                if told:
                    yield [event for event in batch.events if event[0] not in told]
                else:
                    yield batch.events
            await changed.wait()

    async def close(self) -> None:
        """Stops reading. Closing twice does no harm."""
        task, self._task = self._task, None
        if task:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        self._thread.shutdown()
        self._hang_up()

    def _after(self, number: int) -> Sequence[Batch]:
        return list(takewhile(lambda batch: batch.number > number, reversed(self.batches)))[::-1]

    async def _begin(self) -> None:
        async with self._beginning:
            if self._task is None:
                await self._ask(self.reader.begin)
                self._task = asyncio.create_task(self._run(), name="live")

    async def _run(self) -> None:
        while True:
            try:
                rows = await self._ask(self.reader.read)
            except Exception:
                log.warning("events cannot be read, trying again", exc_info=True)
                await asyncio.sleep(1)
                continue
            if rows:
                self._add(rows)
            if len(rows) < CHUNK:
                await asyncio.sleep(ASK_EVERY)

    def _add(self, rows: Sequence[Row]) -> None:
        self.number += 1
        self.batches.append(Batch(self.number, tuple((row.id, text_of(row)) for row in rows)))
        done, self._changed = self._changed, asyncio.Event()
        done.set()

    async def _replay(self, since: int) -> AsyncIterator[Told]:
        if self.database.several:
            moment = self.clock.now() - timedelta(seconds=PATIENCE)
            since = await self.database.read(partial(rows_of.first_recent, event_id=since, moment=moment)) - 1
        while True:
            rows = await self.database.read(partial(rows_of.since, event_id=since, limit=CHUNK))
            yield [(row.id, text_of(row)) for row in rows]
            if len(rows) < CHUNK:
                return
            since = rows[-1].id

    async def _ask(self, ask: Callable[[sa.Connection, float], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._asked, ask)

    def _asked(self, ask: Callable[[sa.Connection, float], T]) -> T:
        """One connection is held: it saves a third of the cost of asking ten times a second."""
        try:
            if self._connection is None:
                engine = self.database.engine.execution_options(isolation_level="AUTOCOMMIT")
                self._connection = engine.connect()
            return ask(self._connection, time.monotonic())
        except Exception:
            self._hang_up()
            raise

    def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sa.exc.SQLAlchemyError):
                connection.close()


def text_of(row: Row) -> str:
    """An event as it goes over the socket."""
    ticket = row.ticket_id or None  # a switch belongs to no ticket
    known: dict[str, Any] = {"id": row.id, "event": row.name, "ticket_id": ticket, "at": stamp(row.at)}
    return json.dumps({**row.data, **known}, ensure_ascii=False)
