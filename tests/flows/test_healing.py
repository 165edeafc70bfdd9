"""A failed pipeline heals itself, or is handed to people: the plan's two scenarios and their neighbours."""

from datetime import timedelta

import pytest

from pipemend.core.attempt import AttemptStatus
from pipemend.core.badge import badge
from pipemend.core.run import RunStatus
from pipemend.core.ticket import RemediationStatus, Status
from tests.world import World


async def test_it_reruns_a_failed_pipeline_and_closes_the_ticket_when_the_rerun_succeeds(world: World) -> None:
    failed = world.adf.fails("nightly-load")
    await world.hears("nightly-load", failed)

    await world.settle()
    ticket = await world.ticket()
    assert ticket.remediation_status is RemediationStatus.IN_PROGRESS
    assert badge(ticket).text == "🤖 Auto-Healing"  # type: ignore[union-attr]
    (rerun,) = world.adf.rerun.started_runs
    assert ticket.remediation_run_id == rerun

    world.adf.ends(rerun, RunStatus.SUCCEEDED)
    await world.after(31)

    ticket = await world.ticket()
    assert (ticket.status, ticket.ack_user, ticket.ack_empid) == (Status.ACKNOWLEDGED, "AI_AUTO_HEAL", "AUTO_REM_001")
    assert ticket.sla_status == "Met"
    assert ticket.ack_seconds == pytest.approx(31, abs=2)
    assert badge(ticket).text == "✅ Auto-Remediated"  # type: ignore[union-attr]
    assert world.slack.words == ["new_ticket", "attempt_update", "remediation_started", "status_update"]
    assert await world.audit() == ["ticket_created", "auto_remediation_triggered", "auto_remediation_success"]


async def test_the_feed_alone_is_enough(world: World) -> None:
    world.adf.fails("nightly-load")

    await world.after(31)

    assert (await world.ticket()).remediation_status is RemediationStatus.IN_PROGRESS
    assert len(world.adf.rerun.calls) == 1


async def test_it_tries_again_with_backoff_and_escalates_when_the_last_attempt_fails(world: World) -> None:
    world.adf.fails("nightly-load")
    await world.after(31)
    for expected in (1, 2, 3):
        assert len(world.adf.rerun.started_runs) == expected
        world.adf.ends(world.adf.rerun.started_runs[-1], RunStatus.FAILED, "GatewayTimeout")
        await world.after(200)

    ticket = await world.ticket()
    assert ticket.status is Status.OPEN
    assert ticket.remediation_status is RemediationStatus.MAX_RETRIES_EXCEEDED
    assert badge(ticket).text == "⚠️ Escalated"  # type: ignore[union-attr]
    assert [a.status for a in await world.attempts()] == [AttemptStatus.FAILED] * 3
    assert world.slack.words.count("remediation_retry") == 2
    last = world.slack.told[-1].event.fields()
    assert (last["escalated"], last["reason"]) == (True, "all 3 attempts are used")
    line = await world.audit_line("auto_remediation_max_retries_exceeded")
    assert line.details["attempts"] == 3


async def test_it_waits_as_long_as_the_playbook_says(world: World) -> None:
    world.adf.fails("nightly-load")
    await world.after(31)
    world.adf.ends(world.adf.rerun.started_runs[0], RunStatus.FAILED, "GatewayTimeout")
    await world.after(30)  # the feed's tick: the attempt has failed, the next one waits 30 s
    assert [a.status for a in await world.attempts()] == [AttemptStatus.FAILED, AttemptStatus.WAITING]

    await world.after(29, step=29)
    assert len(world.adf.rerun.calls) == 1
    await world.after(3, step=3)
    assert len(world.adf.rerun.calls) == 2


async def test_a_user_error_is_left_to_people_with_the_reason(world: World) -> None:
    world.adf.fails("typed-load", "DataConversionError")

    await world.after(31)

    ticket = await world.ticket()
    assert ticket.remediation_status is None
    assert not world.adf.rerun.calls
    assert ticket.decision["answer"] == "never"
    assert "DataConversionError" in ticket.decision["why"]
    assert world.slack.told[-1].event.fields()["escalated"]


