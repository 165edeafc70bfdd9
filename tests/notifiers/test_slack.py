"""What Slack is told, and what becomes of it when something goes wrong there."""

import logging
from dataclasses import replace

import pytest
from pydantic import SecretStr

from pipemend.core.errors import NoAnswer, OutsideError, Refused, ShutOut, Unreachable
from pipemend.core.ports import News, Receipt
from pipemend.notifiers.slack import Slack, build
from pipemend.notifiers.slack.api import Api
from pipemend.settings import Settings
from tests.notifiers.samples import (
    TICKET,
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
from tests.notifiers.tiny_slack import CHANNEL, TOKEN, TinySlack, as_read


@pytest.fixture
async def told(slack: Slack) -> Receipt:
    """The receipt of a first message."""
    receipt = await slack.tell(opened(), None)
    assert receipt
    return receipt


async def test_the_receipt_names_the_channel_by_its_id(slack: Slack, slack_vendor: TinySlack):
    by_name = Slack(slack._api, "#alerts")
    receipt = await by_name.tell(opened(), None)

    assert receipt
    assert receipt.place["channel"] == CHANNEL
    assert receipt.place["ts"] == slack_vendor.first["ts"]


async def test_an_attempt_is_told_in_the_thread_and_on_the_status_line(
    slack: Slack, slack_vendor: TinySlack, told: Receipt
):
    await slack.tell(started(), told)

    assert [message["text"] for message in slack_vendor.thread()] == ["🤖 Auto-remediation attempt 1 for nightly-load"]
    assert "Status: Attempt 1/3 runs: rerun-1" in as_read(slack_vendor.first["blocks"])
    assert slack_vendor.first["text"] == "🚨 nightly-load failed"


async def test_a_waiting_attempt_changes_the_status_line_alone(slack: Slack, slack_vendor: TinySlack, told: Receipt):
    receipt = await slack.tell(started(), told)
    await slack.tell(waits(), receipt)

    assert len(slack_vendor.thread()) == 1
    assert as_read(slack_vendor.first["blocks"]).count("Status:") == 1
    assert "Status: Attempt 2/3 waits until 10:18 UTC" in as_read(slack_vendor.first["blocks"])


async def test_an_approval_is_asked_for_in_the_thread_and_on_the_message(
    slack: Slack, slack_vendor: TinySlack, told: Receipt
):
    receipt = await slack.tell(asked(), told)

    (said,) = slack_vendor.thread()
    assert said["text"] == "🔔 Approval needed for nightly-load"
    assert "Answer Until: 14:15 UTC" in as_read(said["blocks"]).replace("\n", " ")
    assert "Attempt 1/3 needs approval until 14:15 UTC" in as_read(slack_vendor.first["blocks"])
    await slack.tell(granted(), receipt)
    assert "Attempt 1/3 was approved by rosa" in as_read(slack_vendor.first["blocks"])


async def test_a_breached_sla_is_one_line_in_the_thread(slack: Slack, slack_vendor: TinySlack, told: Receipt):
    before = slack_vendor.first["blocks"]
    await slack.tell(breached(), told)

    (said,) = slack_vendor.thread()
    assert as_read(said["blocks"]) == "⏰ SLA breached: still open after 30 minutes (10:45 UTC)"
    assert said["text"] == "⏰ SLA breached: still open after 30 minutes (10:45 UTC) (nightly-load)"
    assert slack_vendor.first["blocks"] == before


async def test_a_success_goes_above_the_analysis_as_it_was_first_told(
    slack: Slack, slack_vendor: TinySlack, told: Receipt
):
    analysis = as_read(slack_vendor.first["blocks"])
    receipt = await slack.tell(started(), told)
    await slack.tell(succeeded(), receipt)

    shown = as_read(slack_vendor.first["blocks"])
    assert slack_vendor.first["text"] == "✅ Auto-remediation successful for nightly-load"
    assert shown.startswith("✅ Auto-Remediation Successful\n")
    assert shown.endswith(analysis)
    assert len(slack_vendor.thread()) == 1


async def test_an_explanation_rewrites_the_analysis_and_keeps_the_success_above_it(
    slack: Slack, slack_vendor: TinySlack, told: Receipt
):
    receipt = await slack.tell(succeeded(), told)
    await slack.tell(explained(), receipt)

    shown = as_read(slack_vendor.first["blocks"])
    assert shown.startswith("✅ Auto-Remediation Successful\n")
    assert "The gateway was restarted for an update." in shown
    assert "did not answer in time" not in shown
    assert slack_vendor.first["text"] == "✅ Auto-remediation successful for nightly-load"


async def test_a_success_that_no_longer_holds_is_taken_down(slack: Slack, slack_vendor: TinySlack, told: Receipt):
    receipt = await slack.tell(succeeded(), told)
    await slack.tell(reopened(), receipt)

    shown = as_read(slack_vendor.first["blocks"])
    assert "Successful" not in shown
    assert "Status: 🔓 Open: it failed again (ann)" in shown
    assert slack_vendor.first["text"] == "🚨 nightly-load failed"


async def test_an_escalation_goes_into_the_thread(slack: Slack, slack_vendor: TinySlack, told: Receipt):
    await slack.tell(exhausted(), told)

    (escalation,) = slack_vendor.thread()
    assert escalation["text"] == "⚠️ Auto-remediation failed for nightly-load after 3 attempts"
    assert "Status: ⚠️ People have to act" in as_read(slack_vendor.first["blocks"])


async def test_the_thread_says_who_closed_the_ticket_and_why(slack: Slack, slack_vendor: TinySlack, told: Receipt):
    await slack.tell(closed_by("ann", "the firewall was wrong"), told)

    (line,) = slack_vendor.thread()
    assert as_read(line["blocks"]) == "☑️ Closed by ann: the firewall was wrong"
    assert "Status: ☑️ Closed by ann: the firewall was wrong" in as_read(slack_vendor.first["blocks"])


async def test_a_merged_ticket_makes_no_noise(slack: Slack, slack_vendor: TinySlack, told: Receipt):
    await slack.tell(closed_by("MERGED"), told)

    assert slack_vendor.thread() == []


async def test_each_message_carries_the_event_it_tells(slack: Slack, slack_vendor: TinySlack, told: Receipt):
    await slack.tell(retried(), told)

    metadata = [message["metadata"] for message in slack_vendor.messages.values()]
    assert metadata == [
        {"event_type": "pipemend_event", "event_payload": {"event_id": 1, "ticket_id": TICKET}},
        {"event_type": "pipemend_event", "event_payload": {"event_id": 42, "ticket_id": TICKET}},
    ]


async def test_a_message_is_edited_before_one_is_posted(slack: Slack, slack_vendor: TinySlack, told: Receipt):
    slack_vendor.trouble("chat.update", status=503, body={"ok": False, "error": "service_unavailable"})

    with pytest.raises(OutsideError) as failed:
        await slack.tell(exhausted(), told)
    await slack.tell(exhausted(), told)

    assert failed.value.transient
    assert len(slack_vendor.thread()) == 1


async def test_what_is_found_in_a_long_thread_is_not_said_again(slack: Slack, slack_vendor: TinySlack, told: Receipt):
    receipt = await slack.tell(started(), told)
    receipt = await slack.tell(retried(), receipt)
    await slack.tell(repeated(retried()), receipt)

    assert len(slack_vendor.thread()) == 2
    assert slack_vendor.called("conversations.replies") == 3  # one message a page


async def test_the_event_of_another_ticket_is_no_reason_to_be_silent(slack: Slack, slack_vendor: TinySlack):
    other = opened()
    await slack.tell(replace(other, ticket=replace(other.ticket, id="ADF-other")), None)
    await slack.tell(repeated(opened()), None)

    assert len(slack_vendor.in_channel()) == 2


async def test_without_the_scope_to_look_it_is_told_at_least_once_and_says_so(
    slack: Slack, slack_vendor: TinySlack, caplog: pytest.LogCaptureFixture
):
    slack_vendor.scopes = set()
    with caplog.at_level(logging.WARNING):
        receipt = await slack.tell(repeated(opened()), None)

    assert receipt
    assert len(slack_vendor.in_channel()) == 1
    assert "cannot look before repeating" in caplog.text
    assert "channels:history" in caplog.text


async def test_a_channel_that_is_set_by_name_is_looked_through_once_its_id_is_known(
    slack: Slack, slack_vendor: TinySlack, caplog: pytest.LogCaptureFixture
):
    by_name = Slack(slack._api, "#alerts")
    await by_name.tell(repeated(opened()), None)
    await by_name.tell(repeated(opened()), None)

    assert len(slack_vendor.in_channel()) == 1
    assert caplog.text.count("the channel is set by its name") == 1


async def test_an_ending_reaches_people_when_the_original_was_deleted(
    slack: Slack, slack_vendor: TinySlack, told: Receipt
):
    slack_vendor.messages.clear()
    receipt = await slack.tell(succeeded(), told)

    assert receipt
    assert slack_vendor.first["text"] == "✅ Auto-remediation successful for nightly-load"
    assert "The gateway did not answer in time." in as_read(slack_vendor.first["blocks"])
    assert receipt.place["ts"] == slack_vendor.first["ts"]


async def test_later_messages_follow_below_the_one_that_replaced_the_original(
    slack: Slack, slack_vendor: TinySlack, told: Receipt
):
    slack_vendor.messages.clear()
    receipt = await slack.tell(exhausted(), told)
    await slack.tell(closed_by("ann"), receipt)

    assert len(slack_vendor.in_channel()) == 1
    assert len(slack_vendor.thread()) == 1
    assert "Status: ☑️ Closed by ann" in as_read(slack_vendor.first["blocks"])


async def test_a_status_line_of_a_deleted_message_is_let_go(slack: Slack, slack_vendor: TinySlack, told: Receipt):
    slack_vendor.messages.clear()

    assert await slack.tell(waits(), told) == told
    assert slack_vendor.messages == {}


async def test_a_message_that_somebody_deleted_is_not_posted_again_for_an_explanation(
    slack: Slack, slack_vendor: TinySlack, told: Receipt
):
    slack_vendor.messages.clear()

    assert await slack.tell(explained(), told) == told
    assert slack_vendor.messages == {}


@pytest.mark.parametrize(
    ("told", "text"),
    [
        (exhausted(), "⚠️ Auto-remediation failed for nightly-load after 3 attempts"),
        (succeeded(), "✅ Auto-remediation successful for nightly-load"),
        (started(), "🤖 Auto-remediation attempt 1 for nightly-load"),
        (explained(), "🚨 nightly-load failed"),
    ],
)
async def test_what_has_no_original_goes_to_the_channel_in_its_own_words(
    slack: Slack, slack_vendor: TinySlack, told: News, text: str
):
    await slack.tell(told, None)

    assert slack_vendor.first["text"] == text


@pytest.mark.parametrize("word", ["cant_update_message", "edit_window_closed"])
async def test_an_ending_goes_into_the_thread_when_the_original_cannot_be_edited(
    slack: Slack, slack_vendor: TinySlack, told: Receipt, word: str
):
    slack_vendor.trouble("chat.update", body={"ok": False, "error": word}, times=2)
    await slack.tell(succeeded(), told)
    with pytest.raises(Refused) as refused:
        await slack.tell(waits(), told)

    assert [message["text"] for message in slack_vendor.thread()] == ["✅ Auto-remediation successful for nightly-load"]
    assert word in str(refused.value)


async def test_a_thread_that_is_gone_does_not_swallow_a_message(slack: Slack, slack_vendor: TinySlack, told: Receipt):
    slack_vendor.trouble("chat.postMessage", body={"ok": False, "error": "thread_not_found"})
    await slack.tell(exhausted(), told)

    assert len(slack_vendor.in_channel()) == 2


@pytest.mark.parametrize(
    "word",
    ["channel_not_found", "not_in_channel", "is_archived", "invalid_blocks"],
)
async def test_what_slack_will_refuse_again_parks(slack: Slack, slack_vendor: TinySlack, word: str):
    slack_vendor.trouble("chat.postMessage", body={"ok": False, "error": word})

    with pytest.raises(Refused) as refused:
        await slack.tell(opened(), None)

    assert not refused.value.transient
    assert word in str(refused.value)


@pytest.mark.parametrize("word", ["invalid_auth", "token_revoked", "account_inactive"])
async def test_what_a_new_token_mends_waits_for_it(slack: Slack, slack_vendor: TinySlack, word: str):
    slack_vendor.trouble("chat.postMessage", body={"ok": False, "error": word})

    with pytest.raises(ShutOut, match=rf"{word} \(SLACK_BOT_TOKEN is not valid any more\)") as refused:
        await slack.tell(opened(), None)

    assert refused.value.transient


@pytest.mark.parametrize("word", ["internal_error", "fatal_error", "service_unavailable"])
async def test_a_failure_within_slack_passes(slack: Slack, slack_vendor: TinySlack, word: str):
    slack_vendor.trouble("chat.postMessage", body={"ok": False, "error": word})

    with pytest.raises(OutsideError) as failed:
        await slack.tell(opened(), None)

    assert failed.value.transient


async def test_a_plain_text_where_json_was_expected_passes(slack: Slack, slack_vendor: TinySlack):
    slack_vendor.trouble("", status=200, body="ok", headers={"content-type": "text/plain"})

    with pytest.raises(OutsideError) as failed:
        await slack.tell(opened(), None)

    assert failed.value.transient


async def test_a_closed_port_means_that_nothing_was_sent():
    nowhere = Slack(Api(SecretStr(TOKEN), "http://127.0.0.1:9/"), CHANNEL)

    with pytest.raises(Unreachable):
        await nowhere.tell(opened(), None)
    await nowhere.close()


async def test_a_slow_answer_ends_at_the_deadline(slack: Slack, slack_vendor: TinySlack):
    slack_vendor.trouble("chat.postMessage", hangs=True)

    with pytest.raises(NoAnswer):
        await slack.tell(opened(), None)


async def test_no_error_and_no_log_line_holds_the_token(
    slack: Slack, slack_vendor: TinySlack, caplog: pytest.LogCaptureFixture
):
    slack_vendor.trouble("chat.postMessage", body={"ok": False, "error": "invalid_auth"})
    with caplog.at_level(logging.DEBUG), pytest.raises(ShutOut) as refused:
        await slack.tell(opened(), None)

    assert TOKEN not in caplog.text
    assert TOKEN not in repr(refused.value)
    assert refused.value.__context__ is None or refused.value.__suppress_context__


async def test_it_is_built_from_settings_alone(slack_vendor: TinySlack):
    named = {"SLACK_BOT_TOKEN": TOKEN, "SLACK_ALERT_CHANNEL": "#alerts"}
    slack = build(Settings.of(named))

    assert build(Settings.of({})) is None
    assert slack
    assert slack.name == "slack"
    await slack.close()
