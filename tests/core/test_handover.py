"""What a tired person reads who takes a ticket over."""

from dataclasses import replace
from datetime import timedelta

from pipemend.core.attempt import AttemptStatus
from pipemend.core.handover import Background, Line, Solved, handover, needs_people
from pipemend.core.links import run_page
from pipemend.core.playbook import PipelineRule, Playbooks
from pipemend.core.rca import Recurrence
from pipemend.core.ticket import Approval, RemediationStatus, Status
from tests.notifiers.samples import LINK, NOW, a_decision, a_ticket, an_attempt

STUDIO = "https://adf.azure.com/en/monitoring/pipelineruns/{}?factory=contoso"
TICKET = a_ticket(
    display_resource="contoso",
    run_link=STUDIO.format("3f2a-run"),
    affected_entity="Copy orders",
    finops_team="payments",
    finops_owner="rosa",
    remediation_status=RemediationStatus.MAX_RETRIES_EXCEEDED,
    decision=a_decision(attempts=3),
)
FAILED = an_attempt(status=AttemptStatus.FAILED, duration_seconds=250, failure_reason="the sink\nrefused")
BACKGROUND = Background(
    downstream=("Finance dashboard", "contoso/close_month"),
    before=Recurrence(seen=7, tried=6, healed=5, median_minutes=9.0),
    solved=Solved("ADF-20261120T031500-aaaa", "rosa", 34 * 60),
    page=LINK,
)


def said(label: str, lines: tuple[Line, ...]) -> list[str]:
    return [line.says for line in lines if line.label == label]


def test_ten_lines_say_all_that_a_person_needs():
    lines = handover(TICKET, [FAILED], BACKGROUND, NOW + timedelta(minutes=18))

    assert [(line.label, line.says) for line in lines] == [
        ("Failed", "nightly-load on contoso at 10:15 UTC: GatewayTimeout in Copy orders"),
        ("Error", "ErrorCode=GatewayTimeout, the gateway at 10.0.0.4 did not answer"),
        ("Tried", "attempt 1, retry pipeline: failed after 4 min: the sink refused"),
        ("Ruled out", "all 3 attempts are used"),
        ("Check first", "the failed activity of the run rerun-1 in Data Factory Studio"),
        ("Check then", "Run it again."),
        ("Who", "owner rosa, team payments"),
        ("Downstream", "Finance dashboard, contoso/close_month"),
        ("SLA", "12 min left of 30 min, until 10:45 UTC"),
        (
            "Before",
            "Seen 7 times before; a rerun helped in 5 of 6, median 9 min. "
            "Last: ADF-20261120T031500-aaaa, closed by rosa after 34 min.",
        ),
    ]
    assert [line.link for line in lines] == [
        STUDIO.format("3f2a-run"),
        None,
        STUDIO.format("rerun-1"),
        None,
        STUDIO.format("rerun-1"),
        LINK,
        *[None] * 4,
    ]


def test_it_says_so_when_nothing_was_tried_and_nothing_is_known():
    ticket = a_ticket(decision={}, recommendations=(), error_message=None, hands_off="handed over by rosa")
    lines = handover(ticket, [an_attempt(status=AttemptStatus.WAITING)], Background(), NOW + timedelta(hours=2))

    assert said("Tried", lines) == ["nothing: no attempt was made"]
    assert said("Ruled out", lines) == ["handed over by rosa"]
    assert said("Who", lines) == ["nobody: no rule names an owner or a team"]
    assert said("SLA", lines) == ["over for 1 h 30 min: the 30 min ended at 10:45 UTC"]
    assert said("Before", lines) == ["Not seen before."]
    assert not [line for line in lines if line.label in ("Check first", "Downstream", "Error")]


def test_a_rerun_that_may_still_run_is_looked_at_first():
    late = replace(FAILED, status=AttemptStatus.TIMED_OUT, failure_reason="no end within an hour")
    lines = handover(TICKET, [late], BACKGROUND, NOW)

    assert said("Tried", lines) == ["attempt 1, retry pipeline: took too long after 4 min: no end within an hour"]
    assert said("Check first", lines) == ["whether the rerun rerun-1 still runs, before anybody starts another one"]
    assert said("Check then", lines) == ["the failed activity of the run 3f2a-run in Data Factory Studio"]


def test_many_attempts_and_endless_texts_stay_few_and_short():
    tried = [replace(FAILED, attempt_number=n, failure_reason="x" * 9000) for n in range(1, 8)]
    lines = handover(replace(TICKET, error_message="y" * 9000, pipeline="z" * 9000), tried, BACKGROUND, NOW)

    assert said("Tried", lines)[0] == "4 earlier attempts, and then:"
    assert len(lines) == 13
    assert max(len(line.says) for line in lines) == 300


def test_it_is_a_persons_turn_when_no_machine_does_or_asks_anything():
    assert needs_people(TICKET)
    for busy in (
        {"status": Status.ACKNOWLEDGED},
        {"approval": Approval.AWAITING},
        {"remediation_status": RemediationStatus.IN_PROGRESS},
        {"due_at": NOW},
    ):
        assert not needs_people(replace(TICKET, **busy))


def test_the_page_of_a_rerun_is_that_of_its_run_with_another_id():
    assert run_page(TICKET, "3f2a-run") == STUDIO.format("3f2a-run")
    assert run_page(TICKET, "3f2a-run:77") == STUDIO.format("3f2a-run")  # a repair is on its run's page
    assert run_page(TICKET, "a b") == STUDIO.format("a%20b")
    for link in (None, "javascript:alert(1)", "https://[", "https://adf.azure.com/" + "x" * 3000):
        assert run_page(replace(TICKET, run_link=link), "rerun-1") is None


def test_downstream_are_those_that_a_rule_names_and_those_that_wait_for_it():
    rules = (
        PipelineRule(match="contoso/nightly-*", downstream=("Finance dashboard",)),
        PipelineRule(match="contoso/close_month", upstream=("Contoso/Nightly-Load",)),
        PipelineRule(match="contoso/other", upstream=("contoso/unrelated",)),
    )

    books = Playbooks(pipelines=rules)

    assert books.downstream_of("contoso", "nightly-load") == ("Finance dashboard", "contoso/close_month")
