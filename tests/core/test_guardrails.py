"""What may stop a repair, each in a sentence, and the decision that follows."""

from dataclasses import replace
from datetime import time, timedelta
from zoneinfo import ZoneInfo

import pytest

from pipemend.core.freeze import Window
from pipemend.core.guardrails import GUARDRAILS, judge
from pipemend.core.playbook import PipelineRule, Playbook
from pipemend.core.situation import Crowd, Pause, Situation, Standing
from tests.fakes.clock import START

BOOK = Playbook(error_type="GatewayTimeout", action="retry_pipeline")


def situation(**changes: object) -> Situation:
    fine: dict[str, object] = {
        "now": START,
        "enabled": True,
        "resource": "adf-night",
        "failed_at": START - timedelta(minutes=1),
        "error_type": "GatewayTimeout",
        "auto_heal_possible": True,
        "playbook": BOOK,
    }
    return Situation(**{**fine, **changes})  # type: ignore[arg-type]


def test_when_nobody_objects_the_answer_is_to_try() -> None:
    decision = judge(situation())
    assert decision.allowed
    assert decision.record(START)["answer"] == "try"
    assert decision.why == "every guardrail agrees"


@pytest.mark.parametrize(
    ("guardrail", "changes", "reason"),
    [
        ("switched_on", {"enabled": False}, "automatic remediation is switched off (AUTO_REMEDIATION_ENABLED)"),
        ("connection_known", {"connection_known": False}, "no connection for adf-night"),
        ("run_known", {"run_known": False}, "run unknown: the platform does not know the failed run"),
        (
            "recent_enough",
            {"failed_at": START - timedelta(hours=7)},
            "it failed 7 h ago, longer than 6 h: a person decides",
        ),
        ("has_playbook", {"playbook": None}, "there is no playbook for GatewayTimeout"),
        ("has_playbook", {"remedy_known": False}, "there is no remedy for retry_pipeline on this platform"),
        (
            "analyzer_agrees",
            {"auto_heal_possible": False, "analyzer_says": "its cause is not known"},
            "GatewayTimeout is not for a machine to repair: its cause is not known",
        ),
        (
            "pipeline_allows",
            {"pipeline": PipelineRule(match="adf/pay_*", rerun="never")},
            "this pipeline is never rerun automatically (rule 'adf/pay_*')",
        ),
        ("nobody_took_over", {"hands_off": "stopped by rosa"}, "stopped by rosa"),
        (
            "still_failed",
            {"standing": Standing.RECOVERED},
            "a later run of the same work has succeeded: there is nothing to repair",
        ),
        ("attempts_left", {"attempts": 3}, "all 3 attempts are used"),
    ],
)
def test_it_objects_for_good_and_says_why(guardrail: str, changes: dict[str, object], reason: str) -> None:
    decision = judge(situation(**changes))
    assert decision.never
    assert [word.guardrail for word in decision.words if word.objection] == [guardrail]
    assert decision.why == reason


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"pipeline": PipelineRule(match="*", rerun="ask")},
            "this pipeline is rerun only by a person's word (rule '*')",
        ),
        (
            {"playbook": replace(BOOK, approval=True)},
            "retry_pipeline for GatewayTimeout needs the approval of a person",
        ),
    ],
)
def test_a_persons_yes_may_be_all_that_is_missing(changes: dict[str, object], reason: str) -> None:
    decision = judge(situation(**changes))
    assert (decision.asks, decision.never, decision.until) == (True, False, None)
    assert (decision.record(START)["answer"], decision.why) == ("ask", reason)
    assert judge(situation(**changes, approved=True)).allowed
    assert judge(situation(**changes, by_person=True)).allowed
    assert judge(situation(**changes, enabled=False)).never
    assert judge(situation(**changes, held="storm")).record(START)["answer"] == "not yet"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"held": "maintenance"}, "all automation is stopped by the red button: maintenance"),
        ({"root_ended": False}, "the outermost run is still running: its own end decides"),
        ({"root_known": False}, "the outermost run is not known yet"),
        ({"standing": Standing.RERUN_RUNS}, "somebody else's rerun is running: its end decides"),
        ({"standing": Standing.OURS_RUNS}, "an earlier rerun of ours is running still: its end decides"),
        (
            {"standing": Standing.MAYBE_OURS_RUNS},
            "a run that may be an earlier rerun of ours is running: its end decides",
        ),
        ({"other_repair": "ADF-1"}, "another repair of this pipeline is under way (ADF-1)"),
        ({"unreachable": "no answer"}, "nobody can say whether the work is still failed: no answer"),
    ],
)
def test_it_puts_the_decision_off_and_says_when_to_look_again(changes: dict[str, object], reason: str) -> None:
    decision = judge(situation(**changes))
    assert not decision.allowed
    assert not decision.never
    assert decision.until == START + timedelta(seconds=30)
    assert decision.why == reason


