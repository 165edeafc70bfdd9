"""The methods of Slack's web API."""

import base64
import binascii
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

from ..operations import Operation, operation
from ..refusals import slack_error
from ..slack.limits import MAX_IN_ALL, MAX_TEXT, complaints, text_in_all
from ..slack.views import message_view
from ..slack.workspace import APP, APP_TOKEN, BOT, BOT_USER, SCOPES, TEAM, TOKEN, Channel, Content, Message
from ..wire import Answer, Call, Refused, json_answer
from ..world import World

Arguments = Mapping[str, Any]
Method = Callable[[World, Call, Arguments], Answer]


def auth_test(_: World, call: Call, __: Arguments) -> Answer:
    who = {"url": f"{call.base_url}/", "team": "Twin", "user": "pipemend", "team_id": TEAM, "user_id": BOT_USER}
    return json_answer({"ok": True, **who, "bot_id": BOT, "app_id": APP, "is_enterprise_install": False})


def post_message(world: World, _: Call, given: Arguments) -> Answer:
    channel = _channel(world, given)
    content = _content(given)
    thread_ts = given.get("thread_ts")
    if thread_ts is not None and str(thread_ts) not in channel.messages:
        raise Refused(slack_error("thread_not_found"))
    _keep_pace(world, channel)
    message = world.slack.post(channel, content, str(thread_ts) if thread_ts else None)
    return json_answer({"ok": True, "channel": channel.id, "ts": message.ts, "message": message_view(channel, message)})


def update(world: World, _: Call, given: Arguments) -> Answer:
    """Takes the id of the channel alone, and only messages of our own. Blocks that are not given stay."""
    channel = world.slack.by_id(str(given.get("channel", "")))
    if channel is None:
        raise Refused(slack_error("channel_not_found"))
    message = _message(channel, given.get("ts"))
    if message.user != BOT_USER:
        raise Refused(slack_error("cant_update_message"))
    content = _content(given, message)
    world.slack.edit(message, content)
    shown = message_view(channel, message)
    return json_answer({"ok": True, "channel": channel.id, "ts": message.ts, "text": content.text, "message": shown})


def replies(world: World, _: Call, given: Arguments) -> Answer:
    channel = _channel(world, given)
    ts = str(given.get("ts", ""))
    if ts not in channel.messages:
        raise Refused(slack_error("thread_not_found"))
    return _page(channel, channel.thread(ts), given)


def history(world: World, _: Call, given: Arguments) -> Answer:
    channel = _channel(world, given)
    found = [message for message in channel.messages.values() if not message.is_reply and _within(message, given)]
    return _page(channel, found[::-1], given)


def permalink(world: World, call: Call, given: Arguments) -> Answer:
    channel = _channel(world, given)
    message = _message(channel, given.get("message_ts"))
    link = f"{call.base_url}/archives/{channel.id}/p{message.ts.replace('.', '')}"
    return json_answer({"ok": True, "channel": channel.id, "permalink": link})


def group_members(world: World, _: Call, given: Arguments) -> Answer:
    members = world.slack.settings.groups.get(str(given.get("usergroup", "")))
    if members is None:
        raise Refused(slack_error("no_such_subteam"))
    return json_answer({"ok": True, "users": list(members)})


def open_connection(world: World, call: Call, _: Arguments) -> Answer:
    """Where a socket may be opened, once."""
    return json_answer({"ok": True, "url": world.presses.sockets.address(call.base_url)})


def response_url(world: World, call: Call) -> Answer:
    """An answer to a press; its address is its only secret."""
    n, data = call.params["press"], call.fields()
    if not n.isdecimal() or not world.presses.answered(int(n), call.params["secret"], data):
        return json_answer({"ok": False, "error": "expired_url"}, 404)
    return json_answer({"ok": True})


def _within(message: Message, given: Arguments) -> bool:
    oldest, latest = str(given.get("oldest") or "0"), str(given.get("latest") or "9" * 16)
    if _true(given.get("inclusive")):
        return oldest <= message.ts <= latest
    return oldest < message.ts < latest


def _page(channel: Channel, found: list[Message], given: Arguments) -> Answer:
    limit, start = _limit(given.get("limit")), _cursor(given.get("cursor"))
    shown = found[start : start + limit]
    more = len(found) > start + limit
    with_metadata = _true(given.get("include_all_metadata"))
    answer: dict[str, Any] = {
        "ok": True,
        "messages": [message_view(channel, message, with_metadata=with_metadata) for message in shown],
        "has_more": more,
    }
    if more:
        cursor = base64.b64encode(f"next:{start + limit}".encode()).decode()
        answer["response_metadata"] = {"next_cursor": cursor}
    return json_answer(answer)


def _limit(given: Any) -> int:
    if str(given or 100).isdecimal():
        return min(int(given or 100), 999)
    raise Refused(slack_error("invalid_limit"))


