"""What fails again after its ticket was closed: people hear of it, and no machine acts until they ask."""

from pipemend.core.attempt import AttemptStatus
from pipemend.core.commands import Acknowledge, Retry
from pipemend.core.errors import Unreachable
from pipemend.core.run import RunStatus
from pipemend.core.ticket import RemediationStatus, Status
from tests.world import World

DAY = 24 * 3600


async def healed(world: World) -> str:
    """A ticket that our rerun has closed; the root's id."""
    failed = world.adf.fails("nightly-load")
    await world.after(31)
    world.adf.ends(world.adf.rerun.started_runs[0], RunStatus.SUCCEEDED)
    await world.after(31)
    assert (await world.ticket()).ack_user == "AI_AUTO_HEAL"
    return failed


async def test_a_repair_that_fails_the_next_day_opens_the_ticket_again(world: World) -> None:
    root = await healed(world)
    world.clock.move(DAY)
    await world.settle()
    world.adf.ends(root, RunStatus.FAILED, "DataConversionError")  # the same run, repaired by hand

    await world.after(300)

    ticket = await world.ticket()
    assert (ticket.status, ticket.remediation_status) == (Status.OPEN, RemediationStatus.FAILED)
    assert (ticket.ack_user, ticket.ack_ts, ticket.ack_seconds, ticket.sla_status) == (None, None, None, "Pending")
    assert ticket.error_type == "DataConversionError"
    assert ticket.run_ended_at == world.adf.runs[root].ended_at
    assert "has failed again" in (ticket.hands_off or "")
    assert len(world.adf.rerun.calls) == 1
    told = world.slack.told[-1].event.fields()
    assert (told["new_status"], told["escalated"]) == ("open", True)
    assert "failed again" in told["reason"]
    assert (await world.audit())[-1] == "failed_again"


async def test_an_alert_brings_the_news_before_the_feed_does_and_it_is_told_once(world: World) -> None:
    root = await healed(world)
    world.clock.move(DAY)
    await world.settle()
    world.adf.ends(root, RunStatus.FAILED, "GatewayTimeout")
    for _ in range(3):
        await world.hears("nightly-load", root)
    await world.settle()
    assert (await world.ticket()).status is Status.OPEN

    await world.hears("nightly-load", root)
    await world.after(120)

    assert (await world.audit()).count("failed_again") == 1


async def test_retry_gives_the_machine_the_word_again(world: World) -> None:
    root = await healed(world)
    world.clock.move(DAY)
    world.adf.ends(root, RunStatus.FAILED, "GatewayTimeout")
    await world.after(31)

    await world.command(Retry(ticket_id=(await world.ticket()).id, by="rosa"))
    await world.settle()

    assert [a.status for a in await world.attempts()] == [AttemptStatus.SUCCEEDED, AttemptStatus.IN_PROGRESS]


async def test_an_alert_about_the_same_end_changes_nothing_however_late(world: World) -> None:
    root = await healed(world)
    before = await world.ticket()
    world.clock.move(DAY)

    await world.hears("nightly-load", root)
    await world.hears("nightly-load", world.adf.rerun.started_runs[0])
    await world.after(61)

    assert await world.ticket() == before
    assert "failed_again" not in await world.audit()


async def test_while_the_platform_is_silent_the_alert_about_a_closed_ticket_waits(world: World) -> None:
    root = await healed(world)
    world.clock.move(DAY)
    world.adf.ends(root, RunStatus.FAILED, "GatewayTimeout")
    world.adf.down = Unreachable("connection refused")
    await world.hears("nightly-load", root)
    await world.after(1800, step=60)
    assert (await world.ticket()).closed

    world.adf.down = None
    await world.after(400)

    assert (await world.ticket()).status is Status.OPEN


async def test_our_own_rerun_that_fails_after_a_person_has_closed_the_ticket_leaves_it_closed(world: World) -> None:
    world.adf.fails("nightly-load")
    await world.after(31)
    (rerun,) = world.adf.rerun.started_runs
    await world.command(Acknowledge(ticket_id=(await world.ticket()).id, by="rosa"))
    world.adf.ends(rerun, RunStatus.FAILED, "GatewayTimeout")
    await world.hears("nightly-load", rerun)
    await world.after(120)
    await world.hears("nightly-load", rerun)
    await world.after(120)
    assert (await world.ticket()).ack_user == "rosa"