@pytest.mark.parametrize(
    ("changes", "reason", "wait"),
    [
        (
            {"paused": Pause(by="rosa", reason="new schema", until=START + timedelta(hours=3))},
            "this pipeline is paused by rosa until 2026-11-24 06:00 UTC: new schema",
            timedelta(hours=3),
        ),
        (
            {"paused": Pause(by="rosa", reason="", until=None)},
            "this pipeline is paused by rosa",
            timedelta(hours=1),
        ),
        (
            {"freeze": (Window(ends=time(6), zone=ZoneInfo("Europe/Berlin")),)},
            "all pipelines are frozen until 2026-11-24 06:00 Europe/Berlin",
            timedelta(hours=2),
        ),
        (
            {"pipeline": PipelineRule(match="adf/*", freeze=(Window(ends=time(6), zone=ZoneInfo("UTC")),))},
            "this pipeline is frozen until 2026-11-24 06:00 UTC (rule 'adf/*')",
            timedelta(hours=3),
        ),
        (
            {
                "pipeline": PipelineRule(match="adf/*", max_repairs_per_day=2),
                "started_today": tuple(START - timedelta(hours=hours) for hours in (1, 9, 20)),
            },
            "3 repairs of this pipeline started within 24 hours, at most 2 (rule 'adf/*')",
            timedelta(hours=15),
        ),
    ],
)
def test_it_holds_a_start_back_until_a_known_time(changes: dict[str, object], reason: str, wait: timedelta) -> None:
    decision = judge(situation(**changes))
    assert decision.until == START + wait
    assert decision.why == reason


FULL = Crowd(in_flight=20, most_in_flight=20, here=3, most_here=5, started=9, most_started=30)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, "it waits for room: 20 repairs in flight, at most 20 (MAX_REPAIRS_IN_FLIGHT)"),
        (
            {"in_flight": 9, "here": 5},
            "it waits for room: 5 repairs of adf-night in flight, at most 5 (MAX_REPAIRS_PER_CONNECTION)",
        ),
        (
            {"in_flight": 9, "started": 30},
            "it waits for room: 30 repairs started within a minute, at most 30 (STARTS_PER_MINUTE)",
        ),
    ],
)
def test_what_finds_no_room_says_which_budget_is_used_up(changes: dict[str, int], reason: str) -> None:
    for by_person in (False, True):
        decision = judge(situation(crowd=replace(FULL, **changes), by_person=by_person))
        assert decision.until == START + timedelta(seconds=30)
        assert decision.why == reason
    assert judge(situation(crowd=replace(FULL, in_flight=19, most_here=None))).allowed


def test_a_person_may_go_beyond_the_days_repairs_and_not_into_a_freeze_or_a_pause() -> None:
    rule = PipelineRule(match="*", max_repairs_per_day=1)
    assert judge(situation(by_person=True, pipeline=rule, started_today=(START,))).allowed
    assert judge(situation(by_person=True, freeze=(Window(ends=time(6), zone=ZoneInfo("UTC")),))).until
    assert judge(situation(by_person=True, paused=Pause(by="rosa", reason="", until=None))).until


def test_all_are_asked_and_what_is_for_good_speaks_alone() -> None:
    decision = judge(situation(enabled=False, held="x", root_ended=False, attempts=3))
    assert [word.guardrail for word in decision.words] == [g.__name__ for g in GUARDRAILS]
    assert len(decision.objections) == 3
    assert "still running" not in decision.why
    assert decision.until is None


def test_a_person_may_go_where_a_machine_may_not() -> None:
    decision = judge(situation(by_person=True, auto_heal_possible=False, attempts=3, standing=Standing.TAKEN_OVER))
    assert decision.allowed


def test_a_person_may_not_go_against_the_switch_or_a_pipelines_never() -> None:
    assert judge(situation(by_person=True, enabled=False)).never
    assert judge(situation(by_person=True, pipeline=PipelineRule(match="*", rerun="never"))).never


def test_every_guardrail_has_words_for_when_it_agrees() -> None:
    assert all((guardrail.__doc__ or "").strip() for guardrail in GUARDRAILS)
