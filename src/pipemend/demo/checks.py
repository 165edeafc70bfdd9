"""The plan's scenarios, checked line by line, by what an outsider can see."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipemend.demo.scenarios import ESCALATES, HEALS, SCENARIOS, Scenario
from pipemend.demo.watch import Seen, Watch

# The monitoring queries of the plan, word for word.
QUERIES = {
    "Auto-remediation success rate": """SELECT
    COUNT(CASE WHEN remediation_status = 'succeeded' THEN 1 END) * 100.0 / COUNT(*) as success_rate
FROM tickets
WHERE remediation_status IS NOT NULL;""",
    "Average MTTR for auto-remediated tickets": """SELECT AVG(ack_seconds) / 60.0 as avg_mttr_minutes
FROM tickets
WHERE ack_user = 'AI_AUTO_HEAL';""",
    "Top remediable errors": """SELECT error_type, COUNT(*) as count,
       COUNT(CASE WHEN remediation_status = 'succeeded' THEN 1 END) as auto_remediated
FROM tickets
GROUP BY error_type
ORDER BY count DESC;""",
    "Recent remediation attempts": """SELECT * FROM remediation_attempts
ORDER BY started_at DESC
LIMIT 20;""",
}
PAYLOAD = {
    "pipeline_name",
    "ticket_id",
    "error_type",
    "original_run_id",
    "retry_attempt",
    "max_retries",
    "remediation_action",
    "timestamp",
}


@dataclass(frozen=True, slots=True)
class Check:
    """One line: what must hold, whether it does, and what was found."""

    story: str
    line: str
    holds: bool
    found: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that was found out at the end."""

    tickets: Mapping[str, Seen]
    slack: Sequence[Mapping[str, Any]]
    jira: Sequence[Mapping[str, Any]]
    playbook_calls: Sequence[Mapping[str, Any]]
    runs: Sequence[Mapping[str, Any]]

    def of(self, scenario: Scenario) -> list[Seen]:
        return [seen for seen in self.tickets.values() if seen.last["pipeline"] == scenario.pipeline]

    def reruns(self, scenario: Scenario) -> int:
        mine = [run for run in self.runs if run["pipelineName"] == scenario.pipeline]
        return sum(1 for run in mine if run.get("referencedRunId"))


def gather(watch: Watch) -> Evidence:
    """Asks server and twin what happened."""
    watch.look()
    return Evidence(
        tickets=watch.seen,
        slack=watch.asks_twin("/twin/slack/messages")["messages"],
        jira=watch.asks_twin("/twin/jira/issues")["issues"],
        playbook_calls=watch.asks_twin("/twin/workflows/retry-pipeline/runs")["runs"],
        runs=watch.asks_twin("/twin/runs")["runs"],
    )


def all_checks(evidence: Evidence, database: Path) -> list[Check]:
    """Every line, in order."""
    checks = [check for scenario in SCENARIOS for check in _ending(evidence, scenario)]
    checks += list(_healing(evidence, HEALS))
    checks += list(_escalation(evidence, ESCALATES))
    checks += [*_no_more(evidence), *_queries(database)]
    return checks


def _ending(evidence: Evidence, scenario: Scenario) -> Iterator[Check]:
    found = evidence.of(scenario)
    story = scenario.pipeline
    yield Check(story, f"one ticket: {scenario.about}", len(found) == 1, f"{len(found)} tickets")
    if len(found) != 1:
        return
    last, seen = found[0].last, found[0]
    state = (last["status"], last["remediation_status"])
    yield Check(
        story,
        f"ends {scenario.status}, repair {scenario.remediation or 'never tried'}",
        state == (scenario.status, scenario.remediation),
        str(state),
    )
    yield Check(
        story,
        f"reruns at the factory: {scenario.reruns}",
        evidence.reruns(scenario) == scenario.reruns,
        str(evidence.reruns(scenario)),
    )
    if scenario.badge:
        shown = scenario.badge in seen.api_badges and scenario.badge in seen.page_badges
        yield Check(story, f"API and page show {scenario.badge}", shown, str(seen.api_badges | seen.page_badges))


