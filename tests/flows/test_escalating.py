"""People hand a ticket over, and take it up again: nothing starts behind their backs."""

from datetime import timedelta

import pytest

from pipemend.core.attempt import AttemptStatus
from pipemend.core.badge import Tab, tab
from pipemend.core.commands import Acknowledge, Approve, Escalate, Reopen, Retry, Stop
from pipemend.core.errors import Stale
from pipemend.core.run import RunStatus
from pipemend.core.ticket import RemediationStatus, Status
from tests.flows.test_approvals import asked, told
from tests.flows.test_people import backing_off
from tests.world import World

HOUR = 3600


async def test_handing_over_cancels_what_waits_and_says_who_and_why(world: World) -> None:
    await backing_off(world)
    ticket = await world.ticket()
    await world.command(Escalate(ticket_id=ticket.id, by="rosa", reason="the source is being moved"))
    await world.after(3 * HOUR, step=600)

    ticket = await world.ticket()
    assert [a.status for a in await world.attempts()] == [AttemptStatus.FAILED, AttemptStatus.CANCELLED]
    assert (ticket.status, ticket.remediation_status, tab(ticket)) == (
        Status.OPEN,
        RemediationStatus.FAILED,
        Tab.ESCALATED,
    )
    said = told(world, "status_update")[-1]
    assert (said["escalated"], said["user"]) == (True, "rosa")
    assert said["reason"] == "handed over by rosa: the source is being moved"
    assert (await world.audit_line("handed_over")).user_name == "rosa"
    assert len(world.adf.rerun.calls) == 1
    assert await world.broken() == set()


async def test_a_rerun_that_runs_goes_on_and_no_other_follows(world: World) -> None:
    world.adf.fails("nightly-load", "ThrottlingError")
    await world.after(31)
    await world.command(Escalate(ticket_id=(await world.ticket()).id, by="rosa"))
    assert (await world.ticket()).remediation_status is RemediationStatus.IN_PROGRESS
    world.adf.ends(world.adf.rerun.started_runs[0], RunStatus.FAILED, "ThrottlingError")
    await world.after(HOUR, step=300)

    assert (await world.ticket()).remediation_status is RemediationStatus.FAILED
    assert len(world.adf.rerun.calls) == 1
    assert await world.broken() == set()


async def test_a_rerun_that_goes_well_after_all_closes_it(world: World) -> None:
    world.adf.fails("nightly-load")
    await world.after(31)
    await world.command(Escalate(ticket_id=(await world.ticket()).id, by="rosa"))
    world.adf.ends(world.adf.rerun.started_runs[0], RunStatus.SUCCEEDED)
    await world.after(31)
    assert (await world.ticket()).remediation_status is RemediationStatus.SUCCEEDED


async def test_handing_over_takes_the_question_back(world: World) -> None:
    ticket = await asked(world)
    await world.command(Escalate(ticket_id=ticket.id, by="rosa"))
    with pytest.raises(Stale):
        await world.command(Approve(ticket_id=ticket.id, by="kim"))
    assert (await world.ticket()).approval is None
    assert await world.broken() == set()


async def test_the_second_one_is_told_who_was_first(world: World) -> None:
    await backing_off(world)
    ticket = await world.ticket()
    await world.command(Stop(ticket_id=ticket.id, by="lu"))  # a stop rings no bell: somebody may hand over still
    await world.command(Escalate(ticket_id=ticket.id, by="rosa", reason="the source is gone"))
    with pytest.raises(Stale, match="it was handed over by rosa: the source is gone"):
        await world.command(Escalate(ticket_id=ticket.id, by="kim"))


async def test_retry_gives_the_machine_the_word_back(world: World) -> None:
    await backing_off(world)
    ticket = await world.ticket()
    await world.command(Escalate(ticket_id=ticket.id, by="rosa"))
    await world.command(Retry(ticket_id=ticket.id, by="kim"))
    await world.settle()
    assert len(world.adf.rerun.calls) == 2
    await world.command(Escalate(ticket_id=ticket.id, by="lu"))
    assert await world.broken() == set()


