"""A pipeline whose input is missing waits for whoever makes it, and is rerun when that went well."""

import pytest

from pipemend.clients.upstream import CheckUpstream
from pipemend.core.attempt import AttemptStatus
from pipemend.core.playbook import PipelineRule, Playbook, Playbooks
from pipemend.core.run import RunStatus
from pipemend.store.database import Database
from tests.world import World

BOOK = Playbook(error_type="GatewayTimeout", action="check_upstream", max_retries=2, deadline_seconds=1800)
RULE = PipelineRule(match="adf-night/load", upstream=("ADF-night/extract",))
NO_REPAIR = PipelineRule(match="adf-night/extract", rerun="never")


@pytest.fixture
async def world(database: Database) -> World:
    made = World(database)
    follow(made, RULE, NO_REPAIR)
    await made.begin()
    return made


def follow(world: World, *rules: PipelineRule) -> None:
    books = Playbooks({("GatewayTimeout", None): BOOK}, rules)
    world.services.playbooks = books

    def names(where: str, what: str) -> tuple[str, ...]:
        return books.rule_for(where, what).upstream

    waits = CheckUpstream(world.services.platforms, names, world.adf.rerun)
    world.adf.remedies = {"retry_pipeline": world.adf.rerun, "check_upstream": waits}


async def test_it_waits_while_the_upstream_runs_and_reruns_when_that_went_well(world: World) -> None:
    upstream = world.adf.begins("extract")
    world.adf.fails("load")
    await world.after(300)
    assert world.adf.rerun.started_runs == []
    [attempt] = await world.attempts()
    assert "extract upstream of it is running" in (attempt.failure_reason or "")

    world.adf.ends(upstream, RunStatus.SUCCEEDED)
    await world.after(90)
    [rerun] = world.adf.rerun.started_runs
    world.adf.ends(rerun, RunStatus.SUCCEEDED)
    await world.after(60)
    assert (await world.ticket()).ack_user == "AI_AUTO_HEAL"


async def test_a_failed_upstream_is_left_to_its_own_ticket_and_waited_for(world: World) -> None:
    world.adf.fails("extract")
    world.adf.fails("load")
    await world.after(2000, step=60)
    load = next(t for t in await world.tickets() if t.pipeline == "load")
    [attempt] = await world.attempts(load.id)
    assert attempt.status is AttemptStatus.FAILED
    assert "has failed" in (attempt.failure_reason or "")
    assert world.adf.rerun.started_runs == []


async def test_an_upstream_that_nobody_knows_is_said(world: World) -> None:
    follow(world, PipelineRule(match="*/load", upstream=("elsewhere/extract",)))
    world.adf.fails("load")
    await world.after(31)
    [attempt] = await world.attempts()
    assert "no connection for elsewhere/extract" in (attempt.failure_reason or "")


async def test_without_a_rule_the_rerun_itself_tells(world: World) -> None:
    follow(world)
    world.adf.fails("load")
    await world.after(31)
    assert len(world.adf.rerun.started_runs) == 1
