"""A rerun starts once for one attempt, and no attempt starts for work that is mended or mended elsewhere already."""

import asyncio
import time
from functools import partial

import pytest
import sqlalchemy as sa

from pipemend.core.attempt import Attempt, AttemptStatus, Stage
from pipemend.core.commands import Retry, Stop, Switch
from pipemend.core.errors import NoAnswer, Overtaken, Stale
from pipemend.core.playbook import Playbook, Playbooks
from pipemend.core.run import RunStatus
from pipemend.core.ticket import RemediationStatus, Status
from pipemend.flows import due, feed, intake, reconsider, remediation
from pipemend.store import tickets
from tests.world import World


async def timed_out(world: World) -> str:
    """A ticket whose first rerun has passed its deadline and still runs; the rerun's id."""
    world.adf.fails("nightly-load")
    await world.after(31)
    await world.after(3700, step=60)
    (attempt,) = await world.attempts()
    assert attempt.status is AttemptStatus.TIMED_OUT
    return world.adf.rerun.started_runs[0]


async def test_a_late_success_cancels_the_retry_that_waits(world: World) -> None:
    rerun = await timed_out(world)
    await world.command(Switch(enabled=False, reason="maintenance", by="rosa"))
    await world.command(Retry(ticket_id=(await world.ticket()).id, by="rosa"))
    world.adf.ends(rerun, RunStatus.SUCCEEDED)
    await world.after(61)
    assert (await world.ticket()).status is Status.ACKNOWLEDGED

    await world.command(Switch(enabled=True, by="rosa"))
    await world.after(120)

    assert len(world.adf.rerun.calls) == 1
    assert [a.status for a in await world.attempts()] == [AttemptStatus.SUCCEEDED, AttemptStatus.CANCELLED]


async def test_a_retry_does_not_start_beside_an_earlier_rerun_that_still_runs(world: World) -> None:
    rerun = await timed_out(world)
    await world.command(Retry(ticket_id=(await world.ticket()).id, by="rosa"))
    await world.after(120)
    assert len(world.adf.rerun.calls) == 1
    assert "is running" in (await world.ticket()).decision["why"]

    world.adf.ends(rerun, RunStatus.FAILED, "GatewayTimeout")
    await world.after(120)
    assert len(world.adf.rerun.calls) == 2


async def test_a_ticket_that_two_workers_decide_on_gets_one_attempt(world: World) -> None:
    """The first worker was slow: its lease ran out, and another one has decided meanwhile."""
    await world.hears("nightly-load", world.adf.fails("nightly-load"))
    await world.settle()
    await world.hears("nightly-load", world.adf.fails("nightly-load"))
    await world.settle()
    (waits,) = [ticket for ticket in await world.tickets() if ticket.due_at is not None]
    world.adf.ends(world.adf.rerun.started_runs[0], RunStatus.SUCCEEDED)
    await world.after(61)
    assert len(await world.attempts(waits.id)) == 1

    await world.database.write(partial(reconsider._decide, world.services, waits.id))
    await world.settle()

    assert len(await world.attempts(waits.id)) == 1
    assert len(world.adf.rerun.calls) == 2


async def test_retry_waits_for_the_end_of_the_outermost_run(world: World) -> None:
    root = world.adf.begins("nightly-load")
    child = world.adf.fails("load-customers", parent=root)
    await world.hears("load-customers", child)
    await world.settle()
    with pytest.raises(Stale, match="has not ended"):
        await world.command(Retry(ticket_id=(await world.ticket()).id, by="rosa"))

    world.adf.ends(root, RunStatus.FAILED, "GatewayTimeout")
    await world.after(121)
    assert len(world.adf.rerun.calls) == 1


