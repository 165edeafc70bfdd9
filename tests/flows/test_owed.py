"""Whatever the machine owes somebody, it does or says: nothing waits for ever."""

import pytest
import sqlalchemy as sa

from pipemend.core.attempt import AttemptStatus
from pipemend.core.commands import Acknowledge
from pipemend.core.errors import Unreachable
from pipemend.core.run import RunStatus
from pipemend.core.ticket import RemediationStatus, Status
from pipemend.store import feeds
from pipemend.store.schema import attempts
from tests.world import World


async def breaks(*_: object) -> None:
    raise KeyError("surprise")


async def test_a_crowd_that_waits_hides_no_attempt_that_has_to_be_looked_at(world: World) -> None:
    world.adf.rerun.next_answers = ["lost_after"] * 20
    for number in range(130):
        world.adf.fails(f"load-{number}")
    await world.after(31)
    assert len(world.adf.rerun.calls) == 20

    await world.after(60, step=10)

    wish = sa.select(attempts.c.status, sa.func.count()).group_by(attempts.c.status)
    counted = await world.database.read(lambda db: {row[0]: row[1] for row in db.execute(wish)})
    assert counted == {AttemptStatus.WAITING: 110, AttemptStatus.IN_PROGRESS: 20}


async def test_an_unclear_call_on_a_platform_that_stays_silent_goes_to_people_at_the_deadline(world: World) -> None:
    world.adf.rerun.next_answers = ["lost_before"]
    world.adf.fails("nightly-load")
    await world.after(31)
    world.adf.down = Unreachable("connection refused")
    await world.after(4000, step=60)
    (attempt,) = await world.attempts()
    assert attempt.status is AttemptStatus.FAILED
    assert "silence" in (attempt.failure_reason or "")
    assert (await world.ticket()).remediation_status is RemediationStatus.FAILED


@pytest.mark.parametrize("answer", ["lost_before", "runs"])
async def test_an_attempt_that_nobody_can_look_at_goes_to_people(
    world: World, answer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.adf.rerun.next_answers = [answer]
    world.adf.fails("nightly-load")
    await world.after(31)

    monkeypatch.setattr(world.adf.rerun, "started", breaks)
    monkeypatch.setattr(world.adf, "run", breaks)
    await world.after(1500, step=30)
    (attempt,) = await world.attempts()
    ended = AttemptStatus.FAILED if answer == "lost_before" else AttemptStatus.TIMED_OUT  # a late success still counts
    assert attempt.status is ended
    assert "surprise" in (attempt.failure_reason or "")
    assert (await world.ticket()).remediation_status is RemediationStatus.FAILED


async def test_a_rerun_that_ended_before_it_was_found_is_concluded_at_once(world: World) -> None:
    world.adf.rerun.next_answers = ["lost_after"]
    failed = world.adf.fails("nightly-load")
    await world.hears("nightly-load", failed)
    await world.settle()
    (rerun,) = world.adf.rerun.started_runs
    world.adf.hidden.add(rerun)
    world.adf.ends(rerun, RunStatus.SUCCEEDED)
    await world.after(200)
    world.adf.hidden.clear()
    await world.after(31)
    assert (await world.ticket()).status is Status.ACKNOWLEDGED


async def test_a_root_that_is_gone_leaves_its_ticket_to_people(world: World) -> None:
    root = world.adf.begins("nightly-load")
    child = world.adf.fails("load-customers", parent=root)
    await world.hears("load-customers", child)
    await world.settle()
    world.adf.hidden |= {root, child}
    await world.after(600, step=20)
    ticket = await world.ticket()
    assert ticket.decision["answer"] == "never"
    assert "does not know the run" in ticket.decision["why"]
    assert ticket.due_at is None


async def test_a_ticket_that_makes_its_decision_stumble_goes_to_people(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = world.adf.begins("nightly-load")
    child = world.adf.fails("load-customers", parent=root)
    await world.hears("load-customers", child)
    await world.settle()

    monkeypatch.setattr(world.adf, "run", breaks)
    await world.after(400, step=20)
    ticket = await world.ticket()
    assert ticket.due_at is None
    assert "surprise" in ticket.decision["why"]
    assert world.slack.told[-1].event.fields()["escalated"]


async def test_acknowledging_an_escalated_ticket_keeps_the_word_that_all_attempts_were_used(world: World) -> None:
    world.adf.fails("nightly-load")
    await world.after(31)
    for _ in range(3):
        world.adf.ends(world.adf.rerun.started_runs[-1], RunStatus.FAILED, "GatewayTimeout")
        await world.after(200)
    await world.command(Acknowledge(ticket_id=(await world.ticket()).id, by="rosa"))
    assert (await world.ticket()).remediation_status is RemediationStatus.MAX_RETRIES_EXCEEDED


async def test_a_bug_of_a_platform_is_shown_at_its_feed_and_the_feed_is_read_again(world: World) -> None:
    world.adf.down = AttributeError("'NoneType' object has no attribute 'value'")
    await world.after(31)
    (feed,) = await world.database.read(feeds.all_of)
    assert (feed.error, feed.failures) == ("AttributeError: 'NoneType' object has no attribute 'value'", 1)

    world.adf.down = None
    await world.after(61)
    (feed,) = await world.database.read(feeds.all_of)
    assert feed.error is None
