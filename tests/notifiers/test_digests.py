"""A storm is one message and one issue that grow, and a bell where people are to act."""

import pytest

from pipemend.core.errors import NoAnswer
from pipemend.core.ports import Digest, Receipt
from pipemend.core.storm import deserves_a_bell
from pipemend.notifiers.jira import Jira
from pipemend.notifiers.slack import Slack
from tests.notifiers.samples import ASKED, BEGAN, ENDED, GREW, RANG, STORM, repeated
from tests.notifiers.tiny_jira import TinyJira, as_read
from tests.notifiers.tiny_slack import TinySlack
from tests.notifiers.tiny_slack import as_read as as_read_in_slack

EVERY_DIGEST = pytest.mark.parametrize("told", [BEGAN, GREW, RANG, ENDED], ids=["began", "grew", "rang", "ended"])


async def test_slack_has_one_message_that_grows(slack: Slack, slack_vendor: TinySlack):
    receipt = await slack.sum_up(BEGAN, None)
    receipt = await slack.sum_up(GREW, receipt)

    (message,) = slack_vendor.in_channel()
    said = as_read_in_slack(message["blocks"])
    assert message["text"] == "🌩️ 300 failures: GatewayTimeout on contoso"
    assert said.startswith("🌩️ 300 failures of one cause\n")
    for line in ("Healed:\n120", "Healing:\n165", "Left to people:\n12", "nightly-load, hourly-load and 298 more"):
        assert line in said
    assert slack_vendor.thread() == []


async def test_slack_rings_in_the_thread_when_people_have_to_act_and_when_it_is_over(
    slack: Slack, slack_vendor: TinySlack
):
    receipt = await slack.sum_up(BEGAN, None)
    receipt = await slack.sum_up(RANG, receipt)
    await slack.sum_up(ENDED, receipt)

    escalated, over = slack_vendor.thread()
    assert escalated["text"] == "⚠️ 12 of 300 failures are left to people: GatewayTimeout on contoso"
    assert "nightly-load and 11 more" in as_read_in_slack(escalated["blocks"])
    assert over["text"] == "✅ The storm is over: 290 of 300 healed, 10 closed without us"


async def test_slack_rings_for_what_awaits_approval_as_well(slack: Slack, slack_vendor: TinySlack):
    await slack.sum_up(ASKED, await slack.sum_up(BEGAN, None))

    (asked,) = slack_vendor.thread()
    assert asked["text"] == "🔔 5 of 300 failures await approval: GatewayTimeout on contoso"
    assert "Needs approval:\n5" in as_read_in_slack(slack_vendor.first["blocks"])


async def test_a_digest_that_somebody_deleted_is_posted_anew(slack: Slack, slack_vendor: TinySlack):
    receipt = await slack.sum_up(BEGAN, None)
    slack_vendor.messages.clear()
    receipt = await slack.sum_up(RANG, receipt)

    assert receipt
    assert slack_vendor.first["ts"] == receipt.place["ts"]
    assert len(slack_vendor.thread()) == 1


async def test_a_digest_that_cannot_be_edited_still_rings(slack: Slack, slack_vendor: TinySlack):
    receipt = await slack.sum_up(BEGAN, None)
    slack_vendor.trouble("chat.update", body={"ok": False, "error": "edit_window_closed"})
    await slack.sum_up(RANG, receipt)

    assert len(slack_vendor.thread()) == 1


async def test_jira_has_one_issue_that_grows_and_is_closed_at_the_end(jira: Jira, jira_vendor: TinyJira):
    receipt = await jira.sum_up(BEGAN, None)
    assert jira_vendor.issue["labels"] == [STORM]
    for told in (GREW, RANG, ENDED):
        receipt = await jira.sum_up(told, receipt)

    assert len(jira_vendor.issues) == 1
    assert jira_vendor.issue["summary"] == "300 failures: GatewayTimeout on contoso"
    assert "Healed: 290" in as_read(jira_vendor.issue["description"])
    assert jira_vendor.issue["status"] == "Done"
    rang, over = jira_vendor.comments()
    assert "⚠️ 12 of 300 failures are left to people" in rang
    assert "✅ The storm is over" in over


async def test_jira_leaves_what_people_wrote_into_the_issue_of_a_storm(jira: Jira, jira_vendor: TinyJira):
    receipt = await jira.sum_up(BEGAN, None)
    jira_vendor.issue["summary"] = "The firewall, again"
    await jira.sum_up(RANG, receipt)

    assert jira_vendor.issue["summary"] == "The firewall, again"
    assert len(jira_vendor.comments()) == 1


@EVERY_DIGEST
@pytest.mark.parametrize("lost", ["chat.postMessage", "chat.update"])
async def test_slack_is_told_once_whatever_happens_to_an_answer(
    slack: Slack, slack_vendor: TinySlack, told: Digest, lost: str
):
    receipt = None if told is BEGAN else await slack.sum_up(BEGAN, None)
    slack_vendor.trouble(lost, hangs=True, after=True)
    await until_told(slack, told, receipt)

    assert len(slack_vendor.in_channel()) == 1
    assert len(slack_vendor.thread()) == (told in (RANG, ENDED))


@EVERY_DIGEST
@pytest.mark.parametrize("lost", ["POST /rest/api/3/issue", "PUT", "/comment"])
async def test_jira_is_told_once_whatever_happens_to_an_answer(
    jira: Jira, jira_vendor: TinyJira, told: Digest, lost: str
):
    receipt = None if told is BEGAN else await jira.sum_up(BEGAN, None)
    jira_vendor.trouble(lost, hangs=True, after=True)
    await until_told(jira, told, receipt)

    assert len(jira_vendor.issues) == 1
    assert len(jira_vendor.comments()) == (told in (RANG, ENDED))


async def until_told(notifier: Slack | Jira, told: Digest, receipt: Receipt | None) -> None:
    try:
        await notifier.sum_up(told, receipt)
    except NoAnswer:
        await notifier.sum_up(repeated(told), receipt)


def test_people_are_called_at_the_first_and_whenever_their_number_has_doubled():
    rung, bells = 0, []
    for people in range(301):
        if deserves_a_bell(people, rung):
            rung = people
            bells.append(people)
    assert bells == [1, 2, 4, 8, 16, 32, 64, 128, 256]
