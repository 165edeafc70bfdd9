"""People stay in charge: what they do themselves, and what they ask for."""

import pytest

from pipemend.core.attempt import AttemptStatus
from pipemend.core.commands import Acknowledge, Retry, Stop, Switch
from pipemend.core.errors import NotFound, Stale
from pipemend.core.playbook import PipelineRule
from pipemend.core.run import RunStatus
from pipemend.core.ticket import RemediationStatus, Status
from pipemend.store.database import Database
from tests.world import World


async def backing_off(world: World) -> str:
    """A ticket whose first attempt has failed and whose second waits; the original run's id."""
    failed = world.adf.fails("nightly-load", "ThrottlingError")
    await world.after(31)
    world.adf.ends(world.adf.rerun.started_runs[0], RunStatus.FAILED, "ThrottlingError")
    await world.after(31, step=31)
    assert [a.status for a in await world.attempts()] == [AttemptStatus.FAILED, AttemptStatus.WAITING]
    return failed


async def test_somebodys_own_rerun_that_succeeds_closes_the_ticket_and_cancels_what_waits(world: World) -> None:
    failed = await backing_off(world)
    own = world.adf.begins("nightly-load", group=failed, manual=True)
    world.adf.ends(own, RunStatus.SUCCEEDED)

    await world.after(61)

    ticket = await world.ticket()
    assert (ticket.status, ticket.ack_user) == (Status.ACKNOWLEDGED, "RECOVERED")
    assert ticket.remediation_status is RemediationStatus.FAILED
    assert len(world.adf.rerun.calls) == 1


async def test_while_somebodys_own_rerun_runs_the_machine_waits_for_its_end(world: World) -> None:
    failed = await backing_off(world)
    own = world.adf.begins("nightly-load", group=failed, manual=True)
    await world.after(120)
    assert len(world.adf.rerun.calls) == 1
    assert "somebody else's rerun is running" in (await world.ticket()).decision["why"]

    world.adf.ends(own, RunStatus.FAILED, "ThrottlingError")
    await world.after(120)
    ticket = await world.ticket()
    assert len(world.adf.rerun.calls) == 1
    assert "taken over" in (ticket.hands_off or "")


async def test_acknowledging_lets_a_rerun_finish_and_starts_no_further_attempt(world: World) -> None:
    world.adf.fails("nightly-load")
    await world.after(31)
    ticket = await world.ticket()

    closed = await world.command(Acknowledge(ticket_id=ticket.id, by="rosa"))
    assert closed is not None
    assert closed.ack_user == "rosa"
    world.adf.ends(world.adf.rerun.started_runs[0], RunStatus.FAILED, "GatewayTimeout")
    await world.after(300)

    ticket = await world.ticket()
    assert (ticket.status, ticket.ack_user) == (Status.ACKNOWLEDGED, "rosa")
    assert len(world.adf.rerun.calls) == 1


async def test_a_rerun_that_succeeds_after_the_acknowledgement_keeps_the_persons_name(world: World) -> None:
    world.adf.fails("nightly-load")
    await world.after(31)
    await world.command(Acknowledge(ticket_id=(await world.ticket()).id, by="rosa"))
    world.adf.ends(world.adf.rerun.started_runs[0], RunStatus.SUCCEEDED)
    await world.after(31)
    ticket = await world.ticket()
    assert (ticket.ack_user, ticket.remediation_status) == ("rosa", RemediationStatus.SUCCEEDED)


async def test_a_second_acknowledgement_is_told_who_was_first(world: World) -> None:
    world.adf.fails("typed-load", "DataConversionError")
    await world.after(31)
    wish = Acknowledge(ticket_id=(await world.ticket()).id, by="rosa")
    await world.command(wish)
    with pytest.raises(Stale, match="rosa"):
        await world.command(wish)


