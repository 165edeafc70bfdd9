"""A freeze window holds every start, says until when, and lets go on by itself."""

from datetime import datetime, time
from zoneinfo import ZoneInfo

from pipemend.core.attempt import AttemptStatus
from pipemend.core.commands import Retry
from pipemend.core.freeze import Window
from pipemend.core.playbook import PipelineRule, Playbooks
from pipemend.core.run import RunStatus
from pipemend.core.ticket import RemediationStatus
from tests.fakes.clock import START
from tests.world import BOOKS, World

BERLIN = ZoneInfo("Europe/Berlin")  # the tests begin at 04:00 there
UNTIL = "frozen until 2026-11-24 04:20 Europe/Berlin"


def freeze(world: World, begins: time) -> datetime:
    """From then until 04:20 nothing may start; the end."""
    window = Window(begins=begins, ends=time(4, 20), zone=BERLIN)
    world.services.playbooks = Playbooks(BOOKS, (PipelineRule(match="adf-night/nightly-*", freeze=(window,)),))
    return START.replace(minute=20)


async def fails(world: World) -> None:
    await world.hears("nightly-load", world.adf.fails("nightly-load"))
    await world.settle()


async def test_a_failure_inside_a_window_is_mended_when_it_has_ended(world: World) -> None:
    end = freeze(world, time(3, 30))
    await fails(world)

    ticket = await world.ticket()
    assert ticket.decision["why"] == f"this pipeline is {UNTIL} (rule 'adf-night/nightly-*')"
    assert ticket.due_at == end
    assert [news.ticket.decision["why"] for news in world.slack.told] == [ticket.decision["why"]]
    await world.after((end - world.clock.now()).total_seconds() - 1)
    assert world.adf.rerun.calls == []

    await world.after(2)
    assert len(world.adf.rerun.calls) == 1
    world.adf.ends(world.adf.rerun.started_runs[0], RunStatus.SUCCEEDED)
    await world.after(31)
    assert (await world.ticket()).remediation_status is RemediationStatus.SUCCEEDED


async def test_a_retry_that_falls_into_a_window_waits_for_its_end_and_keeps_its_number(world: World) -> None:
    end = freeze(world, time(4, 1))
    await fails(world)
    world.adf.ends(world.adf.rerun.started_runs[0], RunStatus.FAILED, "GatewayTimeout")
    await world.after(120)

    first, second = await world.attempts()
    assert (first.status, second.status) == (AttemptStatus.FAILED, AttemptStatus.WAITING)
    assert second.due_at == end
    assert UNTIL in (await world.ticket()).decision["why"]
    told = world.slack.words.count("attempt_update")
    await world.after((end - world.clock.now()).total_seconds() - 1)
    assert len(world.adf.rerun.calls) == 1
    assert world.slack.words.count("attempt_update") == told  # said once, and not at each look

    await world.after(2)
    assert [call.attempt_number for call in world.adf.rerun.calls] == [1, 2]
    assert [attempt.attempt_number for attempt in await world.attempts()] == [1, 2]


async def test_a_persons_retry_waits_for_the_end_of_a_window_too(world: World) -> None:
    end = freeze(world, time(3, 30))
    await world.hears("nightly-load", world.adf.fails("nightly-load", "DataConversionError"))
    await world.settle()
    await world.command(Retry(ticket_id=(await world.ticket()).id, by="rosa"))
    await world.settle()
    assert world.adf.rerun.calls == []
    assert UNTIL in (await world.ticket()).decision["why"]

    await world.after((end - world.clock.now()).total_seconds() + 1)
    assert [call.by for call in world.adf.rerun.calls] == ["rosa"]
