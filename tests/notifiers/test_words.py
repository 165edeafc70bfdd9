"""The words that people read, compared as a person reads them."""

from dataclasses import replace

import pytest

from pipemend.core.attempt import AttemptStatus
from pipemend.core.clock import clock_time
from pipemend.core.events import AttemptChanged, StatusChanged
from pipemend.core.handover import Line
from pipemend.core.ports import News
from pipemend.core.ticket import RemediationStatus, Status
from pipemend.notifiers import phrases
from pipemend.notifiers.jira import messages as jira
from pipemend.notifiers.slack import messages as slack
from tests.notifiers.samples import (
    HANDOVER,
    LINK,
    STUDIO,
    TICKET,
    a_decision,
    a_ticket,
    an_attempt,
    closed_by,
    exhausted,
    never_tried,
    news,
    opened,
    reopened,
    retried,
    started,
    stopped,
    succeeded,
    waits,
)
from tests.notifiers.tiny_jira import as_read as read_document
from tests.notifiers.tiny_slack import as_read


def test_the_first_message():
    message = slack.first(opened())

    assert message.text == "🚨 nightly-load failed"
    assert as_read(message.blocks).splitlines() == [
        "🚨 nightly-load failed",
        "Ticket ID:",
        TICKET,
        "Error Type:",
        "GatewayTimeout",
        "Severity:",
        "High",
        "SLA:",
        "30 minutes (until 10:45 UTC)",
        "Run ID:",
        "3f2a-run",
        "Root Cause:",
        "The gateway did not answer in time.",
        "Error:",
        "ErrorCode=GatewayTimeout, the gateway at 10.0.0.4 did not answer",
        "Recommendations:",
        "• Run it again.",
        "• Look at the gateway's load.",
        "Decision: repair automatically - every guardrail agrees",
        " · ".join(phrases.guardrail_words(opened().ticket)),
        "View in Dashboard",
    ]


def test_the_start_of_an_attempt():
    message = slack.started(started(2))

    assert message.text == "🤖 Auto-remediation attempt 2 for nightly-load"
    assert as_read(message.blocks).splitlines() == [
        "🤖 Auto-remediation initiated for nightly-load",
        f"Ticket: {TICKET}",
        "Attempt: 2/3",
        "Action: Re-running pipeline...",
    ]


def test_the_start_says_what_another_remedy_does():
    told = started(attempt=an_attempt(remediation_action="restart_cluster"))

    assert "Action: Restarting cluster, then re-running job..." in as_read(slack.started(told).blocks)


def test_a_retry():
    message = slack.retry(retried())

    assert message.text == "🔄 Retry attempt 2 for nightly-load"
    assert as_read(message.blocks).splitlines() == [
        "🔄 Retry attempt 2/3",
        "Previous attempt failed, retrying auto-remediation for nightly-load...",
    ]


def test_attempts_are_counted_with_those_that_people_granted():
    assert phrases.of_max(started(4, ticket=a_ticket(max_attempts=5, granted=2))) == "4/5"
    assert phrases.of_max(started(2, ticket=a_ticket(max_attempts=None))) == "2/3"


def test_success():
    message = slack.success(succeeded())

    assert message.text == "✅ Auto-remediation successful for nightly-load"
    assert as_read(message.blocks).splitlines() == [
        "✅ Auto-Remediation Successful",
        "Ticket ID:",
        TICKET,
        "Pipeline:",
        "nightly-load",
        "New Run ID:",
        "rerun-1",
        "Attempt:",
        "1",
        "MTTR:",
        "4.3 minutes",
        "Closed By:",
        "AI Auto-Heal",
    ]


def test_escalation():
    message = slack.escalation(exhausted())

    assert message.text == "⚠️ Auto-remediation failed for nightly-load after 3 attempts"
    assert as_read(message.blocks).splitlines() == [
        "⚠️ Auto-Remediation Failed - Manual Intervention Required",
        "Ticket ID:",
        TICKET,
        "Pipeline:",
        "nightly-load",
        "Error Type:",
        "GatewayTimeout",
        "Attempts:",
        "3",
        "Last Failure:",
        "the sink refused the connection",
        "🔴 Action Required: All automated remediation attempts have been exhausted. "
        "Please investigate and resolve manually.",
        "View in Dashboard",
        "Handover",
        *(f"{line.label}: {line.says}{f' (<{line.link}|open>)' if line.link else ''}" for line in HANDOVER),
    ]
    (button,) = message.blocks[-2]["elements"]
    assert button["style"] == "danger"
    assert button["url"].endswith(f"?ticket={TICKET}")


def test_a_handover_calls_nobody():
    told = exhausted(handover=(Line("Tried", "<!channel> <@U0ROSA001>", "https://evil.example/|x> <!here>"),))

    assert "&lt;!channel&gt; &lt;@U0ROSA001&gt;" in slack.escalation(told).blocks[-1]["text"]["text"]
    assert "<" not in slack.escalation(told).blocks[-1]["text"]["text"]