async def test_switched_off_it_says_what_it_would_have_done(world: World) -> None:
    world.policy(enabled=False)
    world.adf.fails("nightly-load")

    await world.after(31)

    ticket = await world.ticket()
    assert not world.adf.rerun.calls
    objecting = [word["guardrail"] for word in ticket.decision["words"] if word["objects"]]
    assert objecting == ["switched_on"]


async def test_a_rerun_that_fails_with_a_permanent_error_stops_at_once(world: World) -> None:
    world.adf.fails("nightly-load")
    await world.after(31)
    world.adf.ends(world.adf.rerun.started_runs[0], RunStatus.FAILED, "DataConversionError")

    await world.after(120)

    ticket = await world.ticket()
    assert ticket.remediation_status is RemediationStatus.FAILED
    assert len(world.adf.rerun.calls) == 1


async def test_a_rerun_that_a_person_cancels_ends_the_repair(world: World) -> None:
    world.adf.fails("nightly-load")
    await world.after(31)
    world.adf.ends(world.adf.rerun.started_runs[0], RunStatus.CANCELLED)

    await world.after(300)

    ticket = await world.ticket()
    assert ticket.remediation_status is RemediationStatus.FAILED
    assert [a.status for a in await world.attempts()] == [AttemptStatus.CANCELLED]
    assert len(world.adf.rerun.calls) == 1


async def test_a_rerun_past_its_deadline_is_told_to_people_and_a_late_success_still_closes_the_ticket(
    world: World,
) -> None:
    world.adf.fails("nightly-load")
    await world.after(31)
    await world.after(3700, step=60)
    ticket = await world.ticket()
    assert ticket.remediation_status is RemediationStatus.FAILED
    assert [a.status for a in await world.attempts()] == [AttemptStatus.TIMED_OUT]
    assert len(world.adf.rerun.calls) == 1

    world.adf.ends(world.adf.rerun.started_runs[0], RunStatus.SUCCEEDED)
    await world.after(31)

    ticket = await world.ticket()
    assert (ticket.status, ticket.remediation_status) == (Status.ACKNOWLEDGED, RemediationStatus.SUCCEEDED)
    assert "auto_remediation_late_success" in await world.audit()


async def test_the_deadline_is_twice_what_the_pipelines_reruns_usually_take_if_that_is_more_than_an_hour(
    world: World,
) -> None:
    for minutes in (40, 50, 45):
        assert await given_to_a_rerun(world) == timedelta(hours=1)
        world.clock.move(minutes * 60)
        world.adf.ends(world.adf.rerun.started_runs[-1], RunStatus.SUCCEEDED)
        await world.after(31)

    assert timedelta(minutes=90) <= await given_to_a_rerun(world) < timedelta(minutes=93)


async def given_to_a_rerun(world: World) -> timedelta:
    """The pipeline fails once more and is rerun; until its deadline there is so much time."""
    world.adf.fails("nightly-load")
    await world.after(31)
    (attempt,) = await world.attempts((await world.tickets())[-1].id)
    assert attempt.deadline
    return attempt.deadline - attempt.started_at


async def test_a_playbook_that_says_failed_is_a_failed_attempt_and_the_next_one_follows(world: World) -> None:
    world.adf.rerun.next_answers = ["refused"]
    world.adf.fails("nightly-load")
    await world.after(31)
    await world.after(40)
    first, second = await world.attempts()
    assert (first.status, first.failure_reason) == (AttemptStatus.FAILED, "the playbook said failed")
    assert second.status is AttemptStatus.IN_PROGRESS


async def test_a_refusal_for_good_goes_to_people_at_once(world: World) -> None:
    world.adf.rerun.next_answers = ["final"]
    world.adf.fails("nightly-load")
    await world.after(31)
    await world.after(300)
    ticket = await world.ticket()
    assert ticket.remediation_status is RemediationStatus.FAILED
    assert len(world.adf.rerun.calls) == 1
    assert world.slack.told[-1].event.fields()["reason"] == "404: the workflow does not exist"
