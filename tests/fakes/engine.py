"""An engine that keeps its flows in a table of the same database and runs them when told to.

It keeps the engine's promise: a flow exists only once its unit has committed, and one key is one flow.
"""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pipemend.store.database import Database
from pipemend.store.rows import insert_new

Body = Callable[..., Awaitable[None]]
flows = sa.Table(
    "fake_flows",
    sa.MetaData(),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("name", sa.Text),
    sa.Column("args", sa.Text),
    sa.Column("ended", sa.Boolean, default=False),
)


class TableEngine:
    id = "test-worker"

    def __init__(self, database: Database, bodies: Mapping[str, Body]) -> None:
        self.database, self.bodies = database, bodies
        flows.create(database.engine, checkfirst=True)

    def begin(self, db: sa.Connection, name: str, key: str, *args: Any) -> None:
        insert_new(db, flows, {"key": key, "name": name, "args": json.dumps(args), "ended": False})

    def trusts_silence(self) -> bool:
        return True

    async def living(self, keys: Sequence[str]) -> set[str]:
        wish = sa.select(flows.c.key).where(flows.c.key.in_(keys), flows.c.ended.is_(False))
        return await self.database.read(lambda db: set(db.scalars(wish)))

    async def all_living(self) -> set[str]:
        wish = sa.select(flows.c.key).where(flows.c.ended.is_(False))
        return await self.database.read(lambda db: set(db.scalars(wish)))

    async def forget(self, before: datetime) -> int:
        return 0

    async def run_all(self) -> int:
        """Runs what has begun, once; how many. A flow whose body raises has ended, as with the real engine."""
        wish = sa.select(flows).where(flows.c.ended.is_(False)).order_by(flows.c.key)
        begun = await self.database.read(lambda db: db.execute(wish).all())
        for row in begun:
            try:
                await self.bodies[row.name](*json.loads(row.args))
            finally:
                await self.end(row.key)
        return len(begun)

    async def end(self, key: str) -> None:
        await self.database.write(lambda db: db.execute(flows.update().where(flows.c.key == key).values(ended=True)))