def test_links_lead_to_the_runs_on_their_platform():
    ticket = a_ticket(run_link=STUDIO.format("3f2a-run"))
    begun, done = slack.first(opened(ticket=ticket)), slack.success(succeeded(ticket=ticket))
    stopped_at = slack.escalation(exhausted(ticket=ticket))

    assert [(b["text"]["text"], b["url"]) for b in begun.blocks[-1]["elements"]] == [
        ("View in Dashboard", LINK),
        ("Open in Data Factory Studio", STUDIO.format("3f2a-run")),
    ]
    assert [b["url"] for b in done.blocks[2]["elements"]] == [STUDIO.format("rerun-1")]
    assert [b.get("style") for b in stopped_at.blocks[3]["elements"]] == ["danger", None]
    assert "|Open the rerun in Data Factory Studio>" in str(slack.started(started(ticket=ticket)).blocks)
    assert STUDIO.format("rerun-1") in str(jira.started(started(ticket=ticket)))
    assert STUDIO.format("3f2a-run") in str(jira.description(opened(ticket=ticket)))


def test_a_machine_that_has_stopped_says_why():
    message = slack.escalation(stopped())

    assert message.text == "⚠️ Auto-remediation failed for nightly-load after 1 attempts"
    assert "⚠️ Auto-Remediation Failed - Manual Intervention Required" in as_read(message.blocks)
    assert "🔴 Action Required: the error is permanent. Please" in as_read(message.blocks)


def test_a_machine_that_never_tried_says_why():
    message = slack.escalation(never_tried())

    assert message.text == "⚠️ Manual intervention required for nightly-load"
    assert as_read(message.blocks).startswith("⚠️ Manual Intervention Required\n")
    assert "🔴 Action Required: automatic remediation is switched off (AUTO_REMEDIATION_ENABLED). Please" in as_read(
        message.blocks
    )


def test_the_last_failure_is_cut_at_200_characters():
    assert len(phrases.last_failure(exhausted(attempt=an_attempt(3, failure_reason="x" * 5000)))) == 200


def test_no_button_without_a_dashboard():
    assert "View in Dashboard" not in as_read(slack.first(opened(link=None)).blocks)


@pytest.mark.parametrize(
    ("decision", "words"),
    [
        (a_decision(), "repair automatically - every guardrail agrees"),
        (
            a_decision(enabled=False),
            "no automatic repair - automatic remediation is switched off (AUTO_REMEDIATION_ENABLED); "
            "switched on, it would be tried",
        ),
        (a_decision(hands_off="ann works on it"), "no automatic repair - ann works on it"),
        (
            a_decision(enabled=False, hands_off="ann works on it"),
            "no automatic repair - automatic remediation is switched off (AUTO_REMEDIATION_ENABLED); ann works on it",
        ),
        (
            a_decision(root_ended=False),
            "not yet - the outermost run is still running: its own end decides (until 10:15 UTC)",
        ),
        ({}, "not taken yet"),
    ],
)
def test_the_decision_in_words(decision: dict[str, object], words: str):
    assert phrases.decision(a_ticket(decision=decision)) == words


def test_every_guardrail_is_quoted_word_for_word():
    words = list(phrases.guardrail_words(a_ticket(decision=a_decision(enabled=False))))

    assert words[0] == "✗ automatic remediation is switched off (AUTO_REMEDIATION_ENABLED)"
    assert all(word.startswith("✓ ") for word in words[1:])


STOPPED = "🔓 Open: stopped by ann"


def changed(status: AttemptStatus, reason: str | None = None, run: str | None = None) -> News:
    event = AttemptChanged(ticket_id=TICKET, attempt=1, status=status, reason=reason, remediation_run_id=run)
    return news(event, attempt=an_attempt(1, remediation_run_id=run))