async def test_two_failures_of_one_pipeline_never_start_together(world: World) -> None:
    for _ in range(2):
        await world.hears("nightly-load", world.adf.fails("nightly-load"))
        await intake.take_due(world.services)
    (second,) = [ticket for ticket in await world.tickets() if not await world.attempts(ticket.id)]
    await world.command(Retry(ticket_id=second.id, by="rosa"))
    world.clock.move(31)
    await due.take_due(world.services)
    waiting = [a for ticket in await world.tickets() for a in await world.attempts(ticket.id)]
    assert len(waiting) == 2
    seen = [await remediation.look(attempt.key) for attempt in waiting]
    s, now = world.services, world.clock.now()

    def begin(attempt: Attempt, facts: object, db: sa.Connection) -> Attempt | None:
        begun = remediation.begin(db, s, attempt.key, attempt.revision, facts, now)  # type: ignore[arg-type]
        time.sleep(0.2)  # on PostgreSQL both are under way at once
        return begun

    units = [s.database.write(partial(begin, attempt, facts)) for attempt, facts in zip(waiting, seen, strict=True)]
    begun = await asyncio.gather(*units)

    assert len([attempt for attempt in begun if attempt is not None]) == 1


async def stopped_retry(world: World) -> None:
    """A person asked for one more attempt, and stopped it before it could start."""
    ticket = await world.ticket()
    await world.command(Switch(enabled=False, reason="maintenance", by="rosa"))
    await world.command(Retry(ticket_id=ticket.id, by="rosa"))
    await world.command(Stop(ticket_id=ticket.id, by="rosa"))
    await world.command(Switch(enabled=True, by="rosa"))


async def test_a_retry_that_was_stopped_grants_nothing_later(world: World) -> None:
    world.adf.fails("typed-load", "DataConversionError")
    await world.after(31)
    await stopped_retry(world)
    await world.command(Retry(ticket_id=(await world.ticket()).id, by="rosa"))
    await world.settle()
    world.adf.ends(world.adf.rerun.started_runs[0], RunStatus.FAILED, "DataConversionError")
    await world.after(300)
    assert len(world.adf.rerun.calls) == 1


async def test_a_stopped_retry_gives_the_machine_no_attempt_beyond_its_limit(world: World) -> None:
    world.adf.fails("nightly-load")
    await world.after(31)
    for _ in range(3):
        world.adf.ends(world.adf.rerun.started_runs[-1], RunStatus.FAILED, "GatewayTimeout")
        await world.after(200)
    await stopped_retry(world)
    await world.command(Retry(ticket_id=(await world.ticket()).id, by="rosa"))
    await world.settle()
    assert len(world.adf.rerun.calls) == 4
    world.adf.ends(world.adf.rerun.started_runs[-1], RunStatus.FAILED, "GatewayTimeout")
    await world.after(600)
    assert len(world.adf.rerun.calls) == 4
    assert (await world.ticket()).remediation_status is RemediationStatus.MAX_RETRIES_EXCEEDED


async def test_a_persons_attempt_that_is_declined_leaves_no_attempt_to_the_machine(world: World) -> None:
    books = dict(world.services.playbooks.entries)
    books["DataConversionError", None] = Playbook(error_type="DataConversionError", action="retry_pipeline")
    world.services.playbooks = Playbooks(books)
    world.adf.fails("typed-load", "DataConversionError")
    await world.after(31)
    world.adf.rerun.next_answers = ["refused"]
    await world.command(Retry(ticket_id=(await world.ticket()).id, by="rosa"))
    await world.after(300)
    assert len(world.adf.rerun.calls) == 1
    assert [a.by for a in await world.attempts()] == ["rosa"]
    assert "not for a machine" in (await world.ticket()).decision["why"]


async def test_stop_says_when_the_rerun_it_should_cancel_is_not_known_yet(world: World) -> None:
    world.adf.rerun.next_answers = ["lost_before"]
    world.adf.fails("nightly-load")
    await world.after(31)
    with pytest.raises(Stale, match="not known"):
        await world.command(Stop(ticket_id=(await world.ticket()).id, by="rosa", cancel_run=True))
    assert (await world.ticket()).hands_off == "stopped by rosa"


