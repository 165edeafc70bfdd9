"""A database that was away between a lease and what came of it: the work goes on at once, not when the lease ends."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import sqlalchemy as sa

from pipemend.core.run import RunStatus
from pipemend.flows import due, intake, remediation, saving
from pipemend.flows.worker import Worker
from pipemend.store import schema
from tests.world import World

PATIENCE = 10.0  # real seconds; the clock of the world stands still, so no lease ever ends by itself


class Outage:
    """Refuses the next commits of a database, once something has been asked outside."""

    def __init__(self, world: World, commits: int = 3, meanwhile: Callable[[], object] = lambda: None) -> None:
        self.left, self.began, self.meanwhile = commits, False, meanwhile
        sa.event.listen(world.database.engine, "commit", self._refuse)

    def after(self, ask: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def asked(*args: Any, **more: Any) -> Any:
            self.began = True
            return await ask(*args, **more)

        return asked

    async def over(self) -> bool:
        return self.left == 0

    def _refuse(self, _: sa.Connection) -> None:
        if self.began and self.left > 0:
            self.left -= 1
            self.meanwhile()
            raise sa.exc.OperationalError("COMMIT", {}, ConnectionError("the database is away"))


@pytest.fixture(autouse=True)
def nobody_takes_over(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker of the world has no heartbeat: it would take over from itself."""
    monkeypatch.setattr(world.engine, "trusts_silence", lambda: False)


@contextlib.asynccontextmanager
async def at_work(world: World) -> AsyncIterator[None]:
    worker = Worker(world.services, tick=0.02)
    await worker.start()
    try:
        yield
    finally:
        await worker.stop()


async def until(holds: Callable[[], Awaitable[object]]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await holds():
            await asyncio.sleep(0.02)


async def all_let_go(world: World, table: sa.Table) -> bool:
    wish = sa.select(sa.func.count()).select_from(table).where(table.c.owner.is_not(None))
    return not await world.database.read(lambda db: db.scalar(wish))


async def test_an_alert_opens_its_ticket_when_the_database_is_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.hears("nightly-load", world.adf.fails("nightly-load"))
    outage = Outage(world)
    monkeypatch.setattr(world.adf, "run", outage.after(world.adf.run))

    async with at_work(world):
        await until(world.tickets)
        await until(lambda: all_let_go(world, schema.alerts))

    assert outage.left == 0


async def test_a_feed_is_read_again_when_the_database_is_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.adf.fails("nightly-load")
    outage = Outage(world)
    monkeypatch.setattr(world.adf, "changes", outage.after(world.adf.changes))
    monkeypatch.setattr(saving, "PAUSES", ())  # it is away for longer than anybody asks again

    async with at_work(world):
        await until(outage.over)
        await until(lambda: all_let_go(world, schema.feeds))
        world.clock.move(40)  # more than the feed's interval, and less than a lease
        await until(world.tickets)

    assert outage.left == 0


async def test_what_was_said_is_not_said_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.adf.fails("nightly-load", "DataConversionError")
    outage = Outage(world)
    monkeypatch.setattr(world.slack, "tell", outage.after(world.slack.tell))

    async def all_told() -> bool:
        waiting = schema.receipts.c.state.in_(("pending", "sending"))
        left = await world.database.read(lambda db: db.scalar(sa.select(sa.func.count()).where(waiting)))
        return bool(world.slack.told) and not left

    async with at_work(world):
        await until(all_told)

    assert outage.left == 0
    assert len(world.slack.told) == len({news.id for news in world.slack.told})


async def test_a_rerun_is_judged_by_a_new_look_when_the_database_is_back(world: World) -> None:
    failed = world.adf.fails("nightly-load")
    await world.hears("nightly-load", failed)
    await intake.take_due(world.services)
    await due.take_due(world.services)
    (attempt,) = await world.attempts()
    seen = await remediation.look(attempt.key)

    def somebody_repairs_it() -> None:
        own = world.adf.begins("nightly-load", group=failed, manual=True)
        world.adf.ends(own, RunStatus.SUCCEEDED)
        world.clock.move(30)

    Outage(world, commits=1, meanwhile=somebody_repairs_it).began = True
    await remediation.call(attempt.key, attempt.revision, seen)

    assert not world.adf.rerun.calls
    assert (await world.ticket()).ack_user == "RECOVERED"
