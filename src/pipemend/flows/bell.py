"""The bell: doors without a worker wake the workers of other processes, on PostgreSQL.

It only saves time. Workers look once a second anyway, so a ring that nobody hears costs a second and nothing else.
"""

import asyncio
import logging

import psycopg
import sqlalchemy as sa

from pipemend.flows.services import Wake
from pipemend.store.database import Database

AGAIN = 5.0  # seconds until a listener that was cut off comes back
log = logging.getLogger(__name__)


class Bell(Wake):
    """Rings after something has become due; many calls at once are one ring, or two."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.database = database
        self.called = False
        self.ringing: asyncio.Task[None] | None = None

    def set(self) -> None:
        super().set()
        self.called = True
        if self.ringing is None or self.ringing.done():
            self.ringing = asyncio.create_task(self._ring())

    async def _ring(self) -> None:
        while self.called:
            self.called = False
            try:
                # A transaction of its own: commits that notify wait for one another, and deliveries must not.
                await self.database.write(lambda db: db.exec_driver_sql("NOTIFY pipemend"))
            except sa.exc.SQLAlchemyError as error:
                log.info("nobody heard the bell", extra={"error": type(error).__name__})


async def listen(database: Database, wake: Wake) -> None:
    """Wakes this worker whenever somebody rings, until it is cancelled."""
    url = sa.make_url(database.url).set(drivername="postgresql").render_as_string(hide_password=False)
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(
                url, autocommit=True, connect_timeout=3, keepalives_idle=30
            ) as db:
                await db.execute("LISTEN pipemend")
                async for _ in db.notifies():
                    wake.set()
        except psycopg.Error as error:
            log.info("the bell cannot be heard, trying again", extra={"error": type(error).__name__})
        await asyncio.sleep(AGAIN)
