"""Calls whose end nobody knows: a rerun starts at most once per attempt."""

from inspect import unwrap

from pipemend.core.attempt import AttemptStatus
from pipemend.core.errors import Unreachable
from pipemend.core.run import RunStatus
from pipemend.core.ticket import RemediationStatus, Status
from pipemend.flows import due, intake, remediation, saving
from tests.world import World


async def test_a_lost_answer_is_looked_for_and_the_run_is_adopted(world: World) -> None:
    world.adf.rerun.next_answers = ["lost_after"]
    world.adf.fails("nightly-load")

    await world.after(61)

    (attempt,) = await world.attempts()
    assert attempt.status is AttemptStatus.IN_PROGRESS
    assert [attempt.remediation_run_id] == world.adf.rerun.started_runs
    assert len(world.adf.rerun.calls) == 1


async def test_a_call_that_started_nothing_fails_after_five_minutes_and_the_next_attempt_follows(world: World) -> None:
    world.adf.rerun.next_answers = ["lost_before"]
    world.adf.fails("nightly-load")

    await world.after(31 + 420)

    first, second = await world.attempts()
    assert (first.status, first.failure_reason) == (AttemptStatus.FAILED, "no run was started")
    assert second.status is AttemptStatus.IN_PROGRESS
    assert len(world.adf.rerun.started_runs) == 1


async def test_a_playbook_that_named_no_run_is_looked_for_until_the_deadline_then_people_decide(world: World) -> None:
    world.adf.rerun.via = "playbook"
    world.adf.rerun.next_answers = ["lost_before"]
    world.adf.fails("nightly-load")

    await world.after(3600 + 120, step=60)

    (attempt,) = await world.attempts()
    assert attempt.status is AttemptStatus.FAILED
    assert (await world.ticket()).remediation_status is RemediationStatus.FAILED
    assert len(world.adf.rerun.calls) == 1


async def test_accepted_without_a_run_id_is_told_at_once_and_the_id_follows(world: World) -> None:
    world.adf.rerun.next_answers = ["accepted"]
    world.adf.fails("nightly-load")

    await world.after(61)

    started = [n.event.fields() for n in world.slack.told if n.event.name == "remediation_started"]
    assert [event.get("remediation_run_id") for event in started] == [None]
    (attempt,) = await world.attempts()
    assert attempt.remediation_run_id == world.adf.rerun.started_runs[0]
    assert world.slack.words[-1] == "attempt_update"


async def test_two_candidates_mean_that_none_is_adopted(world: World) -> None:
    world.adf.rerun.next_answers = ["lost_after"]
    failed = world.adf.fails("nightly-load")
    await world.hears("nightly-load", failed)
    await world.settle()  # the call is made, its answer lost
    world.adf.begins("nightly-load", group=failed, manual=True)

    await world.after(31)

    (attempt,) = await world.attempts()
    assert attempt.status is AttemptStatus.FAILED
    assert "none was adopted" in (attempt.failure_reason or "")
    assert (await world.ticket()).remediation_status is RemediationStatus.FAILED


async def test_the_failure_of_an_unknown_rerun_is_held_and_joins_its_attempt(world: World) -> None:
    world.adf.rerun.next_answers = ["lost_after"]
    failed = world.adf.fails("nightly-load")
    await world.hears("nightly-load", failed)
    await world.settle()
    (rerun,) = world.adf.rerun.started_runs
    world.adf.ends(rerun, RunStatus.FAILED, "GatewayTimeout")
    await world.hears("nightly-load", rerun)

    await world.after(120)

    assert len(await world.tickets()) == 1
    first, second = await world.attempts()
    assert (first.remediation_run_id, first.status) == (rerun, AttemptStatus.FAILED)
    assert second.status is AttemptStatus.IN_PROGRESS


async def test_it_does_not_start_while_nobody_can_say_whether_the_work_is_still_failed(world: World) -> None:
    failed = world.adf.fails("nightly-load")
    await world.hears("nightly-load", failed)

    await intake.take_due(world.services)
    world.adf.down = Unreachable("connection refused")
    await world.settle()
    assert not world.adf.rerun.calls
    assert "still failed" in (await world.ticket()).decision["why"]

    world.adf.down = None
    await world.after(61)
    assert len(world.adf.rerun.calls) == 1


async def test_a_worker_that_dies_after_the_call_does_not_call_again(world: World) -> None:
    """The flow is run a second time, as the engine does after a crash: the attempt is found `starting`."""

    failed = world.adf.fails("nightly-load")
    await world.hears("nightly-load", failed)
    await intake.take_due(world.services)

    await due.take_due(world.services)
    (attempt,) = await world.attempts()
    seen = await remediation.look(attempt.key)
    begun = await saving.surely(
        world.services,
        lambda db: remediation.begin(db, world.services, attempt.key, attempt.revision, seen, world.clock.now()),
    )
    assert begun is not None
    await remediation.advance(world.services, begun)  # the run is started, and we die before saving it

    await unwrap(remediation.attempt_flow)(attempt.key, attempt.revision)
    await world.after(61)

    (attempt,) = await world.attempts()
    assert len(world.adf.rerun.calls) == 1
    assert attempt.status is AttemptStatus.IN_PROGRESS
    world.adf.ends(world.adf.rerun.started_runs[0], RunStatus.SUCCEEDED)
    await world.after(31)
    assert (await world.ticket()).status is Status.ACKNOWLEDGED


async def test_an_attempt_whose_flow_was_lost_is_taken_up_again(world: World) -> None:

    failed = world.adf.fails("nightly-load")
    await world.hears("nightly-load", failed)
    await intake.take_due(world.services)
    await due.take_due(world.services)
    (attempt,) = await world.attempts()
    await world.engine.end(f"{attempt.key}:attempt:r{attempt.revision}")  # it ended as ERROR

    await world.settle()
    assert not world.adf.rerun.calls
    await world.upkeep()

    assert len(world.adf.rerun.calls) == 1


async def test_what_an_unclear_call_waits_for_is_said_in_words(world: World) -> None:
    world.adf.rerun.via = "playbook"
    world.adf.rerun.next_answers = ["lost_before"]
    failed = world.adf.fails("nightly-load")
    await world.hears("nightly-load", failed)
    await world.settle()
    (attempt,) = await world.attempts()
    assert attempt.awaits == (
        "no answer within 30 s; its rerun is looked for until 2026-11-24 04:00 UTC, then people are told"
    )
    await world.after(3700, step=300)
    (attempt,) = await world.attempts()
    assert attempt.awaits is None
