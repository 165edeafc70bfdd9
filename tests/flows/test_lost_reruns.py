"""Reruns that a playbook started and nobody knows: they make no loop, and end in the ticket they belong to."""

import pytest

from pipemend.core.attempt import AttemptStatus
from pipemend.core.commands import Acknowledge, Retry
from pipemend.core.errors import Unreachable
from pipemend.core.run import RunStatus
from pipemend.core.ticket import RemediationStatus, Status, Ticket
from pipemend.store import reports, tickets
from tests.world import World

HOUR = 3600


@pytest.fixture
async def world(world: World) -> World:
    """Reruns go through a playbook that starts them outside of the run group."""
    world.adf.rerun.via = "playbook"
    world.adf.rerun.in_group = False
    return world


async def own_ticket(world: World) -> tuple[Ticket, Ticket, str]:
    """The rerun of an unclear call could not be found, failed, and has got a ticket of its own: both, and the rerun."""
    world.adf.rerun.next_answers = ["accepted"]
    failed = world.adf.fails("nightly-load")
    await world.hears("nightly-load", failed)
    await world.settle()
    (rerun,) = world.adf.rerun.started_runs
    world.adf.hidden.add(rerun)
    world.adf.ends(rerun, RunStatus.FAILED, "GatewayTimeout")
    await world.hears("nightly-load", rerun, error_code="GatewayTimeout")
    await world.after(5 * 60)
    first, own = await world.tickets()
    return first, own, rerun


async def test_a_rerun_that_is_found_late_takes_its_ticket_along(world: World) -> None:
    first, own, rerun = await own_ticket(world)
    assert own.hands_off == f"may be the rerun of {first.id}: no machine acts on it"

    world.adf.hidden.remove(rerun)
    await world.after(120)

    assert [ticket.id for ticket in await world.tickets()] == [first.id]
    attempt, second = await world.attempts(first.id)
    assert (attempt.remediation_run_id, attempt.status) == (rerun, AttemptStatus.FAILED)
    assert second.status is AttemptStatus.IN_PROGRESS
    assert "merged" in await world.audit()
    closing = [news.event.fields() for news in world.slack.told if news.ticket.id == own.id][-1]
    assert (closing["user"], closing["new_status"]) == ("MERGED", "acknowledged")
    assert closing["reason"] == f"merged into {first.id}"


async def test_a_merged_ticket_is_in_no_list_and_no_count_and_its_alerts_join_the_other(world: World) -> None:
    first, _, rerun = await own_ticket(world)
    world.adf.hidden.remove(rerun)
    await world.after(120)
    await world.hears("nightly-load", rerun)
    await world.after(61)
    found = await world.database.read(lambda db: reports.listing(db, reports.View()))
    assert [ticket.id for ticket in found.tickets] == [first.id]
    assert found.total == 1


async def test_a_ticket_that_a_person_has_closed_keeps_that_name_when_it_is_merged(world: World) -> None:
    first, own, rerun = await own_ticket(world)
    await world.command(Acknowledge(ticket_id=own.id, by="rosa"))
    world.adf.hidden.remove(rerun)
    await world.after(120)
    merged = await world.database.read(lambda db: tickets.get(db, own.id))
    assert (merged.ack_user, merged.merged_into) == ("rosa", first.id)


async def test_a_playbook_that_names_another_run_than_it_starts_is_followed_by_what_it_started(world: World) -> None:
    world.adf.rerun.next_answers = ["misnamed"] * 9
    world.adf.fails("nightly-load")
    await world.after(31)
    for _ in range(3):
        world.adf.ends(world.adf.rerun.started_runs[-1], RunStatus.FAILED, "GatewayTimeout")
        await world.after(420)

    assert len(world.adf.rerun.calls) == 3
    assert [a.remediation_run_id for a in await world.attempts()] == world.adf.rerun.started_runs
    assert (await world.ticket()).remediation_status is RemediationStatus.MAX_RETRIES_EXCEEDED


async def test_a_playbook_that_names_another_run_heals_by_the_one_that_it_started(world: World) -> None:
    world.adf.rerun.next_answers = ["misnamed"]
    world.adf.fails("nightly-load")
    await world.after(31)
    world.adf.ends(world.adf.rerun.started_runs[0], RunStatus.SUCCEEDED)
    await world.after(300)
    assert (await world.ticket()).ack_user == "AI_AUTO_HEAL"


@pytest.mark.parametrize("answer", ["lost_before", "accepted", "misnamed"])
async def test_a_rerun_that_shows_up_after_it_was_given_up_makes_no_loop(world: World, answer: str) -> None:
    world.adf.rerun.next_answers = [answer] * 9
    failed = world.adf.fails("nightly-load")
    await world.hears("nightly-load", failed)
    await world.settle()
    world.adf.hidden |= set(world.adf.rerun.started_runs)
    await world.after(HOUR + 120, step=120)

    late = world.adf.begins("nightly-load", manual=True)
    world.clock.move(60)
    world.adf.ends(late, RunStatus.FAILED, "GatewayTimeout")
    await world.hears("nightly-load", late)
    await world.after(8 * HOUR, step=600)

    assert len(world.adf.rerun.calls) == 1
    first, second = await world.tickets()
    assert second.root_run_id == late
    assert second.decision["why"] == f"may be the rerun of {first.id}: no machine acts on it"


