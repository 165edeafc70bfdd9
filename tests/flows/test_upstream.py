"""A pipeline whose input is missing waits for whoever makes it; what has failed there is run again, once, for all who
wait for it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pipemend.clients.http import Http
from pipemend.clients.upstream import CheckUpstream
from pipemend.core.attempt import Attempt, AttemptStatus
from pipemend.core.commands import Acknowledge, Approve, Switch
from pipemend.core.freeze import Window
from pipemend.core.playbook import PipelineRule, Playbook, Playbooks
from pipemend.core.ports import Platform
from pipemend.core.run import RunStatus
from pipemend.core.ticket import RemediationStatus, Ticket
from pipemend.flows import settling
from pipemend.store import attempts
from pipemend.store.database import Database
from tests.platforms.tiny_databricks import RESOURCE, TinyDatabricks, connected
from tests.world import World

MISSING, UNKNOWN, HOPELESS, THROTTLED = "ServerBusy", "Mystery", "DataConversionError", "ThrottlingError"
BOOK = Playbook(error_type=MISSING, action="check_upstream", max_retries=2, deadline_seconds=1800)
RETRY = Playbook(error_type=THROTTLED, action="retry_pipeline", max_retries=2, backoff_seconds=(300,))
READS = PipelineRule(match="adf-night/load*", upstream=("ADF-night/extract",))


@pytest.fixture
async def world(database: Database) -> World:
    made = World(database)
    follow(made, READS)
    await made.begin()
    return made


def follow(world: World, *rules: PipelineRule) -> None:
    books = Playbooks({(MISSING, None): BOOK, (THROTTLED, None): RETRY}, rules)
    world.services.playbooks = books

    def names(where: str, what: str) -> tuple[str, ...]:
        return books.rule_for(where, what).upstream

    waits = CheckUpstream(world.services.platforms, names, world.adf.rerun, Http())
    world.adf.remedies = {"retry_pipeline": world.adf.rerun, "check_upstream": waits}


async def of(world: World, pipeline: str) -> tuple[Ticket, Sequence[Attempt]]:
    ticket = next(t for t in await world.tickets() if t.pipeline == pipeline)
    return ticket, await world.attempts(ticket.id)


def started(world: World) -> list[str]:
    return [world.adf.runs[run_id].pipeline for run_id in world.adf.rerun.started_runs]


async def test_it_waits_while_the_upstream_runs_and_reruns_when_that_went_well(world: World) -> None:
    upstream = world.adf.begins("extract")
    world.adf.fails("load", MISSING)
    await world.after(300)
    assert started(world) == []
    [attempt] = await world.attempts()
    assert "extract upstream of it is running" in (attempt.failure_reason or "")

    world.adf.ends(upstream, RunStatus.SUCCEEDED)
    await world.after(90)
    [rerun] = world.adf.rerun.started_runs
    world.adf.ends(rerun, RunStatus.SUCCEEDED)
    await world.after(60)
    assert (await world.ticket()).ack_user == "AI_AUTO_HEAL"


async def test_a_failed_upstream_is_run_again_and_then_the_pipeline(world: World) -> None:
    world.adf.fails("extract", UNKNOWN)
    world.adf.fails("load", MISSING)
    await world.after(90)
    assert started(world) == ["extract"]
    _, [waiting] = await of(world, "load")
    assert "extract upstream of it is running" in (waiting.failure_reason or "")

    world.adf.ends(world.adf.rerun.started_runs[0], RunStatus.SUCCEEDED)
    await world.after(120)
    assert started(world) == ["extract", "load"]
    world.adf.ends(world.adf.rerun.started_runs[1], RunStatus.SUCCEEDED)
    await world.after(60)
    assert {t.ack_user for t in await world.tickets()} == {"AI_AUTO_HEAL"}
    assert "rerun_wanted" in await world.audit()
    assert await world.broken() == set()


async def test_an_upstream_that_fails_again_is_left_to_people_and_so_is_who_waits(world: World) -> None:
    world.adf.fails("extract", UNKNOWN)
    world.adf.fails("load", MISSING)
    await world.after(90)
    world.adf.ends(world.adf.rerun.started_runs[0], RunStatus.FAILED, UNKNOWN)
    await world.hears("extract", world.adf.rerun.started_runs[0])
    await world.after(600)
    assert started(world) == ["extract"]
    assert len(await world.tickets()) == 2
    ticket, [attempt] = await of(world, "load")
    assert (attempt.status, ticket.remediation_status) == (AttemptStatus.FAILED, RemediationStatus.FAILED)
    assert "also when it was run again" in (attempt.failure_reason or "")
    assert (await of(world, "extract"))[0].remediation_status is RemediationStatus.FAILED
    assert await world.broken() == set()


@pytest.mark.parametrize(
    ("rule", "error", "word"),
    [
        (PipelineRule(match="*/extract", rerun="never"), UNKNOWN, "never rerun automatically"),
        (PipelineRule(match="*/extract", max_retries=0), UNKNOWN, "all 0 attempts are used"),
        (PipelineRule(match="*/extract"), HOPELESS, "the same run would fail again"),
    ],
)
async def test_what_may_not_be_run_again_is_said_at_once(
    world: World, rule: PipelineRule, error: str, word: str
) -> None:
    follow(world, READS, rule)
    world.adf.fails("extract", error)
    world.adf.fails("load", MISSING)
    await world.after(90)
    upstream, none = await of(world, "extract")
    ticket, [attempt] = await of(world, "load")
    assert none == []
    assert started(world) == []
    assert ticket.remediation_status is RemediationStatus.FAILED
    assert word in (attempt.failure_reason or "")
    assert upstream.id in (attempt.failure_reason or "")


async def test_an_upstream_that_asks_is_run_again_after_a_yes(world: World) -> None:
    follow(world, READS, PipelineRule(match="*/extract", rerun="ask"))
    world.adf.fails("extract", UNKNOWN)
    world.adf.fails("load", MISSING)
    await world.after(90)
    assert started(world) == []
    _, [waiting] = await of(world, "load")
    assert "people are asked" in (waiting.failure_reason or "")

    await world.command(Approve(ticket_id=(await of(world, "extract"))[0].id, by="rosa"))
    await world.after(60)
    assert started(world) == ["extract"]
    world.adf.ends(world.adf.rerun.started_runs[0], RunStatus.SUCCEEDED)
    await world.after(120)
    assert started(world) == ["extract", "load"]


async def test_a_repair_that_is_under_way_is_waited_for(world: World) -> None:
    world.adf.fails("extract", THROTTLED)
    await world.after(31)
    world.adf.fails("load", MISSING)
    await world.after(240)
    assert started(world) == ["extract"]
    world.adf.ends(world.adf.rerun.started_runs[0], RunStatus.FAILED, THROTTLED)
    await world.after(120)
    assert started(world) == ["extract"]  # its own second attempt waits for its time
    await world.after(300)
    assert started(world) == ["extract", "extract"]
    world.adf.ends(world.adf.rerun.started_runs[1], RunStatus.SUCCEEDED)
    await world.after(120)
    assert started(world) == ["extract", "extract", "load"]


async def test_all_who_wait_are_served_by_one_rerun_though_there_is_room_for_one_repair_only(world: World) -> None:
    world.policy(max_in_flight=1)
    for number in range(5):
        world.adf.fails(f"load{number}", MISSING)
    await world.after(31)
    world.adf.fails("extract", UNKNOWN)
    await world.after(180)
    assert started(world) == ["extract"]
    world.adf.ends(world.adf.rerun.started_runs[0], RunStatus.SUCCEEDED)
    for number in range(5):
        await world.after(90)
        assert len(started(world)) == number + 2
        world.adf.ends(world.adf.rerun.started_runs[-1], RunStatus.SUCCEEDED)
    await world.after(60)
    assert {t.ack_user for t in await world.tickets()} == {"AI_AUTO_HEAL"}


async def test_a_crash_after_it_was_granted_grants_no_second_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, lost = settling.settle, iter([True])

    def dies_once(*args: Any) -> None:
        if attempts.get(args[0], args[2]).remediation_action == "check_upstream" and next(lost, False):
            raise RuntimeError("killed")
        whole(*args)

    world.adf.fails("extract", UNKNOWN)
    await world.after(31)
    monkeypatch.setattr("pipemend.flows.remediation.settle", dies_once)
    world.adf.fails("load", MISSING)
    with pytest.raises(RuntimeError, match="killed"):
        await world.after(31)
    assert (await of(world, "load"))[1][0].status is AttemptStatus.STARTING
    assert len((await of(world, "extract"))[1]) == 1
    await world.upkeep()
    await world.after(180)
    assert started(world) == ["extract"]
    assert len((await of(world, "extract"))[1]) == 1


async def test_a_crash_while_the_upstream_was_called_starts_no_second_run(world: World) -> None:
    world.adf.rerun.next_answers = ["lost_after"]
    world.adf.fails("extract", UNKNOWN)
    world.adf.fails("load", MISSING)
    await world.after(120)
    assert started(world) == ["extract"]
    world.adf.ends(world.adf.rerun.started_runs[0], RunStatus.SUCCEEDED)
    await world.after(180)
    assert started(world) == ["extract", "load"]


async def test_one_that_failed_before_anybody_watched_is_run_again_too(database: Database) -> None:
    world = World(database)
    follow(world, READS)
    old = world.adf.fails("extract", UNKNOWN)
    world.clock.move(3600)
    await world.begin()
    world.clock.move(600)
    world.adf.fails("load", MISSING)
    await world.after(31)
    assert (await of(world, "extract"))[0].root_run_id == old
    await world.after(60)
    assert started(world) == ["extract"]


async def test_what_failed_within_a_larger_run_is_run_again_with_it(world: World) -> None:
    root = world.adf.begins("nightly")
    world.adf.fails("extract", UNKNOWN, parent=root)
    world.adf.fails("load", MISSING)
    await world.after(60)
    _, [waiting] = await of(world, "load")
    assert f"still running ({root})" in (waiting.failure_reason or "")
    world.adf.ends(root, RunStatus.FAILED, UNKNOWN)
    await world.after(120)
    assert started(world) == ["nightly"]


async def test_one_within_the_same_run_is_not_waited_for(world: World) -> None:
    follow(world, PipelineRule(match="*/nightly", upstream=("adf-night/extract",)))
    root = world.adf.begins("nightly")
    world.adf.fails("extract", UNKNOWN, parent=root)
    world.adf.ends(root, RunStatus.FAILED, MISSING)
    await world.after(90)
    assert started(world) == ["nightly"]


async def test_two_that_wait_for_one_another_are_left_to_people(world: World) -> None:
    follow(world, READS, PipelineRule(match="*/extract", upstream=("adf-night/load",)))
    world.adf.fails("extract", MISSING)
    world.adf.fails("load", MISSING)
    await world.after(2000, step=60)
    assert started(world) == []
    assert {t.remediation_status for t in await world.tickets()} == {RemediationStatus.FAILED}


async def test_an_upstream_that_was_cancelled_is_for_people(world: World) -> None:
    world.adf.ends(world.adf.begins("extract"), RunStatus.CANCELLED)
    world.adf.fails("load", MISSING)
    await world.after(31)
    [attempt] = await world.attempts()
    assert "was cancelled" in (attempt.failure_reason or "")
    assert (await world.ticket()).remediation_status is RemediationStatus.FAILED


async def test_an_upstream_whose_ticket_a_person_has_closed_is_left_alone(world: World) -> None:
    world.adf.fails("extract", UNKNOWN)
    await world.after(31)
    await world.command(Acknowledge(ticket_id=(await world.ticket()).id, by="rosa"))
    world.adf.fails("load", MISSING)
    await world.after(60)
    _, [attempt] = await of(world, "load")
    assert "rosa has closed" in (attempt.failure_reason or "")
    assert started(world) == []


async def test_the_red_button_holds_what_was_wanted(world: World) -> None:
    follow(world, READS, PipelineRule(match="*/extract", rerun="ask"))
    world.adf.fails("extract", UNKNOWN)
    world.adf.fails("load", MISSING)
    await world.after(90)
    await world.command(Switch(enabled=False, reason="maintenance", by="rosa"))
    await world.command(Approve(ticket_id=(await of(world, "extract"))[0].id, by="rosa"))
    await world.after(120)
    assert started(world) == []
    await world.command(Switch(enabled=True, reason="", by="rosa"))
    await world.after(120)
    assert started(world) == ["extract"]


async def test_a_job_may_be_upstream_of_a_pipeline(world: World) -> None:
    follow(world, PipelineRule(match="adf-night/load", upstream=(f"{RESOURCE.name}/nightly-load",)))
    tiny = TinyDatabricks()
    async with connected(tiny, clock=world.clock) as dbx:
        platforms: dict[str, Platform] = {"data_factory": world.adf, "databricks": dbx}
        world.services.platforms = platforms
        world.adf.remedies["check_upstream"]._platforms = platforms  # type: ignore[attr-defined]
        await world.begin()
        tiny.now = int(world.clock.now().timestamp() * 1000)
        job = tiny.fails(error="nobody knows this")
        world.adf.fails("load", MISSING)
        for _ in range(8):
            tiny.now = int(world.clock.now().timestamp() * 1000)
            await world.after(30)
        assert len(tiny.sent("jobs/runs/repair")) == 1
        tiny.ends(job, "SUCCESS")
        await world.after(120)
        assert started(world) == ["load"]


async def test_an_upstream_that_nobody_knows_is_said(world: World) -> None:
    follow(world, PipelineRule(match="*/load", upstream=("elsewhere/extract",)))
    world.adf.fails("load", MISSING)
    await world.after(31)
    [attempt] = await world.attempts()
    assert "no connection for elsewhere/extract" in (attempt.failure_reason or "")


async def test_without_a_rule_the_rerun_itself_tells(world: World) -> None:
    follow(world)
    world.adf.fails("load", MISSING)
    await world.after(31)
    assert len(world.adf.rerun.started_runs) == 1


async def test_no_rerun_starts_in_a_freeze_window_that_opened_while_it_was_waited_for(world: World) -> None:
    upstream = world.adf.begins("extract")
    world.adf.fails("load", MISSING)
    await world.after(60)
    at = (world.clock.now() + timedelta(minutes=5)).time()
    frozen = Window(days=None, dates=None, begins=time(0), ends=at, zone=ZoneInfo("UTC"))
    world.services.playbooks = replace(world.services.playbooks, freeze=(frozen,))
    world.adf.ends(upstream, RunStatus.SUCCEEDED)
    await world.after(180)
    assert started(world) == []
    _, [waiting] = await of(world, "load")
    assert "frozen" in (waiting.failure_reason or "")
    await world.after(300)
    assert started(world) == ["load"]
