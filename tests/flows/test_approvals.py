"""Risky repairs wait for a person: one yes is for one attempt of one action, and no answer is a no."""

import asyncio
from dataclasses import replace

import pytest

from pipemend.core.attempt import AttemptStatus
from pipemend.core.badge import Tab, badge, tab
from pipemend.core.commands import Acknowledge, Approve, Reject, Retry, Stop, Switch
from pipemend.core.errors import Stale
from pipemend.core.playbook import PipelineRule, Playbook, Playbooks
from pipemend.core.run import RunStatus
from pipemend.core.ticket import Approval, RemediationStatus, Status, Ticket
from pipemend.store import switches
from pipemend.store.database import Database
from tests.world import BOOKS, World

HOUR = 3600


async def asked(world: World, pipeline: str = "nightly-load") -> Ticket:
    """A ticket that waits for a yes."""
    world.adf.fails(pipeline, "ServerBusy")
    await world.after(31)
    ticket = await world.ticket()
    assert ticket.approval is Approval.AWAITING
    return ticket


def told(world: World, name: str) -> list[dict[str, object]]:
    return [news.event.fields() for news in world.slack.told if news.event.name == name]


async def test_a_risky_repair_asks_and_runs_nothing(world: World) -> None:
    ticket = await asked(world)

    assert not world.adf.rerun.calls
    assert not await world.attempts()
    assert (ticket.remediation_status, ticket.decision["answer"]) == (None, "ask")
    assert (tab(ticket), badge(ticket).text) == (Tab.APPROVAL, "Needs approval")  # type: ignore[union-attr]
    (request,) = told(world, "approval_requested")
    assert (request["attempt"], request["action"]) == (1, "retry_pipeline")
    assert await world.broken() == set()


async def test_a_yes_starts_one_attempt_at_once_and_names_the_person(world: World) -> None:
    ticket = await asked(world)
    await world.command(Approve(ticket_id=ticket.id, by="rosa", proposal=(ticket.proposal or {})["id"]))
    await world.settle()

    (attempt,) = await world.attempts()
    assert (attempt.status, attempt.approved_by, len(world.adf.rerun.calls)) == (AttemptStatus.IN_PROGRESS, "rosa", 1)
    assert [e["user"] for e in told(world, "approval_granted")] == ["rosa"]
    world.adf.ends(world.adf.rerun.started_runs[0], RunStatus.SUCCEEDED)
    await world.after(31)
    ticket = await world.ticket()
    assert (ticket.remediation_status, ticket.approval) == (RemediationStatus.SUCCEEDED, Approval.APPROVED)
    assert (await world.audit_line("approval_approved")).user_name == "rosa"
    assert await world.broken() == set()


async def test_the_next_attempt_of_the_ticket_asks_again(world: World) -> None:
    ticket = await asked(world)
    first = (ticket.proposal or {})["id"]
    await world.command(Approve(ticket_id=ticket.id, by="rosa"))
    await world.settle()
    world.adf.ends(world.adf.rerun.started_runs[0], RunStatus.FAILED, "ServerBusy")
    await world.after(31)

    ticket = await world.ticket()
    assert (ticket.approval, len(world.adf.rerun.calls)) == (Approval.AWAITING, 1)
    assert ticket.remediation_status is RemediationStatus.IN_PROGRESS
    assert [e["attempt"] for e in told(world, "approval_requested")] == [1, 2]
    assert await world.broken() == set()
    with pytest.raises(Stale, match="what is proposed has changed since: attempt 2"):
        await world.command(Approve(ticket_id=ticket.id, by="rosa", proposal=first))
    await world.command(Approve(ticket_id=ticket.id, by="rosa"))
    await world.settle()
    assert len(world.adf.rerun.calls) == 2


async def test_of_two_clicks_at_once_one_counts(world: World) -> None:
    ticket = await asked(world)
    clicks = [Approve(ticket_id=ticket.id, by=name) for name in ("rosa", "kim")] + [
        Reject(ticket_id=ticket.id, by="lu")
    ]
    said = await asyncio.gather(*(world.command(click) for click in clicks), return_exceptions=True)
    await world.settle()

    refused = [str(one) for one in said if isinstance(one, Stale)]
    assert len(refused) == 2
    assert all("already, by" in words or "left to people" in words for words in refused)
    assert len(world.adf.rerun.calls) == sum(not isinstance(one, Stale) for one in said[:2])


async def test_a_no_runs_nothing_and_people_are_told(world: World) -> None:
    ticket = await asked(world)
    await world.command(Reject(ticket_id=ticket.id, by="rosa", reason="the source is being moved"))
    await world.after(5 * HOUR, step=600)

    ticket = await world.ticket()
    assert not world.adf.rerun.calls
    assert (ticket.status, ticket.approval, ticket.remediation_status) == (Status.OPEN, Approval.REJECTED, None)
    (escalated,) = told(world, "status_update")
    assert escalated["escalated"]
    assert "rosa has rejected attempt 1 (retry pipeline): the source is being moved" in str(escalated["reason"])
    with pytest.raises(Stale, match="it was rejected already, by rosa"):
        await world.command(Approve(ticket_id=ticket.id, by="kim"))
    assert await world.broken() == set()


async def test_retry_after_a_no_is_a_persons_own_yes(world: World) -> None:
    ticket = await asked(world)
    await world.command(Reject(ticket_id=ticket.id, by="rosa"))
    await world.command(Retry(ticket_id=ticket.id, by="kim"))
    await world.settle()
    assert ((await world.ticket()).approval, len(world.adf.rerun.calls)) == (None, 1)