async def test_reopening_clears_who_closed_it_and_starts_nothing(world: World) -> None:
    await backing_off(world)
    ticket = await world.ticket()
    await world.command(Acknowledge(ticket_id=ticket.id, by="kim"))
    await world.command(Reopen(ticket_id=ticket.id, by="rosa", reason="the numbers are missing"))
    await world.after(3 * HOUR, step=600)

    ticket = await world.ticket()
    assert (ticket.status, ticket.ack_user, ticket.ack_ts, ticket.ack_seconds) == (Status.OPEN, None, None, None)
    assert ticket.remediation_status is RemediationStatus.FAILED
    assert len(world.adf.rerun.calls) == 1
    line = await world.audit_line("reopened")
    assert (line.user_name, line.details["closed_by"]) == ("rosa", "kim")
    assert await world.broken() == set()

    await world.command(Retry(ticket_id=ticket.id, by="rosa"))
    await world.settle()
    assert len(world.adf.rerun.calls) == 2


async def test_what_a_machine_has_healed_may_be_opened_again(world: World) -> None:
    world.adf.fails("nightly-load")
    await world.after(31)
    world.adf.ends(world.adf.rerun.started_runs[0], RunStatus.SUCCEEDED)
    await world.after(31)
    ticket = await world.ticket()
    await world.command(Reopen(ticket_id=ticket.id, by="rosa"))
    await world.after(HOUR, step=600)
    ticket = await world.ticket()
    assert (ticket.status, ticket.remediation_status) == (Status.OPEN, RemediationStatus.FAILED)
    assert await world.broken() == set()

    await world.command(Retry(ticket_id=ticket.id, by="rosa"))  # what went well meanwhile is not repeated
    await world.settle()
    assert (await world.ticket()).ack_user == "RECOVERED"
    assert len(world.adf.rerun.calls) == 1
    assert await world.broken() == set()


async def test_only_what_is_closed_can_be_opened_again(world: World) -> None:
    await backing_off(world)
    ticket = await world.ticket()
    with pytest.raises(Stale, match="it is open"):
        await world.command(Reopen(ticket_id=ticket.id, by="rosa"))
    await world.command(Acknowledge(ticket_id=ticket.id, by="kim"))
    with pytest.raises(Stale, match="it is closed, by kim"):
        await world.command(Escalate(ticket_id=ticket.id, by="rosa"))


async def test_a_merged_ticket_stays_merged(world: World) -> None:
    await backing_off(world)
    ticket = await world.ticket()
    await world.command(Acknowledge(ticket_id=ticket.id, by="MERGED"))
    await world.change_ticket(ticket, merged_into="ADF-other")
    with pytest.raises(Stale, match="it is merged into ADF-other"):
        await world.command(Reopen(ticket_id=ticket.id, by="rosa"))


async def test_a_breach_that_was_said_is_not_said_again(world: World) -> None:
    await backing_off(world)
    ticket = await world.ticket()
    world.clock.move(timedelta(seconds=ticket.sla_seconds + 1).total_seconds())
    await world.upkeep()
    await world.command(Acknowledge(ticket_id=ticket.id, by="kim"))
    await world.command(Reopen(ticket_id=ticket.id, by="rosa"))
    await world.upkeep()
    assert len(told(world, "sla_breached")) == 1


async def test_a_root_that_ended_while_the_ticket_was_closed_is_read(world: World) -> None:
    root = world.adf.begins("nightly-load")
    child = world.adf.fails("load-customers", parent=root)
    await world.hears("load-customers", child)
    await world.settle()
    ticket = await world.ticket()
    await world.command(Acknowledge(ticket_id=ticket.id, by="kim"))
    world.adf.ends(root, RunStatus.FAILED, "GatewayTimeout")
    await world.after(62)
    await world.command(Reopen(ticket_id=ticket.id, by="rosa"))
    await world.after(62)

    ticket = await world.ticket()
    assert (ticket.status, ticket.run_ended_at is not None) == (Status.OPEN, True)
    assert not world.adf.rerun.calls
    assert await world.broken() == set()
    await world.command(Retry(ticket_id=ticket.id, by="rosa"))
    await world.settle()
    assert len(world.adf.rerun.calls) == 1