async def test_stop_ends_the_automation_and_leaves_the_run_alone(world: World) -> None:
    world.adf.fails("nightly-load")
    await world.after(31)
    ticket = await world.ticket()
    stopped = await world.command(Stop(ticket_id=ticket.id, by="rosa"))
    assert stopped is not None
    assert stopped.remediation_status is RemediationStatus.IN_PROGRESS
    assert world.adf.cancelled == []

    world.adf.ends(world.adf.rerun.started_runs[0], RunStatus.FAILED, "GatewayTimeout")
    await world.after(300)
    ticket = await world.ticket()
    assert ticket.remediation_status is RemediationStatus.FAILED
    assert len(world.adf.rerun.calls) == 1


async def test_stop_can_cancel_the_run_too(world: World) -> None:
    world.adf.fails("nightly-load")
    await world.after(31)
    await world.command(Stop(ticket_id=(await world.ticket()).id, by="rosa", cancel_run=True))
    assert world.adf.cancelled == world.adf.rerun.started_runs


async def test_retry_grants_one_attempt_in_the_persons_name_whatever_the_error(world: World) -> None:
    world.adf.fails("typed-load", "DataConversionError")
    await world.after(31)
    ticket = await world.ticket()

    await world.command(Retry(ticket_id=ticket.id, by="rosa"))
    await world.settle()
    (attempt,) = await world.attempts()
    assert (attempt.by, attempt.status) == ("rosa", AttemptStatus.IN_PROGRESS)

    world.adf.ends(world.adf.rerun.started_runs[0], RunStatus.FAILED, "DataConversionError")
    await world.after(300)
    assert len(world.adf.rerun.calls) == 1  # one attempt was granted, no more


async def test_retry_after_the_last_attempt_goes_one_beyond_the_limit(world: World) -> None:
    world.adf.fails("nightly-load")
    await world.after(31)
    for _ in range(3):
        world.adf.ends(world.adf.rerun.started_runs[-1], RunStatus.FAILED, "GatewayTimeout")
        await world.after(200)
    ticket = await world.ticket()
    await world.command(Retry(ticket_id=ticket.id, by="rosa"))
    await world.settle()
    assert len(world.adf.rerun.calls) == 4
    assert (await world.ticket()).max_attempts == 4
    with pytest.raises(Stale, match="under way"):
        await world.command(Retry(ticket_id=ticket.id, by="rosa"))


async def test_retry_says_why_it_cannot(world: World) -> None:
    world.policy(enabled=False)
    world.adf.fails("nightly-load")
    await world.after(31)
    with pytest.raises(Stale, match="AUTO_REMEDIATION_ENABLED"):
        await world.command(Retry(ticket_id=(await world.ticket()).id, by="rosa"))
    with pytest.raises(NotFound):
        await world.command(Retry(ticket_id="ADF-nothing", by="rosa"))


async def test_the_red_button_holds_every_start_until_it_is_released(world: World) -> None:
    await world.command(Switch(enabled=False, reason="maintenance", by="rosa"))
    world.adf.fails("nightly-load")
    await world.after(300)
    assert not world.adf.rerun.calls
    assert "maintenance" in (await world.ticket()).decision["why"]

    await world.command(Switch(enabled=True, by="rosa"))
    await world.settle()
    assert len(world.adf.rerun.calls) == 1


async def test_a_pipeline_that_may_never_be_rerun_is_left_alone(database: Database) -> None:
    world = World(database, rules=(PipelineRule(match="adf-night/pay_*", rerun="never"),))
    await world.begin()
    world.adf.fails("pay_salaries")
    await world.after(31)
    assert not world.adf.rerun.calls
    assert "pay_*" in (await world.ticket()).decision["why"]


async def test_an_old_failure_is_left_to_people(world: World) -> None:
    failed = world.adf.fails("nightly-load")
    world.clock.move(7 * 3600)
    await world.hears("nightly-load", failed)
    await world.settle()
    assert not world.adf.rerun.calls
    assert "a person decides" in (await world.ticket()).decision["why"]


async def test_a_rerun_can_still_be_cancelled_after_the_automation_was_stopped(world: World) -> None:
    world.adf.fails("nightly-load")
    await world.after(31)
    ticket = await world.ticket()
    await world.command(Stop(ticket_id=ticket.id, by="rosa"))
    await world.command(Stop(ticket_id=ticket.id, by="rosa", cancel_run=True))
    assert world.adf.cancelled == world.adf.rerun.started_runs
