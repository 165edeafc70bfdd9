"""Slack through the official SDK."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from tests.twin.stage import Stage, keys, sample

HEADER = {"type": "header", "text": {"type": "plain_text", "text": "nightly failed"}}
BUTTON = {"type": "button", "text": {"type": "plain_text", "text": "Approve"}, "action_id": "approve", "value": "1"}


def section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


@pytest.fixture
async def slack(stage: Stage) -> AsyncIterator[AsyncWebClient]:
    async with aiohttp.ClientSession() as session:
        yield AsyncWebClient(token="xoxb-twin", base_url=f"{stage.base_url}/slack/api/", session=session)


async def test_a_message_is_posted_and_answered_in_its_thread(stage: Stage, slack: AsyncWebClient):
    first = await slack.chat_postMessage(
        channel="#alerts",
        text="nightly failed",
        blocks=[HEADER, {"type": "actions", "elements": [BUTTON]}],
        metadata={"event_type": "ticket", "event_payload": {"id": "ADF-1"}},
    )
    await slack.chat_postMessage(channel=first["channel"], text="attempt 1", thread_ts=first["ts"])

    thread = await slack.conversations_replies(channel=first["channel"], ts=first["ts"], include_all_metadata=True)
    kept = (await stage.get("slack/thread", channel="alerts", ts=first["ts"]))["messages"]
    assert first["channel"].startswith("C")
    assert [message["text"] for message in thread["messages"]] == ["nightly failed", "attempt 1"]
    assert thread["messages"][0]["metadata"]["event_payload"] == {"id": "ADF-1"}
    assert (thread["messages"][0]["reply_count"], thread["messages"][1]["thread_ts"]) == (1, first["ts"])
    assert [message["text"] for message in kept] == ["nightly failed", "attempt 1"]
    assert kept[0]["blocks"][0] == HEADER


async def test_metadata_is_shown_to_those_who_ask(slack: AsyncWebClient):
    sent = await slack.chat_postMessage(channel="#alerts", text="x", metadata={"event_type": "t", "event_payload": {}})

    plain = await slack.conversations_history(channel=sent["channel"])
    full = await slack.conversations_history(channel=sent["channel"], include_all_metadata=True)

    assert "metadata" not in plain["messages"][0]
    assert full["messages"][0]["metadata"]["event_type"] == "t"


async def test_a_message_is_edited_in_the_channel_where_it_is(stage: Stage, slack: AsyncWebClient):
    sent = await slack.chat_postMessage(channel="#alerts", text="before")
    other = await slack.chat_postMessage(channel="#other", text="elsewhere")

    await slack.chat_update(channel=sent["channel"], ts=sent["ts"], text="after")

    assert await refusal(slack.chat_update(channel="#alerts", ts=sent["ts"], text="x")) == "channel_not_found"
    assert await refusal(slack.chat_update(channel=other["channel"], ts=sent["ts"], text="x")) == "message_not_found"
    kept = (await stage.get("slack/messages"))["messages"][0]
    assert (kept["text"], kept["edits"]) == ("after", 1)


async def test_an_edit_keeps_the_blocks_that_it_does_not_name(stage: Stage, slack: AsyncWebClient):
    sent = await slack.chat_postMessage(channel="#alerts", text="before", blocks=[HEADER])

    await slack.chat_update(channel=sent["channel"], ts=sent["ts"], text="after")
    kept = (await stage.get("slack/messages"))["messages"][0]["blocks"]
    await slack.chat_update(channel=sent["channel"], ts=sent["ts"], text="after", blocks=[])

    assert kept == [HEADER]
    assert (await stage.get("slack/messages"))["messages"][0]["blocks"] == []


async def test_what_people_wrote_cannot_be_edited(stage: Stage, slack: AsyncWebClient):
    said = await stage.post("slack/say", channel="alerts", text="I am on it")

    error = await refusal(slack.chat_update(channel=said["channel"], ts=said["ts"], text="x"))

    assert error == "cant_update_message"


async def test_history_is_newest_first_and_in_pages(slack: AsyncWebClient):
    sent = [await slack.chat_postMessage(channel="#alerts", text=str(n)) for n in range(5)]

    pages = await slack.conversations_history(channel=sent[0]["channel"], limit=2)

    assert [[m["text"] for m in page["messages"]] async for page in pages] == [["4", "3"], ["2", "1"], ["0"]]


async def test_history_may_be_bounded(slack: AsyncWebClient):
    first, second = [await slack.chat_postMessage(channel="#alerts", text=str(n)) for n in range(2)]

    later = await slack.conversations_history(channel=first["channel"], oldest=first["ts"])
    both = await slack.conversations_history(channel=first["channel"], oldest=first["ts"], inclusive=True)

    assert [message["ts"] for message in later["messages"]] == [second["ts"]]
    assert len(both["messages"]) == 2


async def test_a_scope_can_be_withdrawn(stage: Stage, slack: AsyncWebClient):
    sent = await slack.chat_postMessage(channel="#alerts", text="x")
    await stage.put("slack", withdrawn=["channels:history"])

    with pytest.raises(SlackApiError) as refused:
        await slack.conversations_history(channel=sent["channel"])

    assert refused.value.response["error"] == "missing_scope"
    assert refused.value.response["needed"] == "channels:history"


async def test_only_its_own_token_is_taken(stage: Stage, slack: AsyncWebClient):
    assert (await slack.auth_test())["ok"] is True
    assert (
        await refusal(AsyncWebClient("xoxb-other", base_url=f"{stage.base_url}/slack/api/").auth_test())
        == "invalid_auth"
    )


async def test_channels_may_be_few(stage: Stage, slack: AsyncWebClient):
    await stage.put("slack", channels=["alerts"])

    assert (await slack.chat_postMessage(channel="#alerts", text="x"))["ok"]
    assert await refusal(slack.chat_postMessage(channel="#elsewhere", text="x")) == "channel_not_found"


async def test_posting_too_fast_is_refused(stage: Stage, slack: AsyncWebClient):
    await stage.put("slack", seconds_between_posts=30)
    await slack.chat_postMessage(channel="#alerts", text="x")

    with pytest.raises(SlackApiError) as refused:
        await slack.chat_postMessage(channel="#alerts", text="y")

    assert (refused.value.response.status_code, refused.value.response["error"]) == (429, "ratelimited")
    assert refused.value.response.headers["Retry-After"] == "30"


async def test_a_permalink_leads_to_the_message(slack: AsyncWebClient):
    sent = await slack.chat_postMessage(channel="#alerts", text="x")

    link = await slack.chat_getPermalink(channel=sent["channel"], message_ts=sent["ts"])

    assert link["permalink"].endswith(f"/archives/{sent['channel']}/p{sent['ts'].replace('.', '')}")


@pytest.mark.parametrize(
    "blocks",
    [
        [HEADER] * 51,
        [{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}],
        [section("x" * 3001)],
        [section("")],
        [{"type": "section", "fields": [{"type": "mrkdwn", "text": "x"}] * 11}],
        [{"type": "section", "fields": [{"type": "mrkdwn", "text": "x" * 2001}]}],
        [{"type": "actions", "elements": [BUTTON] * 26}],
        [{"type": "actions", "elements": [{**BUTTON, "value": "x" * 2001}]}],
        [{"type": "actions", "elements": [{**BUTTON, "text": {"type": "plain_text", "text": "x" * 76}}]}],
        [{"type": "actions", "elements": [{**BUTTON, "action_id": "x" * 256}]}],
        [{"type": "context", "elements": [{"type": "mrkdwn", "text": "x"}] * 11}],
        [{"type": "novelty"}],
    ],
    ids=lambda blocks: f"{blocks[0]['type']}-{len(str(blocks))}",
)
async def test_blocks_that_break_a_limit_are_refused(slack: AsyncWebClient, blocks):
    with pytest.raises(SlackApiError) as refused:
        await slack.chat_postMessage(channel="#alerts", text="x", blocks=blocks)

    assert refused.value.response["error"] == "invalid_blocks"
    assert "[json-pointer:/blocks" in refused.value.response["response_metadata"]["messages"][0]


async def test_blocks_at_their_limits_are_taken(slack: AsyncWebClient):
    header: dict[str, Any] = {"type": "header", "text": {"type": "plain_text", "text": "x" * 150}}
    blocks = [header, section("x" * 3000)]

    assert (await slack.chat_postMessage(channel="#alerts", text="x", blocks=blocks))["ok"]


async def test_all_texts_together_have_a_limit(slack: AsyncWebClient):
    blocks = [section("x" * 2900)] * 5

    assert await refusal(slack.chat_postMessage(channel="#alerts", text="x", blocks=blocks)) == "msg_blocks_too_long"


async def test_a_message_says_something(slack: AsyncWebClient):
    assert await refusal(slack.api_call("chat.postMessage", json={"channel": "#alerts"})) == "no_text"


async def test_a_thread_needs_its_first_message(slack: AsyncWebClient):
    error = await refusal(slack.chat_postMessage(channel="#alerts", text="x", thread_ts="1700000000.000001"))

    assert error == "thread_not_found"


async def test_forms_are_read_too(stage: Stage):
    form = {"token": "xoxb-twin", "channel": "#alerts", "text": "x", "blocks": '[{"type": "divider"}]'}

    answer = await stage.http.post("/slack/api/chat.postMessage", data=form)

    assert answer.json()["message"]["blocks"] == [{"type": "divider"}]


async def test_answers_have_keys_that_slack_has_been_seen_to_send(slack: AsyncWebClient):
    sent = await slack.chat_postMessage(channel="#alerts", text="x", blocks=[HEADER])
    edited = await slack.chat_update(channel=sent["channel"], ts=sent["ts"], text="y")

    posted = keys(sample("slack-api-chat-postMessage.json")) | {".message.blocks", ".message.bot_profile.user_id"}
    assert top(sent.data) <= posted
    updated = keys(sample("slack-api-chat-update.json"))
    assert top(edited.data) <= updated | {".message.ts", ".message.blocks", ".message.bot_profile.user_id"}


def top(answer: Any) -> set[str]:
    """The keys of an answer without what is inside blocks."""
    return {key for key in keys(answer) if ".blocks[]" not in key}


async def refusal(call) -> str:
    with pytest.raises(SlackApiError) as refused:
        await call
    return str(refused.value.response["error"])