async def test_our_own_rerun_that_fails_the_day_after_its_success_opens_the_ticket_again(world: World) -> None:
    await healed(world)
    world.clock.move(DAY)
    world.adf.ends(world.adf.rerun.started_runs[0], RunStatus.FAILED, "GatewayTimeout")
    await world.after(61)
    assert (await world.ticket()).status is Status.OPEN
    assert len(world.adf.rerun.calls) == 1


async def test_a_persons_rerun_that_was_running_when_the_ticket_was_closed_and_fails_is_told(world: World) -> None:
    failed = world.adf.fails("typed-load", "DataConversionError")
    await world.after(31)
    own = world.adf.begins("typed-load", group=failed, manual=True)
    await world.after(31)
    await world.command(Acknowledge(ticket_id=(await world.ticket()).id, by="rosa"))
    await world.after(600)
    world.adf.ends(own, RunStatus.FAILED, "DataConversionError")

    await world.after(61)

    ticket = await world.ticket()
    assert (ticket.status, ticket.ack_user) == (Status.OPEN, None)
    assert "somebody's own rerun" in (ticket.hands_off or "")
    assert world.slack.told[-1].event.fields()["escalated"]


async def test_an_alert_about_a_persons_rerun_that_nobody_had_seen_is_told_too(world: World) -> None:
    failed = world.adf.fails("typed-load", "DataConversionError")
    await world.after(31)
    own = world.adf.begins("typed-load", group=failed, manual=True)
    world.adf.hidden.add(own)
    await world.command(Acknowledge(ticket_id=(await world.ticket()).id, by="rosa"))
    world.clock.move(20)
    world.adf.ends(own, RunStatus.FAILED, "DataConversionError")
    world.adf.hidden.clear()

    await world.hears("typed-load", own)
    await world.settle()

    assert (await world.ticket()).status is Status.OPEN
    await world.after(120)
    assert (await world.audit()).count("failed_again") == 1


async def test_what_a_person_had_seen_fail_before_closing_stays_closed(world: World) -> None:
    failed = world.adf.fails("typed-load", "DataConversionError")
    await world.after(31)
    own = world.adf.begins("typed-load", group=failed, manual=True)
    world.clock.move(5)
    world.adf.ends(own, RunStatus.FAILED, "DataConversionError")
    world.clock.move(5)
    await world.command(Acknowledge(ticket_id=(await world.ticket()).id, by="rosa"))
    await world.after(61)
    assert (await world.ticket()).ack_user == "rosa"


async def test_a_success_that_is_older_than_the_latest_failure_recovers_nothing(world: World) -> None:
    failed = world.adf.fails("nightly-load")
    await world.after(31)
    own = world.adf.begins("nightly-load", group=failed, manual=True)
    world.adf.ends(world.adf.rerun.started_runs[0], RunStatus.SUCCEEDED)
    await world.after(31)
    assert (await world.ticket()).ack_user == "AI_AUTO_HEAL"
    world.adf.ends(own, RunStatus.FAILED, "GatewayTimeout")
    await world.after(61)
    assert (await world.ticket()).status is Status.OPEN

    await world.command(Retry(ticket_id=(await world.ticket()).id, by="rosa"))
    await world.settle()

    assert len(world.adf.rerun.calls) == 2


async def test_a_persons_repair_of_the_same_run_decides_about_an_open_ticket(world: World) -> None:
    root = world.adf.fails("typed-load", "DataConversionError")
    await world.after(31)
    world.adf.ends(root, RunStatus.SUCCEEDED)
    await world.after(31)
    ticket = await world.ticket()
    assert (ticket.status, ticket.ack_user) == (Status.ACKNOWLEDGED, "RECOVERED")


async def test_what_fails_again_while_our_rerun_runs_on_after_the_closing_is_told_when_that_has_ended(
    world: World,
) -> None:
    root = world.adf.fails("nightly-load")
    await world.after(31)
    (rerun,) = world.adf.rerun.started_runs
    await world.command(Acknowledge(ticket_id=(await world.ticket()).id, by="rosa"))
    world.adf.ends(root, RunStatus.FAILED, "GatewayTimeout")  # the same run, repaired by hand
    await world.after(120)
    assert (await world.ticket()).closed

    world.adf.ends(rerun, RunStatus.FAILED, "GatewayTimeout")
    await world.after(120)

    assert (await world.ticket()).status is Status.OPEN
    assert (await world.audit()).count("failed_again") == 1
