"""The workspace: channels with their messages, and what Slack is told to be like."""

import time
from dataclasses import dataclass, field, replace
from hashlib import sha256
from itertools import count
from typing import Any

# The twin's own secrets, good for nothing else.
TOKEN, APP_TOKEN, SIGNING_SECRET = "xoxb-twin", "xapp-twin", "twin-signing-secret"
TEAM, BOT, BOT_USER, APP = "T0TWIN0000", "B0TWIN0000", "U0TWINBOT0", "A0TWIN0000"
SCOPES = ("chat:write", "channels:history", "channels:read", "usergroups:read")


@dataclass(frozen=True)
class SlackSettings:
    """`withdrawn` are scopes the application lost; with `channels` set no others exist. `groups` are user groups with
    their members, `interactions_url` is where presses go."""

    withdrawn: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    seconds_between_posts: float = 0.0
    groups: dict[str, list[str]] = field(default_factory=dict)
    interactions_url: str | None = None
    signing_secret: str = SIGNING_SECRET


@dataclass(frozen=True)
class Content:
    """What a message says; an edit replaces it."""

    text: str
    blocks: list[dict[str, Any]] = field(default_factory=list)
    metadata: dict[str, Any] | None = None


@dataclass
class Message:
    channel: str
    ts: str
    user: str
    content: Content
    thread_ts: str | None = None
    edits: int = 0
    edited_ts: str | None = None
    before: list[Content] = field(default_factory=list)  # what it said before its edits

    @property
    def is_reply(self) -> bool:
        return self.thread_ts not in (None, self.ts)


@dataclass
class Channel:
    id: str
    name: str
    messages: dict[str, Message] = field(default_factory=dict)
    last_post: float = 0.0

    def thread(self, ts: str) -> list[Message]:
        """The message and its replies, oldest first."""
        return [m for m in self.messages.values() if m.ts == ts or (m.thread_ts == ts and m.is_reply)]


class Workspace:
    def __init__(self) -> None:
        self.settings = SlackSettings()
        self.channels: dict[str, Channel] = {}
        self._numbers = count(1)

    def channel(self, name_or_id: str) -> Channel | None:
        """By id or by name. Any channel exists unless the settings list which."""
        wanted = name_or_id.removeprefix("#")
        for channel in self.channels.values():
            if wanted in (channel.id, channel.name):
                return channel
        if not wanted or (self.settings.channels and wanted not in self.settings.channels):
            return None
        channel_id = wanted if _is_id(wanted) else "C" + sha256(wanted.encode()).hexdigest()[:9].upper()
        return self.channels.setdefault(channel_id, Channel(channel_id, wanted.lower()))

    def by_id(self, channel_id: str) -> Channel | None:
        return self.channels.get(channel_id)

    def post(self, channel: Channel, content: Content, thread_ts: str | None, user: str = BOT_USER) -> Message:
        message = Message(channel.id, self._ts(), user, content, thread_ts)
        channel.messages[message.ts] = message
        channel.last_post = time.monotonic()
        if thread_ts in channel.messages:
            channel.messages[thread_ts or ""].thread_ts = thread_ts
        return message

    def edit(self, message: Message, content: Content) -> None:
        """An edit without metadata keeps what was there."""
        kept = content if content.metadata else replace(content, metadata=message.content.metadata)
        message.before.append(message.content)
        message.content, message.edited_ts = kept, self._ts()
        message.edits += 1

    def _ts(self) -> str:
        """Like the time, and never twice the same."""
        return f"{int(time.time())}.{next(self._numbers):06d}"


def _is_id(text: str) -> bool:
    return len(text) >= 9 and text[0] in "CGD" and text.isalnum() and text == text.upper()