@pytest.mark.parametrize(
    ("told", "line"),
    [
        (waits(), "Attempt 2/3 waits until 10:18 UTC"),
        (retried(), "Attempt 2/3 waits until 10:18 UTC: the attempt before failed: the rerun failed"),
        (started(), "Attempt 1/3 runs: rerun-1"),
        (changed(AttemptStatus.WAITING), "Attempt 1/3 is about to start"),
        (changed(AttemptStatus.STARTING), "Attempt 1/3 starts"),
        (changed(AttemptStatus.IN_PROGRESS, run="rerun-1"), "Attempt 1/3 runs: rerun-1"),
        (changed(AttemptStatus.IN_PROGRESS), "Attempt 1/3 runs"),
        (
            changed(AttemptStatus.UNKNOWN, "no answer"),
            "Attempt 1/3 was sent off, its run is being looked for: no answer",
        ),
        (changed(AttemptStatus.FAILED, "no table"), "Attempt 1/3 failed: no table"),
        (changed(AttemptStatus.CANCELLED), "Attempt 1/3 cancelled"),
        (changed(AttemptStatus.TIMED_OUT), "Attempt 1/3 took too long"),
        (exhausted(), "⚠️ People have to act: all 3 attempts are used"),
        (succeeded(), "✅ Auto-remediated by attempt 1/3"),
        (closed_by("ann", "the firewall was wrong"), "☑️ Closed by ann: the firewall was wrong"),
        (closed_by("PIPELINE"), "✅ Closed by PIPELINE: the failed run went well after all"),
        (closed_by("RECOVERED"), "✅ Closed by RECOVERED: somebody's own rerun succeeded"),
        (closed_by("ann", "acknowledged by ann"), "☑️ Closed by ann"),
        (closed_by("RECOVERED", "run 8 succeeded"), "✅ Closed by RECOVERED: run 8 succeeded"),
        (closed_by("MERGED"), "🔀 Merged into another ticket"),
        (reopened(), "🔓 Open: it failed again (ann)"),
        (news(StatusChanged(ticket_id=TICKET, new_status="open", user="ann", reason="stopped by ann")), STOPPED),
        (news(StatusChanged(ticket_id=TICKET, new_status="in_progress", user="ann")), "👤 ann works on it"),
        (opened(), ""),
    ],
)
def test_the_status_line(told: News, line: str):
    assert phrases.status_line(told) == line


def test_a_late_success_does_not_hide_who_closed_the_ticket():
    told = changed(AttemptStatus.SUCCEEDED)
    closed = replace(told, ticket=a_ticket(status=Status.ACKNOWLEDGED, ack_user="ann"))

    assert phrases.status_line(closed) == "Attempt 1/3 succeeded; closed by ann"


def test_a_time_on_another_day_carries_its_date():
    told = waits()

    assert clock_time(told.at, told.at.replace(day=22)) == "2026-11-23 10:16 UTC"


def test_a_person_who_closed_the_ticket_stays_when_the_rerun_ends_later():
    told = succeeded(ticket=a_ticket(ack_user="ann", ack_seconds=60.0, remediation_status=RemediationStatus.SUCCEEDED))

    assert "Closed By:\nann" in as_read(slack.success(told).blocks)


def test_the_issue_says_the_same():
    fields = read_document(jira.description(opened()))

    assert jira.summary(opened()) == "nightly-load failed - GatewayTimeout"
    assert fields.splitlines() == [
        "🚨 nightly-load failed",
        f"Ticket ID: {TICKET}",
        "Error Type: GatewayTimeout",
        "Severity: High",
        "SLA: 30 minutes (until 10:45 UTC)",
        "Run ID: 3f2a-run",
        "Root Cause",
        "The gateway did not answer in time.",
        "Error",
        "ErrorCode=GatewayTimeout, the gateway at 10.0.0.4 did not answer",
        "Recommendations",
        "Run it again.",
        "Look at the gateway's load.",
        "Decision",
        "repair automatically - every guardrail agrees",
        *phrases.guardrail_words(opened().ticket),
        "View in Dashboard",
    ]


def test_the_success_panel_in_jira():
    (panel,) = jira.success(succeeded())

    assert panel["attrs"] == {"panelType": "success"}
    assert read_document(panel).splitlines() == [
        "✅ Auto-Remediation Successful",
        f"Ticket ID: {TICKET}",
        "Remediation Run ID: rerun-1",
        "Attempt Number: 1",
        "Action: Pipeline re-run completed successfully",
        "Closed By: AI Auto-Heal System",
    ]


def test_the_escalation_in_jira_mirrors_that_of_slack():
    frame, *_ = jira.escalation(exhausted())

    assert read_document(frame).splitlines() == [
        "⚠️ Auto-Remediation Failed - Manual Intervention Required",
        f"Ticket ID: {TICKET}",
        "Pipeline: nightly-load",
        "Error Type: GatewayTimeout",
        "Attempts: 3",
        "Last Failure: the sink refused the connection",
        "🔴 Action Required: All automated remediation attempts have been exhausted. "
        "Please investigate and resolve manually.",
    ]


def test_a_started_attempt_is_one_line_in_jira():
    (line,) = jira.started(started())

    assert read_document(line) == "🤖 Attempt 1/3 started: rerun-1\n"


def test_a_job_of_databricks_is_called_a_job():
    job = a_ticket(platform="databricks", resource="adb-1.2.azuredatabricks.net")
    done = replace(succeeded(), ticket=replace(succeeded().ticket, platform="databricks"))
    given_up = replace(exhausted(), ticket=replace(exhausted().ticket, platform="databricks"))

    assert ("Job", "nightly-load") in phrases.success_facts(done)
    assert ("Job", "nightly-load") in phrases.escalation_facts(given_up)
    assert phrases.does("check_upstream", job) == "Checking upstream, then re-running job..."
    assert "Job re-run completed successfully" in str(jira.success(done))
    assert ("Pipeline", "nightly-load") in phrases.success_facts(succeeded())
    assert phrases.does("check_upstream", a_ticket()) == "Checking upstream, then re-running pipeline..."