def _cursor(given: Any) -> int:
    if not given:
        return 0
    try:
        return int(base64.b64decode(str(given)).decode().removeprefix("next:"))
    except (binascii.Error, ValueError) as wrong:
        raise Refused(slack_error("invalid_cursor")) from wrong


def _channel(world: World, given: Arguments) -> Channel:
    channel = world.slack.channel(str(given.get("channel", "")))
    if channel is None:
        raise Refused(slack_error("channel_not_found"))
    return channel


def _message(channel: Channel, ts: Any) -> Message:
    message = channel.messages.get(str(ts))
    if message is None:
        raise Refused(slack_error("message_not_found"))
    return message


def _content(given: Arguments, was: Message | None = None) -> Content:
    """What the message is to say. Raises Refused when Slack would not take it."""
    text = str(given.get("text") or "")
    blocks = _parsed(given.get("blocks"), list, "invalid_blocks_format") or []
    if was and "blocks" not in given:
        blocks = was.content.blocks
    if not text and not blocks:
        raise Refused(slack_error("no_text"))
    if len(text) > MAX_TEXT:
        raise Refused(slack_error("msg_too_long"))
    wrong = complaints(blocks)
    if wrong:
        raise Refused(slack_error("invalid_blocks", errors=wrong, response_metadata={"messages": wrong}))
    if text_in_all(blocks) > MAX_IN_ALL:
        raise Refused(slack_error("msg_blocks_too_long"))
    return Content(text, blocks, _parsed(given.get("metadata"), dict, "invalid_metadata_format"))


def _parsed(value: Any, kind: type[list[Any]] | type[dict[str, Any]], error: str) -> Any:
    """Forms carry JSON as text."""
    try:
        found = json.loads(value) if isinstance(value, str) and value else value or None
    except ValueError as wrong:
        raise Refused(slack_error(error)) from wrong
    if found is not None and not isinstance(found, kind):
        raise Refused(slack_error(error))
    return found


def _keep_pace(world: World, channel: Channel) -> None:
    pause = world.slack.settings.seconds_between_posts
    if pause and time.monotonic() - channel.last_post < pause:
        answer = slack_error("ratelimited", 429)
        raise Refused(replace(answer, headers=(*answer.headers, ("Retry-After", f"{max(1, round(pause))}"))))


def _true(value: Any) -> bool:
    return str(value).lower() in ("1", "true")


def guarded(method: Method, scope: str | None, wanted: str = TOKEN) -> Callable[[World, Call], Answer]:
    """Slack's own part: arguments in any of their forms, the token, and the scope."""

    def answer(world: World, call: Call) -> Answer:
        given = _arguments(call)
        token = call.headers.get("authorization", "").removeprefix("Bearer ") or str(given.get("token", ""))
        if token != wanted:
            raise Refused(slack_error("invalid_auth" if token else "not_authed"))
        provided = [have for have in SCOPES if have not in world.slack.settings.withdrawn]
        if scope and scope not in provided:
            raise Refused(slack_error("missing_scope", needed=scope, provided=",".join(provided)))
        done = method(world, call, given)
        return replace(
            done, headers=(*done.headers, ("x-slack-req-id", call.id), ("x-oauth-scopes", ",".join(provided)))
        )

    return answer


def _arguments(call: Call) -> dict[str, Any]:
    given: dict[str, Any] = dict(call.query)
    if call.headers.get("content-type", "").startswith("application/json"):
        try:
            data = call.json()
        except ValueError as wrong:
            raise Refused(slack_error("invalid_json")) from wrong
        return given | (data if isinstance(data, dict) else {})
    return given | dict(parse_qsl(call.body.decode("utf-8", "replace"), keep_blank_values=True))


def unknown_method(_: World, call: Call) -> Answer:
    return slack_error("unknown_method", req_method=call.params["method"])


def _method(name: str, method: Method, scope: str | None = None, token: str = TOKEN) -> tuple[Operation, Operation]:
    """Slack takes every method as POST and as GET."""
    handle = guarded(method, scope, token)
    path = f"/slack/api/{name}"
    return operation("slack", name, "POST", path, handle), operation("slack", name, "GET", path, handle)


OPERATIONS = (
    *_method("auth.test", auth_test),
    *_method("chat.postMessage", post_message, "chat:write"),
    *_method("chat.update", update, "chat:write"),
    *_method("chat.getPermalink", permalink),
    *_method("conversations.replies", replies, "channels:history"),
    *_method("conversations.history", history, "channels:history"),
    *_method("usergroups.users.list", group_members, "usergroups:read"),
    *_method("apps.connections.open", open_connection, token=APP_TOKEN),
    operation("slack", "response_url", "POST", "/slack/actions/{team}/{press}/{secret}", response_url),
    operation("slack", "unknown", "POST", "/slack/api/{method}", unknown_method),
    operation("slack", "unknown", "GET", "/slack/api/{method}", unknown_method),
)
