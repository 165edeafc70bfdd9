"""Times, waits, badges and moves."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipemend.core.attempt import MOVES, AttemptStatus
from pipemend.core.badge import Tab, badge, tab
from pipemend.core.clock import moment, stamp
from pipemend.core.playbook import PipelineRule, Playbook, Playbooks, auto_heal_possible
from pipemend.core.rca import Diagnosis, Remediable, Severity
from pipemend.core.sla import SlaStatus, sla_status
from pipemend.core.ticket import REMEDIATION_MOVES, Approval, RemediationStatus, Status, Ticket, ticket_id
from tests.fakes.clock import START


def ticket(**changes: object) -> Ticket:
    fine: dict[str, object] = {
        "id": "ADF-1",
        "timestamp": START,
        "platform": "data_factory",
        "resource": "r",
        "pipeline": "p",
        "run_id": "1",
        "root_run_id": "1",
    }
    return Ticket(**{**fine, **changes})  # type: ignore[arg-type]


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_time_survives_being_written_and_read(at: datetime) -> None:
    assert moment(stamp(at)) == at


@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
def test_times_compare_as_text(one: datetime, other: datetime) -> None:
    assert (one < other) == (stamp(one) < stamp(other))


@given(st.text())
def test_no_text_makes_the_reading_of_a_time_fail(text: str) -> None:
    assert moment(text) is None or isinstance(moment(text), datetime)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2018-06-16T00:37:44.6257014Z", datetime(2018, 6, 16, 0, 37, 44, 625701, UTC)),
        ("2026-07-02T03:01:00.000Z", datetime(2026, 7, 2, 3, 1, tzinfo=UTC)),
        ("2026-07-02T03:01:00+02:00", datetime(2026, 7, 2, 1, 1, tzinfo=UTC)),
        ("2026-07-02T03:01:00", datetime(2026, 7, 2, 3, 1, tzinfo=UTC)),
        ("yesterday", None),
        (17, None),
        (None, None),
    ],
)
def test_it_reads_what_vendors_write(text: object, expected: datetime | None) -> None:
    assert moment(text) == expected


def test_a_time_elsewhere_is_written_in_utc() -> None:
    assert stamp(datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=1)))) == "2026-01-01T00:00:00.000000+00:00"


def test_a_ticket_is_named_after_its_opening_and_its_root() -> None:
    name = ticket_id("data_factory", "/subscriptions/x", "run-1", START)
    assert name.startswith("ADF-20261124T030000-")
    assert name != ticket_id("data_factory", "/subscriptions/x", "run-2", START)


def test_the_wait_before_each_attempt_is_the_playbooks_the_last_repeating() -> None:
    book = Playbook(error_type="X", action="retry_pipeline", backoff_seconds=(30, 60), initial_delay_seconds=5)
    assert [book.wait_before(n) for n in (1, 2, 3, 4, 9)] == [5, 30, 60, 60, 60]
    assert book.wait_before(2, jitter=1.0) == 33


def test_a_playbook_for_the_platform_beats_the_general_one() -> None:
    general = Playbook(error_type="X", action="retry_pipeline")
    special = Playbook(error_type="X", action="retry_job")
    books = Playbooks({("X", None): general, ("X", "databricks"): special})
    assert books.find("X", "databricks") is special
    assert books.find("X", "data_factory") is general
    assert books.find("Y", "data_factory") is None


def test_the_first_rule_that_fits_a_pipeline_counts() -> None:
    never, ask = PipelineRule(match="ADF/pay_*", rerun="never"), PipelineRule(match="adf/*", rerun="ask")
    books = Playbooks({}, (never, ask))
    assert books.rule_for("adf", "PAY_salaries") is never
    assert books.rule_for("adf", "load") is ask
    assert books.rule_for("other", "load").rerun == "auto"


@pytest.mark.parametrize(
    ("remediable", "book", "possible"),
    [
        (Remediable.YES, None, True),
        (Remediable.NO, Playbook(error_type="X", action="restart_cluster"), False),
        (Remediable.CONDITIONAL, None, False),
        (Remediable.CONDITIONAL, Playbook(error_type="X", action="check_upstream", backoff_seconds=()), True),
        (Remediable.CONDITIONAL, Playbook(error_type="X", action="retry_pipeline"), True),
        (Remediable.CONDITIONAL, Playbook(error_type="X", action="retry_pipeline", backoff_seconds=()), False),
    ],
)
def test_a_machine_may_try_a_clear_yes_or_a_condition_it_makes(
    remediable: Remediable, book: Playbook | None, possible: bool
) -> None:
    said = Diagnosis(error_type="X", remediable=remediable, severity=Severity.LOW, root_cause="")
    assert auto_heal_possible(said, book) is possible


@pytest.mark.parametrize(
    ("changes", "text", "where"),
    [
        ({}, None, Tab.OPEN),
        ({"status": Status.IN_PROGRESS}, None, Tab.IN_PROGRESS),
        ({"remediation_status": RemediationStatus.IN_PROGRESS}, "🤖 Auto-Healing", Tab.HEALING),
        (
            {"remediation_status": RemediationStatus.SUCCEEDED, "status": Status.ACKNOWLEDGED},
            "✅ Auto-Remediated",
            Tab.CLOSED,
        ),
        ({"remediation_status": RemediationStatus.MAX_RETRIES_EXCEEDED}, "⚠️ Escalated", Tab.ESCALATED),
        ({"remediation_status": RemediationStatus.FAILED}, "Failed", Tab.ESCALATED),
        ({"approval": Approval.AWAITING}, "Needs approval", Tab.APPROVAL),
        ({"approval": Approval.REJECTED}, "Rejected", Tab.OPEN),
    ],
)
def test_each_state_has_its_badge_and_its_tab(changes: dict[str, object], text: str | None, where: Tab) -> None:
    shown = ticket(**changes)
    found = badge(shown)
    assert (found.text if found else None) == text
    assert tab(shown) is where


def test_the_sla_is_met_to_the_second() -> None:
    assert sla_status(900, 900) is SlaStatus.MET
    assert sla_status(900.1, 900) is SlaStatus.BREACHED


def test_every_state_stands_in_the_table_of_moves() -> None:
    assert set(MOVES) == set(AttemptStatus)
    assert set(REMEDIATION_MOVES) == {None, *RemediationStatus}


def test_an_attempt_that_has_ended_begins_no_more() -> None:
    for status in (AttemptStatus.SUCCEEDED, AttemptStatus.FAILED, AttemptStatus.CANCELLED):
        assert not MOVES[status]
    assert MOVES[AttemptStatus.TIMED_OUT] == {AttemptStatus.SUCCEEDED}