async def test_a_remedy_that_gets_no_answer_is_not_called_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(attempt: Attempt, stage: Stage) -> None:
        world.adf.rerun.calls.append(attempt)
        raise NoAnswer("nothing came back")

    monkeypatch.setattr(world.adf.rerun, "advance", silent)
    world.adf.fails("nightly-load")

    await world.after(121)

    assert [a.status for a in await world.attempts()] == [AttemptStatus.UNKNOWN]
    assert len(world.adf.rerun.calls) == 1


async def test_of_many_failures_of_one_pipeline_one_is_repaired_and_the_others_say_why_they_wait(world: World) -> None:
    for _ in range(30):
        world.adf.fails("copy-anything")
    await world.after(31)

    tickets = await world.tickets()
    tried = [ticket for ticket in tickets if await world.attempts(ticket.id)]
    assert len(tried) == len(world.adf.rerun.calls) == 1
    waits = [ticket.decision["why"] for ticket in tickets if ticket.id != tried[0].id]
    assert waits == [f"another repair of this pipeline is under way ({tried[0].id})"] * 29

    world.adf.ends(world.adf.rerun.started_runs[0], RunStatus.SUCCEEDED)
    await world.after(61)
    assert len(world.adf.rerun.calls) == 2


async def test_two_workers_share_one_budget(world: World) -> None:
    world.policy(max_in_flight=3)
    for number in range(10):
        await world.hears(f"load-{number}", world.adf.fails(f"load-{number}"))
    await intake.take_due(world.services)

    await asyncio.gather(*(due.take_due(world.services) for _ in range(4)))
    await world.settle()

    assert len(world.adf.rerun.calls) == 3


async def test_what_the_platform_said_before_a_crash_is_asked_again_after_it(world: World) -> None:
    """Between look and call lay a night: meanwhile somebody's own rerun has succeeded."""
    failed = world.adf.fails("nightly-load")
    await world.hears("nightly-load", failed)
    await intake.take_due(world.services)
    await due.take_due(world.services)
    (attempt,) = await world.attempts()
    seen = await remediation.look(attempt.key)
    own = world.adf.begins("nightly-load", group=failed, manual=True)
    world.adf.ends(own, RunStatus.SUCCEEDED)
    world.clock.move(600)

    await remediation.call(attempt.key, attempt.revision, seen)

    assert not world.adf.rerun.calls
    assert (await world.ticket()).ack_user == "RECOVERED"


async def test_a_rerun_that_is_adopted_while_the_feed_is_read_is_not_taken_for_a_persons(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.adf.fails("nightly-load")
    await world.after(31)
    rerun = world.adf.rerun.started_runs[0]
    world.adf.ends(rerun, RunStatus.SUCCEEDED)
    run = await world.adf.run(world.adf.ref(rerun))
    assert run is not None
    with monkeypatch.context() as just_before_the_adoption:
        just_before_the_adoption.setattr(tickets, "known_run", lambda db, ref: None)
        await world.database.write(lambda db: feed.saw(world.services, run, world.clock.now(), db))
    assert (await world.ticket()).status is Status.OPEN

    await world.after(31)

    assert (await world.ticket()).ack_user == "AI_AUTO_HEAL"


async def test_a_run_whose_attempt_somebody_moved_just_now_is_read_again_without_a_fuss(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world.adf.fails("nightly-load")
    await world.after(31)
    world.adf.ends(world.adf.rerun.started_runs[0], RunStatus.SUCCEEDED)
    with monkeypatch.context() as moment:
        moment.setattr(feed, "saw", _overtaken)
        await world.after(31)
    assert (await world.ticket()).status is Status.OPEN
    assert "Traceback" not in caplog.text

    await world.after(31)

    assert (await world.ticket()).ack_user == "AI_AUTO_HEAL"


def _overtaken(*_: object) -> None:
    raise Overtaken("somebody was faster")
