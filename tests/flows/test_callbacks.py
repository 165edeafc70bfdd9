"""Callbacks of playbooks are a hint: they wake the look at the platform, whose word counts."""

import pytest

from pipemend.core.attempt import Attempt, AttemptStatus, Progress, Stage
from pipemend.core.callback import address, admits, token
from pipemend.core.errors import NotFound
from pipemend.core.run import RunStatus
from pipemend.core.ticket import Status
from pipemend.flows.callbacks import heard
from tests.world import World


async def in_flight(world: World) -> str:
    """The key of an attempt whose rerun runs."""
    world.adf.fails("nightly-load")
    await world.after(31)
    (attempt,) = await world.attempts()
    return attempt.key


async def test_a_callback_closes_the_ticket_before_the_feed_comes_round(world: World) -> None:
    key = await in_flight(world)
    world.adf.ends(world.adf.rerun.started_runs[0], RunStatus.SUCCEEDED)

    await heard(world.services, key)
    await world.settle()

    assert (await world.ticket()).status is Status.ACKNOWLEDGED


async def test_a_callback_that_claims_success_while_the_rerun_runs_changes_nothing(world: World) -> None:
    key = await in_flight(world)
    await heard(world.services, key)
    await world.settle()
    (attempt,) = await world.attempts()
    assert attempt.status is AttemptStatus.IN_PROGRESS


async def test_repeats_and_late_ones_are_harmless(world: World) -> None:
    key = await in_flight(world)
    world.adf.ends(world.adf.rerun.started_runs[0], RunStatus.SUCCEEDED)
    for _ in range(3):
        await heard(world.services, key)
        await world.settle()
    assert (await world.audit()).count("auto_remediation_success") == 1


async def test_one_that_comes_before_the_answer_is_saved_is_harmless(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    advance = world.adf.rerun.advance

    async def calls_back_first(attempt: Attempt, stage: Stage) -> Progress:
        progress = await advance(attempt, stage)
        world.adf.ends(world.adf.rerun.started_runs[0], RunStatus.SUCCEEDED)
        await heard(world.services, attempt.key)
        return progress

    monkeypatch.setattr(world.adf.rerun, "advance", calls_back_first)
    world.adf.fails("nightly-load")
    await world.after(62, step=31)

    assert (await world.ticket()).ack_user == "AI_AUTO_HEAL"
    assert len(world.adf.rerun.calls) == 1


async def test_one_for_a_call_whose_answer_was_lost_finds_the_rerun(world: World) -> None:
    world.adf.rerun.next_answers = ["lost_after"]
    failed = world.adf.fails("nightly-load")
    await world.hears("nightly-load", failed)
    await world.settle()
    (attempt,) = await world.attempts()
    world.adf.ends(world.adf.rerun.started_runs[0], RunStatus.SUCCEEDED)

    await heard(world.services, attempt.key)
    await world.settle()

    assert (await world.ticket()).ack_user == "AI_AUTO_HEAL"


async def test_one_for_an_attempt_that_has_ended_changes_nothing(world: World) -> None:
    key = await in_flight(world)
    world.adf.ends(world.adf.rerun.started_runs[0], RunStatus.FAILED, "GatewayTimeout")
    await world.after(31)
    before = await world.attempts()
    await heard(world.services, key)
    await world.settle()
    assert await world.attempts() == before


async def test_nobody_knows_an_attempt_that_does_not_exist(world: World) -> None:
    with pytest.raises(NotFound):
        await heard(world.services, "ADF-nothing-1")


def test_the_token_belongs_to_one_attempt() -> None:
    assert admits("secret", "ADF-1-1", token("secret", "ADF-1-1"))
    assert not admits("secret", "ADF-1-2", token("secret", "ADF-1-1"))
    assert not admits("other", "ADF-1-1", token("secret", "ADF-1-1"))
    assert not admits("secret", "ADF-1-1", "ä")
    assert address("https://p.example", "s", "ADF-1-1").startswith(
        "https://p.example/api/remediation-callback?attempt=ADF-1-1&token="
    )