async def test_what_a_trigger_starts_after_a_rerun_was_given_up_is_a_matter_of_its_own(world: World) -> None:
    world.adf.rerun.next_answers = ["lost_before"]
    world.adf.fails("nightly-load")
    await world.after(31)
    await world.after(HOUR + 120, step=120)

    world.adf.fails("nightly-load")
    await world.after(61)

    assert len(world.adf.rerun.calls) == 2


async def test_while_a_direct_call_is_unclear_a_run_outside_of_the_group_is_not_held(world: World) -> None:
    world.adf.rerun.via = "direct"
    world.adf.rerun.next_answers = ["lost_before"]
    world.adf.fails("nightly-load")
    await world.after(31)

    world.adf.fails("nightly-load")
    await world.after(31)

    _, second = await world.tickets()
    assert second.hands_off is None
    assert "another repair of this pipeline is under way" in second.decision["why"]


async def test_while_a_playbook_is_unclear_a_run_that_began_before_the_call_is_not_held(world: World) -> None:
    other = world.adf.begins("nightly-load")
    world.clock.move(300)
    world.adf.rerun.next_answers = ["lost_before"]
    world.adf.fails("nightly-load")
    await world.after(31)

    world.adf.ends(other, RunStatus.FAILED, "GatewayTimeout")
    await world.after(31)

    assert [ticket.hands_off for ticket in await world.tickets()] == [None, None]


async def test_the_ticket_of_a_child_is_merged_into_that_of_its_root_with_its_runs(world: World) -> None:
    root = world.adf.begins("nightly-load")
    child = world.adf.fails("load-customers", parent=root)
    world.adf.ends(root, RunStatus.FAILED, "DataConversionError")
    world.adf.down = Unreachable("connection refused")
    await world.hears("load-customers", child, error_code="GatewayTimeout")
    await world.after(70, step=10)
    world.adf.down = None
    await world.hears("nightly-load", root)
    await world.after(120)
    await world.hears("load-customers", child)
    await world.after(60)

    (only,) = await world.tickets()
    assert (only.root_run_id, only.status) == (root, Status.OPEN)
    assert "merged" in await world.audit()


async def taken_for_ours(world: World) -> tuple[str, str]:
    """A person's rerun was taken for that of an unclear call, and has failed: the rerun that runs still, and it."""
    world.adf.rerun.next_answers = ["accepted"]
    root = world.adf.fails("nightly-load")
    await world.after(31, step=31)
    persons = world.adf.begins("nightly-load", group=root, manual=True)
    await world.after(2)
    world.adf.ends(persons, RunStatus.FAILED, "GatewayTimeout")
    (rerun,) = world.adf.rerun.started_runs
    await world.after(90)
    return rerun, persons


async def test_no_rerun_starts_beside_one_for_which_a_persons_was_taken(world: World) -> None:
    rerun, persons = await taken_for_ours(world)
    first, second = await world.attempts()
    assert (first.remediation_run_id, first.status) == (persons, AttemptStatus.FAILED)
    assert (second.status, len(world.adf.rerun.calls)) == (AttemptStatus.WAITING, 1)
    assert "may be an earlier rerun of ours is running" in (await world.ticket()).decision["why"]

    world.adf.ends(rerun, RunStatus.FAILED, "GatewayTimeout")
    await world.after(90)
    assert len(world.adf.rerun.calls) == 2


async def test_when_what_may_have_been_our_rerun_has_succeeded_a_person_decides(world: World) -> None:
    rerun, _ = await taken_for_ours(world)
    world.adf.ends(rerun, RunStatus.SUCCEEDED)
    await world.after(90)
    ticket = await world.ticket()
    assert (ticket.status, ticket.remediation_status) == (Status.OPEN, RemediationStatus.FAILED)
    assert ticket.decision["why"] == "a run that may be an earlier rerun of ours has succeeded: a person decides"

    await world.command(Retry(ticket_id=ticket.id, by="rosa"))
    await world.after(60)
    assert len(world.adf.rerun.calls) == 2


@pytest.mark.parametrize("answer", ["runs", "accepted", "misnamed"])
async def test_a_retry_after_the_deadline_waits_for_the_rerun_that_runs_outside_of_the_group(
    world: World, answer: str
) -> None:
    world.adf.rerun.next_answers = [answer]
    world.adf.fails("nightly-load")
    await world.after(31)
    (rerun,) = world.adf.rerun.started_runs
    await world.after(HOUR + 120, step=120)
    await world.command(Retry(ticket_id=(await world.ticket()).id, by="rosa"))
    await world.after(120)
    assert len(world.adf.rerun.calls) == 1
    assert "an earlier rerun of ours is running" in (await world.ticket()).decision["why"]

    world.adf.ends(rerun, RunStatus.FAILED, "GatewayTimeout")
    await world.after(90)
    assert len(world.adf.rerun.calls) == 2


async def test_a_retry_after_two_candidates_waits_until_neither_runs(world: World) -> None:
    world.adf.rerun.next_answers = ["accepted"]
    world.adf.fails("nightly-load")
    await world.after(31, step=31)
    world.adf.begins("nightly-load", manual=True)
    await world.after(60)
    ticket = await world.ticket()
    assert "none was adopted" in str((await world.attempts())[0].failure_reason)

    await world.command(Retry(ticket_id=ticket.id, by="rosa"))
    await world.after(60)
    assert len(world.adf.rerun.calls) == 1
