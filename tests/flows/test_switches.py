"""Switches hold starts until they are released: the setting, the red button, and pauses of one pipeline."""

from datetime import timedelta

import pytest

from pipemend.core.commands import Pause, Resume, Retry, Switch
from pipemend.core.errors import Stale
from pipemend.flows import due, intake, remediation
from pipemend.flows.worker import Worker
from tests.fakes.clock import START
from tests.world import World

PIPELINE = "adf-night/nightly-load"


async def why(world: World) -> str:
    return str((await world.ticket()).decision["why"])


async def claimed(world: World) -> str:
    """A failure whose attempt has been claimed and has looked at the platform, and is about to be called; its key."""
    await world.hears("nightly-load", world.adf.fails("nightly-load"))
    await intake.take_due(world.services)
    await due.take_due(world.services)
    (attempt,) = await world.attempts()
    return attempt.key


async def call(world: World, key: str) -> None:
    (attempt,) = await world.attempts()
    await remediation.call(key, attempt.revision, await remediation.look(key))


async def test_the_red_button_pressed_between_claim_and_call_holds_the_call(world: World) -> None:
    key = await claimed(world)
    await world.command(Switch(enabled=False, reason="storm", by="rosa"))

    await call(world, key)

    assert not world.adf.rerun.calls
    assert await why(world) == "all automation is stopped by the red button: storm"
    await world.after(600)
    assert not world.adf.rerun.calls

    await world.command(Switch(enabled=True, by="rosa"))
    await world.settle()
    assert len(world.adf.rerun.calls) == 1


async def test_a_pipeline_paused_between_claim_and_call_is_not_called_until_it_is_resumed(world: World) -> None:
    key = await claimed(world)
    await world.command(Pause(pipeline=PIPELINE, reason="new schema", by="rosa"))

    await call(world, key)

    assert not world.adf.rerun.calls
    assert await why(world) == "this pipeline is paused by rosa: new schema"
    await world.after(600)
    assert not world.adf.rerun.calls

    await world.command(Resume(pipeline=PIPELINE, by="rosa"))
    await world.settle()
    assert len(world.adf.rerun.calls) == 1


async def test_a_pause_ends_by_itself_and_holds_nothing_else(world: World) -> None:
    until = START + timedelta(hours=2)
    await world.command(Pause(pipeline=PIPELINE.upper(), until=until, by="rosa"))
    world.adf.fails("nightly-load")
    other = world.adf.fails("other-load")

    await world.after(60)
    assert [call.original_run_id for call in world.adf.rerun.calls] == [other]
    held = next(ticket for ticket in await world.tickets() if ticket.pipeline == "nightly-load")
    assert held.decision["why"] == "this pipeline is paused by rosa until 2026-11-24 05:00 UTC"
    assert held.due_at == until

    await world.after(7200, step=600)
    assert len(world.adf.rerun.calls) == 2


async def test_what_has_failed_too_long_before_the_end_of_a_pause_is_for_a_person(world: World) -> None:
    await world.command(Pause(pipeline=PIPELINE, until=START + timedelta(hours=8), by="rosa"))
    world.adf.fails("nightly-load")
    await world.after(60)

    await world.after(8 * 3600, step=1800)

    assert not world.adf.rerun.calls
    assert await why(world) == "it failed 8 h ago, longer than 6 h: a person decides"


async def test_a_persons_retry_waits_for_the_end_of_a_pause(world: World) -> None:
    world.adf.fails("typed-load", "DataConversionError")
    await world.after(31)
    await world.command(Pause(pipeline="adf-night/typed-load", by="rosa"))
    await world.command(Retry(ticket_id=(await world.ticket()).id, by="ada"))
    await world.settle()
    assert not world.adf.rerun.calls

    await world.command(Resume(pipeline="adf-night/typed-load", by="rosa"))
    await world.settle()
    assert len(world.adf.rerun.calls) == 1


async def test_a_pause_that_nobody_made_cannot_be_ended(world: World) -> None:
    with pytest.raises(Stale, match="adf-night/nightly-load is not paused"):
        await world.command(Resume(pipeline=PIPELINE, by="rosa"))


async def test_the_setting_always_wins(world: World) -> None:
    world.policy(enabled=False)
    await world.command(Switch(enabled=True, by="rosa"))
    world.adf.fails("nightly-load")

    await world.after(600)

    assert not world.adf.rerun.calls
    assert await why(world) == "automatic remediation is switched off (AUTO_REMEDIATION_ENABLED)"
    with pytest.raises(Stale, match="AUTO_REMEDIATION_ENABLED"):
        await world.command(Retry(ticket_id=(await world.ticket()).id, by="rosa"))


async def test_the_setting_switched_off_by_a_restart_ends_what_was_waiting(world: World) -> None:
    key = await claimed(world)
    world.policy(enabled=False)

    await call(world, key)

    assert not world.adf.rerun.calls
    assert await why(world) == "automatic remediation is switched off (AUTO_REMEDIATION_ENABLED)"


async def test_a_start_with_other_rules_looks_again_at_what_was_put_off_for_long(world: World) -> None:
    await world.command(Pause(pipeline=PIPELINE, until=START + timedelta(hours=5), by="rosa"))
    world.adf.fails("nightly-load")
    await world.after(60)
    assert (await world.ticket()).due_at == START + timedelta(hours=5)

    await Worker(world.services)._look_again()

    assert (await world.ticket()).due_at == world.clock.now()
