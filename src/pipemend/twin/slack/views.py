"""The shapes in which Slack shows messages."""

from typing import Any

from .workspace import APP, BOT, BOT_USER, TEAM, Channel, Message


def message_view(channel: Channel, message: Message, *, with_metadata: bool = True) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "user": message.user,
        "type": "message",
        "ts": message.ts,
        "text": message.content.text,
        "team": TEAM,
    }
    if message.user == BOT_USER:
        shown |= {"bot_id": BOT, "app_id": APP, "bot_profile": _bot_profile()}
    if message.content.blocks:
        shown["blocks"] = message.content.blocks
    if message.content.metadata and with_metadata:
        shown["metadata"] = message.content.metadata
    if message.edited_ts:
        shown["edited"] = {"user": BOT, "ts": message.edited_ts}
    return shown | _thread(channel, message)


def _thread(channel: Channel, message: Message) -> dict[str, Any]:
    if message.thread_ts is None:
        return {}
    parent = channel.messages.get(message.thread_ts)
    if message.is_reply:
        return {"thread_ts": message.thread_ts, "parent_user_id": parent.user if parent else BOT_USER}
    replies = channel.thread(message.ts)[1:]
    return {
        "thread_ts": message.ts,
        "reply_count": len(replies),
        "reply_users_count": len({reply.user for reply in replies}),
        "latest_reply": replies[-1].ts if replies else None,
        "reply_users": sorted({reply.user for reply in replies}),
        "subscribed": False,
    }


def _bot_profile() -> dict[str, Any]:
    return {
        "id": BOT,
        "app_id": APP,
        "user_id": BOT_USER,
        "name": "pipemend",
        "icons": {},
        "deleted": False,
        "updated": 1760000000,
        "team_id": TEAM,
    }


def plain_view(channel: Channel, message: Message) -> dict[str, Any]:
    """A message for whoever looks behind the stage."""
    return {
        "channel": channel.id,
        "channel_name": channel.name,
        "ts": message.ts,
        "thread_ts": message.thread_ts if message.is_reply else None,
        "user": message.user,
        "text": message.content.text,
        "blocks": message.content.blocks,
        "metadata": message.content.metadata,
        "edits": message.edits,
    }