def _healing(evidence: Evidence, scenario: Scenario) -> Iterator[Check]:
    """Test scenario 1: successful auto-remediation."""
    story, seen = "scenario 1", evidence.of(scenario)[0]
    last, text = seen.last, _slack_text(evidence, seen.last["id"])
    calls = [c["body"] for c in evidence.playbook_calls if c["body"].get("ticket_id") == last["id"]]
    yield Check(story, "ticket created with status='open'", ("open", "in_progress") in seen.states, str(seen.states))
    yield Check(story, "auto_heal_possible=true", last["auto_heal_possible"] is True)
    yield Check(story, "Logic App called with the plan's fields", bool(calls) and calls[0].keys() >= PAYLOAD)
    yield Check(story, "remediation_status='in_progress' on the way", ("open", "in_progress") in seen.states)
    yield Check(story, "Slack: auto-remediation initiated", "auto-remediation initiated for" in text)
    yield Check(story, "badge 🤖 Auto-Healing by API and page", _shown(seen, "🤖 Auto-Healing"), str(seen.page_badges))
    rerun = next((r for r in evidence.runs if r["runId"] == last["remediation_run_id"]), {})
    yield Check(story, "the rerun succeeded", rerun.get("status") == "Succeeded", str(rerun.get("status")))
    who = (last["ack_user"], last["ack_empid"])
    yield Check(story, "closed with ack_user='AI_AUTO_HEAL'", who == ("AI_AUTO_HEAL", "AUTO_REM_001"), str(who))
    issue = _jira(evidence, last)
    yield Check(story, "Jira issue is done", issue.get("status_category") == "done", str(issue.get("status")))
    yield Check(story, "Slack: auto-remediation successful", "auto-remediation successful" in text)
    yield Check(story, "badge ✅ Auto-Remediated by API and page", _shown(seen, "✅ Auto-Remediated"))


def _escalation(evidence: Evidence, scenario: Scenario) -> Iterator[Check]:
    """Test scenario 2: failed retries with escalation."""
    story, seen = "scenario 2", evidence.of(scenario)[0]
    last, text = seen.last, _slack_text(evidence, seen.last["id"])
    issue = _jira(evidence, last)
    yield Check(story, "attempt 1 fails, Slack: retry attempt 2/3", "retry attempt 2/3" in text)
    yield Check(story, "attempt 2 fails, Slack: retry attempt 3/3", "retry attempt 3/3" in text)
    yield Check(story, "attempt 3 fails", last["remediation_attempts"] == 3, str(last["remediation_attempts"]))
    gone = last["remediation_status"] == "max_retries_exceeded"
    yield Check(story, "remediation_status='max_retries_exceeded'", gone, str(last["remediation_status"]))
    yield Check(story, "Slack: manual intervention required", "manual intervention required" in text)
    told = any("manual intervention" in comment.lower() for comment in _comments(issue))
    yield Check(story, "Jira comment with escalation details", told, str(_comments(issue))[-200:])
    yield Check(story, "badge ⚠️ Escalated by API and page", _shown(seen, "⚠️ Escalated"))
    yield Check(story, "ticket remains status='open'", last["status"] == "open", str(last["status"]))


def _no_more(evidence: Evidence) -> Iterator[Check]:
    count = len(evidence.tickets)
    yield Check("all", f"{len(SCENARIOS)} broken pipelines, as many tickets", count == len(SCENARIOS), str(count))
    keys = [call["body"].get("idempotency_key") for call in evidence.playbook_calls]
    yield Check("all", "no attempt was called twice", len(keys) == len(set(keys)), str(len(keys)))
    labels = [label for issue in evidence.jira for label in issue["labels"]]
    yield Check("all", "one Jira issue for each ticket", sorted(labels) == sorted(evidence.tickets), str(len(labels)))


def _queries(database: Path) -> Iterator[Check]:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
        for name, query in QUERIES.items():
            rows = db.execute(query).fetchall()
            yield Check("monitoring queries", name, bool(rows), str(rows[0])[:60] if rows else "no rows")


def _shown(seen: Seen, badge: str) -> bool:
    return badge in seen.api_badges and badge in seen.page_badges


def _slack_text(evidence: Evidence, ticket_id: str) -> str:
    """Everything said in the ticket's thread, marks removed, in small letters."""
    first = [m for m in evidence.slack if ticket_id in str(m) and not m.get("thread_ts")]
    stamps = {m["ts"] for m in first}
    thread = first + [m for m in evidence.slack if m.get("thread_ts") in stamps]
    return "\n".join(str(m) for m in thread).replace("*", "").replace("`", "").lower()


def _jira(evidence: Evidence, ticket: Mapping[str, Any]) -> Mapping[str, Any]:
    return next((i for i in evidence.jira if i["key"] == ticket["itsm_ticket_id"]), {})


def _comments(issue: Mapping[str, Any]) -> list[str]:
    return [str(comment) for comment in issue.get("comments", [])]
