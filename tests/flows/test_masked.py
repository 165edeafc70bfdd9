"""Runs that went well although something in them failed are kept for people, and never rerun."""

import pytest
import sqlalchemy as sa

from pipemend.core.commands import Retry
from pipemend.core.errors import NoAnswer, Stale
from pipemend.core.playbook import PipelineRule
from pipemend.core.rca import Fault
from pipemend.core.run import RunStatus
from pipemend.core.ticket import Status
from pipemend.store import masked
from pipemend.store.database import Database
from pipemend.store.rows import Row
from pipemend.store.schema import masked_failures
from tests.platforms.tiny_databricks import TinyDatabricks, connected
from tests.world import World

COPY = Fault("Copy data1", "Copy", "GatewayTimeout", "504 Gateway Timeout sig=SECRET123456", "")
LISTED, TICKETED = PipelineRule(match="*/load*", masked="list"), PipelineRule(match="*/load*", masked="ticket")


async def begun(database: Database, *rules: PipelineRule) -> World:
    world = World(database, rules=rules)
    await world.begin()
    return world


def goes_well(world: World, pipeline: str = "load", fault: Fault | None = COPY) -> str:
    run_id = world.adf.begins(pipeline)
    world.adf.ends(run_id, RunStatus.SUCCEEDED)
    if fault:
        world.adf.masks[run_id] = fault
    return run_id


async def listed(world: World) -> list[Row]:
    return list((await world.database.read(lambda db: masked.page(db, 0, 50)))[1])


async def test_a_named_pipeline_is_looked_at_once_and_listed(database: Database) -> None:
    world = await begun(database, LISTED)
    run_id = goes_well(world)
    await world.after(120)
    [row] = await listed(world)
    assert (row.run_id, row.pipeline, row.display_resource, row.ticket_id) == (run_id, "load", "adf-night", None)
    assert [failed["activity"] for failed in row.activities] == ["Copy data1"]
    assert "SECRET123456" not in str(row.activities)
    assert world.adf.looked_at == [run_id]
    assert await world.tickets() == []


async def test_without_a_rule_nobody_asks_the_factory(database: Database) -> None:
    world = await begun(database, PipelineRule(match="*/other", masked="list"))
    goes_well(world)
    await world.after(60)
    assert (world.adf.looked_at, await listed(world)) == ([], [])


async def test_what_went_well_altogether_is_not_listed_and_soon_forgotten(database: Database) -> None:
    world = await begun(database, LISTED)
    goes_well(world, fault=None)
    await world.after(60)
    assert await listed(world) == []
    assert len(world.adf.looked_at) == 1
    await world.after(300)
    world.clock.move(2 * 86400)
    await world.upkeep()
    count = sa.select(sa.func.count()).select_from(masked_failures)
    assert await world.database.read(lambda db: db.scalar(count)) == 0


async def test_a_ticket_for_it_is_never_rerun(database: Database) -> None:
    world = await begun(database, TICKETED)
    goes_well(world)
    await world.after(90)
    ticket = await world.ticket()
    [row] = await listed(world)
    assert row.ticket_id == ticket.id
    assert (ticket.error_type, ticket.status) == ("GatewayTimeout", Status.OPEN)
    assert "what is masked is never rerun" in ticket.decision["why"]
    with pytest.raises(Stale, match="what is masked is never rerun"):
        await world.command(Retry(ticket_id=ticket.id, by="rosa"))
    await world.after(300)
    assert world.adf.rerun.started_runs == []
    assert await world.attempts() == []
    assert await world.broken() == set()


async def test_a_rerun_of_ours_that_masks_a_failure_heals_and_is_listed_with_its_ticket(database: Database) -> None:
    world = await begun(database, TICKETED)
    world.adf.fails("load")
    await world.after(31)
    [rerun] = world.adf.rerun.started_runs
    world.adf.masks[rerun] = COPY
    world.adf.ends(rerun, RunStatus.SUCCEEDED)
    await world.after(60)
    assert (await world.ticket()).ack_user == "AI_AUTO_HEAL"
    [row] = await listed(world)
    assert row.ticket_id == (await world.ticket()).id


async def test_a_factory_that_does_not_answer_is_asked_again_and_in_the_end_said_so(database: Database) -> None:
    world = await begun(database, LISTED)
    goes_well(world)
    await world.after(1)
    whole = world.adf.masked

    async def silent(run: object) -> object:
        raise NoAnswer("silence")

    second = goes_well(world)
    world.adf.masked = silent  # type: ignore[assignment]
    await world.after(31)
    world.adf.masked = whole  # type: ignore[method-assign]
    await world.after(120)
    assert {row.run_id for row in await listed(world)} >= {second}

    third = goes_well(world)
    world.adf.masked = silent  # type: ignore[assignment]
    await world.after(4 * 3600, step=600)
    [row] = [row for row in await listed(world) if row.run_id == third]
    assert (row.state, row.activities[0]["message"]) == ("unread", "nobody could look at it: silence")


async def test_databricks_says_so_itself_and_needs_no_rule(database: Database) -> None:
    world, tiny = World(database), TinyDatabricks()
    async with connected(tiny, clock=world.clock) as dbx:
        world.services.platforms = {"databricks": dbx}
        await world.begin()
        tiny.now = int(world.clock.now().timestamp() * 1000)
        plain = tiny.begins("other-job")
        tiny.ends(plain, "SUCCESS")
        run_id = tiny.begins("nightly-load")
        tiny.ends(run_id, "SUCCESS_WITH_FAILURES", "ValueError: no rows")
        tiny.runs[run_id]["tasks"][0]["state"] = {"life_cycle_state": "TERMINATED", "result_state": "FAILED"}
        await world.after(93)
        [row] = await listed(world)
        assert (row.run_id, row.pipeline) == (str(run_id), "nightly-load")
        assert "no rows" in row.activities[0]["message"]
        assert len(tiny.sent("jobs/runs/get-output")) == 1
        assert await world.tickets() == []