async def test_people_are_reminded_once_and_no_answer_is_a_no(world: World) -> None:
    await asked(world)
    await world.after(2 * HOUR, step=300)
    assert [e.get("reminder") for e in told(world, "approval_requested")] == [None, True]
    await world.database.write(lambda db: switches.look_again(db, world.clock.now()))  # as at each start
    await world.after(2 * HOUR, step=300)

    ticket = await world.ticket()
    assert len(told(world, "approval_requested")) == 2
    assert (ticket.approval, ticket.due_at) == (Approval.EXPIRED, None)
    assert not world.adf.rerun.calls
    (escalated,) = told(world, "status_update")
    assert "nobody has approved" in str(escalated["reason"])
    with pytest.raises(Stale, match="the time to answer is over"):
        await world.command(Approve(ticket_id=ticket.id, by="rosa"))
    assert await world.broken() == set()


async def test_a_yes_that_comes_when_the_time_is_over_does_not_count(world: World) -> None:
    ticket = await asked(world)
    world.clock.move(4 * HOUR)  # nobody has looked yet
    with pytest.raises(Stale, match="the time to answer is over"):
        await world.command(Approve(ticket_id=ticket.id, by="rosa"))


async def test_an_old_failure_may_still_be_approved(world: World) -> None:
    world.policy(approval_wait=world.services.policy.approval_wait * 3)
    ticket = await asked(world)
    await world.after(7 * HOUR, step=600)
    await world.command(Approve(ticket_id=ticket.id, by="rosa"))
    await world.settle()
    assert len(world.adf.rerun.calls) == 1


async def test_the_red_button_holds_what_was_approved(world: World) -> None:
    ticket = await asked(world)
    await world.command(Switch(enabled=False, reason="maintenance", by="kim"))
    await world.command(Approve(ticket_id=ticket.id, by="rosa"))
    await world.after(300)
    assert not world.adf.rerun.calls
    await world.command(Switch(enabled=True, by="kim"))
    await world.settle()
    assert len(world.adf.rerun.calls) == 1


async def test_switched_off_a_yes_starts_nothing(world: World) -> None:
    ticket = await asked(world)
    world.policy(enabled=False)
    with pytest.raises(Stale, match="AUTO_REMEDIATION_ENABLED"):
        await world.command(Approve(ticket_id=ticket.id, by="rosa"))


async def test_a_repair_that_healed_itself_meanwhile_asks_nobody_any_more(world: World) -> None:
    ticket = await asked(world)
    own = world.adf.begins("nightly-load", group=ticket.root_run_id, manual=True)
    world.adf.ends(own, RunStatus.SUCCEEDED)
    await world.after(31)
    ticket = await world.ticket()
    assert (ticket.ack_user, ticket.approval) == ("RECOVERED", None)
    with pytest.raises(Stale, match="it is closed"):
        await world.command(Approve(ticket_id=ticket.id, by="rosa"))
    assert await world.broken() == set()


@pytest.mark.parametrize("wish", [Acknowledge, Stop])
async def test_whoever_closes_or_stops_it_takes_the_question_back(
    world: World, wish: type[Acknowledge] | type[Stop]
) -> None:
    ticket = await asked(world)
    await world.command(wish(ticket_id=ticket.id, by="rosa"))
    assert (await world.ticket()).approval is None
    with pytest.raises(Stale):
        await world.command(Approve(ticket_id=ticket.id, by="kim"))
    assert await world.broken() == set()


async def test_another_action_needs_another_yes(world: World) -> None:
    ticket = await asked(world)
    other = Playbook(error_type="ServerBusy", action="check_upstream", approval=True)
    world.adf.remedies = {**world.adf.remedies, "check_upstream": world.adf.rerun}
    world.services.playbooks = Playbooks({**BOOKS, ("ServerBusy", None): other})
    with pytest.raises(Stale, match="has changed since"):
        await world.command(Approve(ticket_id=ticket.id, by="rosa"))
    await world.database.write(lambda db: switches.look_again(db, world.clock.now()))
    await world.settle()
    assert [e["action"] for e in told(world, "approval_requested")] == ["retry_pipeline", "check_upstream"]


async def test_what_was_approved_and_has_changed_before_its_start_asks_again(world: World) -> None:
    ticket = await asked(world)
    await world.command(Approve(ticket_id=ticket.id, by="rosa"))
    other = replace(BOOKS["ServerBusy", None], action="check_upstream")
    world.adf.remedies = {**world.adf.remedies, "check_upstream": world.adf.rerun}
    world.services.playbooks = Playbooks({**BOOKS, ("ServerBusy", None): other})
    await world.settle()
    ticket = await world.ticket()
    assert not world.adf.rerun.calls
    assert (ticket.approval, (ticket.proposal or {})["action"]) == (Approval.AWAITING, "check_upstream")
    assert [a.status for a in await world.attempts()] == [AttemptStatus.CANCELLED]
    assert await world.broken() == set()


async def test_a_rule_may_ask_for_a_pipeline_whatever_the_error(database: Database) -> None:
    world = World(database, rules=(PipelineRule(match="adf-night/pay_*", rerun="ask"),))
    await world.begin()
    world.adf.fails("pay_salaries")
    await world.after(31)
    ticket = await world.ticket()
    assert "only by a person's word" in (ticket.proposal or {})["why"]
    await world.command(Approve(ticket_id=ticket.id, by="rosa"))
    await world.settle()
    assert len(world.adf.rerun.calls) == 1


async def test_switched_off_nobody_is_asked(world: World) -> None:
    world.policy(enabled=False)
    world.adf.fails("nightly-load", "ServerBusy")
    await world.after(31)
    assert (await world.ticket()).approval is None
