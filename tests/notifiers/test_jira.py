"""What Jira is told, and what becomes of it when something goes wrong there."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from pydantic import SecretStr

from pipemend.clients.http import Http
from pipemend.core.errors import Missing, NoAnswer, NotAllowed, OutsideError, Refused, ShutOut, Unreachable
from pipemend.core.ports import News, Receipt
from pipemend.notifiers.jira import Jira, build, messages
from pipemend.notifiers.jira.api import Account, Api
from pipemend.settings import Settings
from tests.notifiers.samples import (
    TICKET,
    a_ticket,
    asked,
    breached,
    closed_by,
    exhausted,
    explained,
    granted,
    opened,
    reopened,
    repeated,
    retried,
    started,
    succeeded,
    waits,
)
from tests.notifiers.test_slack_limits import TICKETS, with_texts
from tests.notifiers.tiny_jira import TinyJira, as_read, empty_texts


@pytest.fixture
async def told(jira: Jira) -> Receipt:
    """The receipt of a first message."""
    receipt = await jira.tell(opened(), None)
    assert receipt
    return receipt


async def test_a_ticket_becomes_one_issue_with_its_id_as_label(jira: Jira, jira_vendor: TinyJira):
    receipt = await jira.tell(opened(), None)

    assert receipt
    assert (receipt.place["key"], receipt.place["id"]) == ("OPS-1", "1001")
    assert jira_vendor.issue["labels"] == [TICKET]
    assert jira_vendor.issue["project"] == {"key": "OPS"}
    assert jira_vendor.issue["issuetype"] == {"name": "Task"}
    assert jira_vendor.called("search/jql") == 0


async def test_a_repeated_opening_searches_again_since_the_search_lags(
    jira: Jira, jira_vendor: TinyJira, told: Receipt, naps: list[float]
):
    jira_vendor.search_sees = False
    found = await jira.tell(repeated(opened()), None)

    assert found == told
    assert naps == [5.0]
    assert len(jira_vendor.issues) == 1


async def test_a_repeated_opening_that_is_found_nowhere_creates_the_issue(jira: Jira, naps: list[float]):
    assert await jira.tell(repeated(opened()), None)
    assert naps == [5.0]


async def test_the_issue_named_on_the_ticket_is_used_without_a_receipt(
    jira: Jira, jira_vendor: TinyJira, told: Receipt
):
    ticket = a_ticket(itsm_ticket_id="OPS-1", remediation_attempts=1)
    await jira.tell(started(ticket=ticket), None)

    assert len(jira_vendor.issues) == 1
    assert jira_vendor.called("search/jql") == 0


async def test_a_started_attempt_is_one_comment_and_a_waiting_one_none(
    jira: Jira, jira_vendor: TinyJira, told: Receipt
):
    await jira.tell(waits(), told)
    await jira.tell(started(), told)
    await jira.tell(retried(), told)

    assert jira_vendor.comments() == [f"🤖 Attempt 1/3 started: rerun-1\nPipemend event 21 of {TICKET}\n"]


async def test_a_success_closes_the_issue(jira: Jira, jira_vendor: TinyJira, told: Receipt):
    await jira.tell(succeeded(), told)

    assert jira_vendor.issue["status"] == "Done"
    (comment,) = jira_vendor.comments()
    assert comment.startswith("✅ Auto-Remediation Successful\n")
    assert "could not be closed" not in comment


@pytest.mark.parametrize("user", ["ann", "PIPELINE", "RECOVERED", "MERGED"])
async def test_an_issue_is_closed_with_its_ticket_whoever_closed_it(
    jira: Jira, jira_vendor: TinyJira, told: Receipt, user: str
):
    await jira.tell(closed_by(user), told)

    assert jira_vendor.issue["status"] == "Done"
    assert len(jira_vendor.comments()) == 1


async def test_an_escalation_is_a_comment_and_leaves_the_issue_open(jira: Jira, jira_vendor: TinyJira, told: Receipt):
    await jira.tell(exhausted(), told)

    assert jira_vendor.issue["status"] == "To Do"
    assert "Last Failure: the sink refused the connection" in jira_vendor.comments()[0]


async def test_an_approval_is_asked_for_in_a_comment(jira: Jira, jira_vendor: TinyJira, told: Receipt):
    await jira.tell(asked(), told)
    await jira.tell(granted(), told)

    asks, answer = jira_vendor.comments()
    assert asks.startswith("🔔 Approval needed for nightly-load")
    assert "Answer Until: 14:15 UTC" in asks
    assert answer.startswith("👍 Attempt 1/3 was approved by rosa")


async def test_a_breached_sla_is_one_line_in_a_comment(jira: Jira, jira_vendor: TinyJira, told: Receipt):
    await jira.tell(breached(), told)

    (said,) = jira_vendor.comments()
    assert said.startswith("⏰ SLA breached: still open after 30 minutes (10:45 UTC)")
    assert jira_vendor.issue["status"] == "To Do"


async def test_an_explanation_rewrites_the_description(jira: Jira, jira_vendor: TinyJira, told: Receipt):
    await jira.tell(explained(), told)

    assert "The gateway was restarted for an update." in as_read(jira_vendor.issue["description"])
    assert jira_vendor.comments() == []


async def test_an_explanation_leaves_what_people_wrote_and_becomes_a_comment(
    jira: Jira, jira_vendor: TinyJira, told: Receipt
):
    jira_vendor.issue["description"] = {"type": "doc", "version": 1, "content": []}
    await jira.tell(explained(), told)

    assert jira_vendor.issue["description"]["content"] == []
    assert "The gateway was restarted for an update." in jira_vendor.comments()[0]


async def test_an_explanation_whose_answer_was_lost_is_no_edit_of_other_people(
    jira: Jira, jira_vendor: TinyJira, told: Receipt
):
    jira_vendor.trouble("PUT", hangs=True, after=True)
    with pytest.raises(NoAnswer):
        await jira.tell(explained(), told)
    await jira.tell(repeated(explained()), told)

    assert "The gateway was restarted for an update." in as_read(jira_vendor.issue["description"])
    assert jira_vendor.comments() == []


async def test_jira_may_set_what_we_wrote_anew(jira: Jira, jira_vendor: TinyJira, told: Receipt):
    """It adds attributes to a document, and joins and splits its texts."""
    jira_vendor.issue["description"]["content"][0]["attrs"] = {"localId": "7", "level": 2}
    jira_vendor.issue["description"]["content"][0]["content"].append({"type": "text", "text": " "})
    await jira.tell(explained(), told)

    assert "The gateway was restarted for an update." in as_read(jira_vendor.issue["description"])


@pytest.mark.parametrize("told_again", [reopened(), exhausted()], ids=["reopened", "escalated"])
async def test_a_ticket_that_opens_again_takes_its_issue_out_of_done(
    jira: Jira, jira_vendor: TinyJira, told: Receipt, told_again: News
):
    await jira.tell(succeeded(), told)
    assert jira_vendor.issue["status"] == "Done"
    await jira.tell(told_again, told)

    assert jira_vendor.issue["status"] == "To Do"


async def test_an_issue_that_is_open_stays_where_people_put_it(jira: Jira, jira_vendor: TinyJira, told: Receipt):
    jira_vendor.issue["status"] = "In Progress"
    await jira.tell(exhausted(), told)

    assert jira_vendor.issue["status"] == "In Progress"
    assert jira_vendor.called("transitions") == 0


async def test_an_issue_that_cannot_be_reopened_says_so(jira: Jira, jira_vendor: TinyJira, told: Receipt):
    jira_vendor.workflow = {"To Do": ["Done"], "Done": ["Gone"], "Gone": []}
    await jira.tell(succeeded(), told)
    await jira.tell(reopened(), told)

    assert "could not be reopened automatically: no transition leads out" in jira_vendor.comments()[-1]


async def test_an_ending_opens_no_issue(jira: Jira, jira_vendor: TinyJira):
    assert await jira.tell(succeeded(), None) is None
    assert jira_vendor.issues == {}


async def test_an_escalation_opens_the_issue_that_was_never_made(jira: Jira, jira_vendor: TinyJira):
    assert await jira.tell(exhausted(), None)
    assert "⚠️ Auto-Remediation Failed" in jira_vendor.comments()[0]


async def test_an_issue_that_was_created_and_not_commented_is_found_by_the_next_telling(
    jira: Jira, jira_vendor: TinyJira
):
    jira_vendor.trouble("/comment", status=429, body={})
    with pytest.raises(NoAnswer):
        await jira.tell(started(), None)
    await jira.tell(repeated(started()), None)

    assert len(jira_vendor.issues) == 1
    assert len(jira_vendor.comments()) == 1


async def test_a_status_two_steps_away_is_reached_through_work_under_way(
    jira: Jira, jira_vendor: TinyJira, told: Receipt
):
    jira_vendor.workflow = {"To Do": ["In Progress"], "In Progress": ["To Do", "Done"], "Done": []}
    await jira.tell(succeeded(), told)

    assert jira_vendor.issue["status"] == "Done"


async def test_a_longer_way_through_work_under_way_is_found(jira: Jira, jira_vendor: TinyJira, told: Receipt):
    jira_vendor.workflow = {
        "To Do": ["In Progress"],
        "In Progress": ["In Progress", "In Review"],
        "In Review": ["In Progress", "Done"],
        "Done": [],
    }
    await jira.tell(succeeded(), told)

    assert jira_vendor.issue["status"] == "Done"


async def test_an_issue_that_cannot_be_closed_says_so_in_its_comment(jira: Jira, jira_vendor: TinyJira, told: Receipt):
    jira_vendor.workflow = {"To Do": []}
    receipt = await jira.tell(succeeded(), told)

    assert receipt == told
    (comment,) = jira_vendor.comments()
    assert comment.startswith("✅ Auto-Remediation Successful\n")
    assert (
        "could not be closed automatically: no transition leads to a closed status. Please close it by hand." in comment
    )


async def test_a_way_that_leads_in_circles_has_an_end(jira: Jira, jira_vendor: TinyJira, told: Receipt):
    jira_vendor.workflow = {"To Do": ["In Progress"], "In Progress": ["In Review"], "In Review": ["In Progress"]}
    await jira.tell(succeeded(), told)

    assert "could not be closed" in jira_vendor.comments()[0]
    assert jira_vendor.called("POST /rest/api/3/issue/OPS-1/transitions") <= 4


@pytest.mark.parametrize(("offered", "chosen"), [(["Done", "Won't Do"], "Done"), (["Fixed"], "Fixed")])
async def test_a_resolution_is_given_where_the_transition_demands_one(
    jira: Jira, jira_vendor: TinyJira, told: Receipt, offered: list[str], chosen: str
):
    jira_vendor.screens = {"Done": offered}
    await jira.tell(succeeded(), told)

    assert jira_vendor.issue["status"] == "Done"
    assert jira_vendor.issue["resolution"] == chosen


async def test_a_transition_without_a_screen_is_taken_first(jira: Jira, jira_vendor: TinyJira, told: Receipt):
    jira_vendor.workflow = {"To Do": ["Done", "Gone"], "Gone": []}
    jira_vendor.screens = {"Done": ["Done"]}
    await jira.tell(succeeded(), told)

    assert jira_vendor.issue["status"] == "Gone"


async def test_where_one_transition_is_refused_another_is_tried(jira: Jira, jira_vendor: TinyJira, told: Receipt):
    jira_vendor.workflow = {"To Do": ["Done", "Gone"], "Gone": []}
    demand = {"errorMessages": [], "errors": {"customfield_10030": "Root cause code is required."}}
    jira_vendor.trouble("POST /rest/api/3/issue/OPS-1/transitions", status=400, body=demand)
    await jira.tell(succeeded(), told)

    assert jira_vendor.issue["status"] == "Gone"
    assert "could not be closed" not in jira_vendor.comments()[0]


async def test_a_demand_that_we_cannot_meet_is_told_to_people(jira: Jira, jira_vendor: TinyJira, told: Receipt):
    demand = {"errorMessages": [], "errors": {"customfield_10030": "Root cause code is required."}}
    jira_vendor.trouble("POST /rest/api/3/issue/OPS-1/transitions", status=400, body=demand, times=4)
    await jira.tell(succeeded(), told)

    assert "Root cause code is required." in jira_vendor.comments()[0]


async def test_somebody_who_may_not_move_issues_still_comments(jira: Jira, jira_vendor: TinyJira, told: Receipt):
    jira_vendor.trouble("POST /rest/api/3/issue/OPS-1/transitions", status=403, body={}, times=4)
    await jira.tell(succeeded(), told)

    assert "could not be closed" in jira_vendor.comments()[0]


@pytest.mark.parametrize("status", [409, 400])
async def test_a_conflict_is_read_again_once(jira: Jira, jira_vendor: TinyJira, told: Receipt, status: int):
    clash = {"errorMessages": ["It seems that someone else has changed this issue."], "errors": {}}
    jira_vendor.trouble("POST /rest/api/3/issue/OPS-1/transitions", status=status, body=clash)
    await jira.tell(succeeded(), told)

    assert jira_vendor.issue["status"] == "Done"
    assert "could not be closed" not in jira_vendor.comments()[0]


async def test_a_conflict_that_lasts_is_tried_later_and_nothing_was_said_yet(
    jira: Jira, jira_vendor: TinyJira, told: Receipt
):
    jira_vendor.trouble("POST /rest/api/3/issue/OPS-1/transitions", status=409, body={}, times=2)
    with pytest.raises(OutsideError) as conflict:
        await jira.tell(succeeded(), told)

    assert conflict.value.transient
    assert jira_vendor.comments() == []


@pytest.mark.parametrize(
    ("status", "error", "transient"),
    [
        (401, ShutOut, True),
        (403, NotAllowed, False),
        (404, Missing, False),
        (400, Refused, False),
        (410, Refused, False),
        (500, OutsideError, True),
        (503, OutsideError, True),
    ],
)
async def test_errors_are_told_apart_by_their_status(
    jira: Jira, jira_vendor: TinyJira, status: int, error: type[OutsideError], transient: bool
):
    jira_vendor.trouble("", status=status, body={"errorMessages": ["No."], "errors": {"summary": "Too long."}})

    with pytest.raises(error) as failed:
        await jira.tell(opened(), None)

    assert failed.value.transient is transient
    assert "No.; summary: Too long." in str(failed.value)


async def test_a_closed_port_means_that_nothing_was_sent():
    nowhere = Jira(Api(Http(), "http://127.0.0.1:9", Account("a@b.c", SecretStr("none"))), "OPS")

    with pytest.raises(Unreachable):
        await nowhere.tell(opened(), None)
    await nowhere.close()


async def test_it_is_built_from_settings_alone():
    named = {"JIRA_DOMAIN": "contoso.atlassian.net", "JIRA_USER_EMAIL": "a@b.c", "JIRA_API_TOKEN": "secret-token"}
    jira = build(Settings.of(named))

    assert build(Settings.of({})) is None
    assert jira
    assert "secret-token" not in repr(vars(jira))
    await jira.close()


@settings(max_examples=60, deadline=timedelta(seconds=5), suppress_health_check=list(HealthCheck))
@given(fields=TICKETS)
def test_jiras_limits_hold_whatever_a_ticket_says(fields: dict[str, Any]):
    for told in (opened(), exhausted(), succeeded(), closed_by("ann")):
        nasty = with_texts(told, fields)
        bodies = [messages.description(nasty), messages.comment(nasty, messages.telling(nasty).comment)]

        assert all(len(as_read(body).encode("utf-16-le")) // 2 <= 32_767 for body in bodies)
        assert [text for body in bodies for text in empty_texts(body)] == []
        assert_is_a_summary(nasty)


def assert_is_a_summary(told: News) -> None:
    summary = messages.summary(told)
    assert summary.isprintable() or "\n" not in summary
    assert len(summary.encode("utf-16-le")) // 2 <= 255
    assert " failed - " in summary
