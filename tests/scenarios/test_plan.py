"""The plan's two scenarios on both databases, as its users would check them."""

from collections.abc import Mapping
from typing import Any

from pipemend.demo.watch import words
from tests.scenarios.installation import Installation


def thread(installed: Installation, ticket_id: str) -> str:
    """What the ticket's Slack thread says, as a person reads it."""
    messages = installed.twin.get("/twin/slack/messages").json()["messages"]
    first = [m for m in messages if not m["thread_ts"] and ticket_id in str(m)]
    told = first + [m for m in messages if m["thread_ts"] in {f["ts"] for f in first}]
    return "\n".join(str(m) for m in told).replace("*", "").replace("`", "").lower()


def issue(installed: Installation, ticket_id: str) -> Mapping[str, Any]:
    issues = installed.twin.get("/twin/jira/issues").json()["issues"]
    (mine,) = [found for found in issues if ticket_id in found["labels"]]
    return dict(mine)


def page(installed: Installation, ticket_id: str) -> str:
    return words(installed.server.get("/dashboard", params={"ticket": ticket_id}).text)


def test_scenario_1_successful_auto_remediation(installed: Installation) -> None:
    installed.starts()
    _sign_in(installed)
    installed.breaks("nightly-load", outcomes=["GatewayTimeout", "Succeeded"], alert="log_v2", duration=2)

    healing = installed.until_ticket("nightly-load", "it is being healed", remediation_status="in_progress")
    assert healing["status"] == "open"
    assert healing["auto_heal_possible"] is True
    assert healing["badge"]["text"] == "🤖 Auto-Healing"
    assert "🤖 Auto-Healing" in page(installed, healing["id"])

    done = installed.until_ticket("nightly-load", "it is healed", status="acknowledged")
    assert (done["ack_user"], done["ack_empid"]) == ("AI_AUTO_HEAL", "AUTO_REM_001")
    assert done["sla_status"] == "Met"
    assert done["remediation_status"] == "succeeded"
    assert done["badge"]["text"] == "✅ Auto-Remediated"
    assert "✅ Auto-Remediated" in page(installed, done["id"])

    calls = installed.twin.get("/twin/workflows/retry-pipeline/runs").json()["runs"]
    assert [call["body"]["ticket_id"] for call in calls] == [done["id"]]
    (rerun,) = installed.reruns("nightly-load")
    assert (rerun["runId"], rerun["status"]) == (done["remediation_run_id"], "Succeeded")

    installed.until(lambda: "auto-remediation successful" in thread(installed, done["id"]), "Slack says so")
    assert "auto-remediation initiated for nightly-load" in thread(installed, done["id"])
    installed.until(lambda: issue(installed, done["id"])["status_category"] == "done", "the Jira issue is done")
    actions = [entry["action"] for entry in installed.get("/api/audit-trail", ticket_id=done["id"])["entries"]]
    assert {"auto_remediation_triggered", "auto_remediation_success"} <= set(actions)


def test_scenario_2_failed_retries_with_escalation(installed: Installation) -> None:
    installed.starts()
    _sign_in(installed)
    installed.breaks("nightly-load", outcomes=["GatewayTimeout"], alert="log_v2")

    ticket = installed.until_ticket("nightly-load", "it is escalated", remediation_status="max_retries_exceeded")
    assert ticket["status"] == "open"
    assert ticket["badge"]["text"] == "⚠️ Escalated"
    assert "⚠️ Escalated" in page(installed, ticket["id"])
    assert len(installed.reruns("nightly-load")) == 3

    installed.until(lambda: "manual intervention required" in thread(installed, ticket["id"]), "Slack is told")
    said = thread(installed, ticket["id"])
    assert "retry attempt 2/3" in said
    assert "retry attempt 3/3" in said
    installed.until(
        lambda: "manual intervention" in str(issue(installed, ticket["id"])["comments"]).lower(), "Jira is told"
    )
    history = installed.get(f"/api/tickets/{ticket['id']}/remediation-history")["attempts"]
    assert [attempt["status"] for attempt in history] == ["failed"] * 3


def test_without_slack_jira_and_model_the_rest_works(installed: Installation) -> None:
    for name in ("SLACK_BOT_TOKEN", "SLACK_ALERT_CHANNEL", "JIRA_DOMAIN", "JIRA_USER_EMAIL", "JIRA_API_TOKEN"):
        del installed.environment[name]
    del installed.environment["GEMINI_API_KEY"], installed.environment["PLAYBOOK_RETRY_PIPELINE"]
    installed.starts()
    installed.breaks("nightly-load", outcomes=["GatewayTimeout", "Succeeded"])

    installed.until_ticket("nightly-load", "it is healed", status="acknowledged", remediation_status="succeeded")
    assert len(installed.reruns("nightly-load")) == 1


def _sign_in(installed: Installation) -> None:
    link = installed.server.post("/api/sign-in-links").raise_for_status().json()["url"]
    assert installed.server.get(link, follow_redirects=True).is_success
