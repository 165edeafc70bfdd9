"""Which button a person means, and what Slack says when it is pressed."""

import json
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from ..wire import items
from .views import message_view
from .workspace import APP, TEAM, Channel, Content, Message, Workspace

Button = dict[str, Any]


def find(
    slack: Workspace, label: str, *, ts: str | None, about: str, stale: bool
) -> tuple[Channel, Message, Content, Button] | None:
    """The newest message with a button of this label: of this time stamp, with this text in it. `stale`: also as it
    was before its edits, for a person may look at an old screen."""
    places = ((channel, message) for channel in slack.channels.values() for message in channel.messages.values())
    for channel, message in sorted(places, key=lambda place: place[1].ts, reverse=True):
        if ts in (None, message.ts):
            for content in [message.content, *(reversed(message.before) if stale else ())]:
                said = f"{content.text} {json.dumps(content.blocks, ensure_ascii=False)}"
                for button in _buttons(content) if about in said else ():
                    if _label(button) == label:
                        return channel, message, content, button
    return None


def _buttons(content: Content) -> Iterator[Button]:
    for block in content.blocks:
        for element in items(block, "elements"):
            if element.get("type") == "button":
                yield {"block_id": block.get("block_id") or "b1", **element}


def _label(button: Button) -> str:
    text = button.get("text")
    return str(text.get("text")) if isinstance(text, dict) else ""


def payload(channel: Channel, message: Message, button: Button, user: str, name: str, address: str) -> dict[str, Any]:
    """https://docs.slack.dev/reference/interaction-payloads/block_actions-payload/"""
    kept = ("type", "action_id", "block_id", "text", "value", "style", "url")
    stamp = f"{time.time():.6f}"
    return {
        "type": "block_actions",
        "user": {"id": user, "username": name, "name": name, "team_id": TEAM},
        "api_app_id": APP,
        "token": "a verification token nobody should trust",
        "container": {
            "type": "message",
            "message_ts": message.ts,
            "channel_id": channel.id,
            "is_ephemeral": False,
        },
        "trigger_id": f"{int(time.time() * 1000)}.{TEAM}.{uuid4().hex}",
        "team": {"id": TEAM, "domain": "twin"},
        "enterprise": None,
        "is_enterprise_install": False,
        "channel": {"id": channel.id, "name": channel.name},
        "message": message_view(channel, message),
        "state": {"values": {}},
        "response_url": address,
        "actions": [{name: button[name] for name in kept if name in button} | {"action_ts": stamp}],
    }
