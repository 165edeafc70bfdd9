"""Tells Slack. The edit comes before the post: an edit may be repeated, a post may not."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from pipemend.clients.http import Http
from pipemend.core.alert import Door
from pipemend.core.checkup import Chain
from pipemend.core.errors import Unreadable
from pipemend.core.ports import Digest, Limits, News, Receipt, Take
from pipemend.core.route import Route
from pipemend.notifiers.slack import checks
from pipemend.notifiers.slack import digest as digests
from pipemend.notifiers.slack.api import CHANNEL_ID, Api, SlackRefused
from pipemend.notifiers.slack.blocks import Blocks, fitting
from pipemend.notifiers.slack.buttons import buttons
from pipemend.notifiers.slack.door import Signed
from pipemend.notifiers.slack.interactions import Interactions
from pipemend.notifiers.slack.messages import Message, Telling, telling
from pipemend.notifiers.slack.operators import Operators
from pipemend.notifiers.slack.original import Original
from pipemend.notifiers.slack.socket import Socket
from pipemend.settings import Settings

log = logging.getLogger(__name__)

DELETED = ("message_not_found",)
UNEDITABLE = ("cant_update_message", "edit_window_closed")
NO_THREAD = ("thread_not_found", "cannot_reply_to_message", "message_not_found")
UNSEEN = ("missing_scope", "no_permission", "not_allowed_token_type", *NO_THREAD)
PAGE, PAGES = 200, 5
# Slack takes about one message a second in a channel, and more of them in short bursts.
LIMITS = Limits(at_once=4, per_second=1.0, burst=30)
METADATA = "pipemend_event"


class Slack:
    """One message a ticket, edited as the story goes on; what people must notice goes into its thread."""

    name = "slack"
    limits = LIMITS

    def __init__(
        self,
        api: Api,
        channel: str,
        door: Signed | None = None,
        socket: Socket | None = None,
        *,
        groups: bool = False,
    ) -> None:
        self._api = api
        self._channel = channel
        self._ids: dict[str, str] = {}  # of channels that are set by their names
        self._heard_by = [way for way in (door, socket) if way is not None]
        self._socket = socket
        self._groups = groups  # whether user groups may press the buttons
        self.doors: tuple[Door, ...] = (door.door,) if door else ()

    async def listen(self, take: Take) -> None:
        """Hears presses by the socket, where there is one."""
        if self._socket is not None:
            await self._socket.listen(take)

    async def tell(self, news: News, receipt: Receipt | None) -> Receipt | None:
        told, was = telling(news), Original.of(receipt)
        if was is None:
            return await self._begin(news, told)
        now = replace(was.after(told), buttons=self._buttons(news))
        try:
            if now != was or news.repeated:
                await self._edit(now.channel, now.ts, Message(now.text, now.blocks()))
        except SlackRefused as refused:
            return await self._without_edit(news, told, was, refused)
        if told.reply:
            await self._reply(news, now.channel, now.ts, told.reply)
        return now.receipt()

    def _buttons(self, news: News) -> Blocks:
        """As the ticket is now; none while nobody listens to them."""
        return buttons(news.ticket) if self._heard_by else ()

    async def sum_up(self, digest: Digest, receipt: Receipt | None) -> Receipt | None:
        message, place = digests.message(digest), receipt.place if receipt else None
        if place is not None:
            place = await self._edit_digest(digest, message, place)
        if place is None:
            place = await self._open(digest, message)
        if said := digests.reply(digest):
            await self._reply(digest, str(place["channel"]), str(place["ts"]), said)
        return Receipt({"channel": place["channel"], "ts": place["ts"]})

    def checks(self) -> Sequence[Chain]:
        return checks.chains(self._api, self._channel, self._groups, self._socket.api if self._socket else None)

    async def close(self) -> None:
        await self._api.close()
        for way in self._heard_by:
            await way.close()

    async def _edit_digest(
        self, digest: Digest, message: Message, place: Mapping[str, Any]
    ) -> Mapping[str, Any] | None:
        """Where the digest is then; nothing when it has been deleted."""
        try:
            await self._edit(str(place["channel"]), str(place["ts"]), message)
        except SlackRefused as refused:
            if refused.word in DELETED:
                return None
            if refused.word not in UNEDITABLE:
                raise
            log.warning("the digest cannot be edited: %s", refused.word, extra=_about(digest))
        return place

    async def _without_edit(self, news: News, told: Telling, was: Original, refused: SlackRefused) -> Receipt | None:
        """What people must read reaches them in another way; what was only a status line is let go, or refused."""
        if refused.word in DELETED:
            log.warning("the original message is gone", extra=_about(news))
            must_be_read = told.reply or told.ending
            return (await self._begin(news, told) if must_be_read else None) or was.receipt()
        now = replace(was.after(told), buttons=self._buttons(news))
        instead = told.reply or (Message(now.text, now.blocks()) if told.ending else None)
        if refused.word not in UNEDITABLE or instead is None:
            raise refused
        log.warning("the original message cannot be edited: %s", refused.word, extra=_about(news))
        await self._reply(news, was.channel, was.ts, instead)
        return was.receipt()

    async def _begin(self, news: News, told: Telling) -> Receipt | None:
        """Posts to the channel what stands for itself; later messages follow below it."""
        if told.opening is None:
            return None
        draft = Original(
            channel=self._channel_for(news),
            ts="",
            text=told.opening.text,
            first=told.opening.blocks,
            above=told.above or (),
            buttons=self._buttons(news),
        )
        message = Message(draft.text, draft.blocks())
        place = await self._open(news, message)
        return replace(draft, channel=str(place["channel"]), ts=str(place["ts"])).receipt()

    async def _open(self, news: News | Digest, message: Message) -> Mapping[str, Any]:
        """Posts to the channel, unless it is there; where it is."""
        place = await self._seen_in_channel(news) if news.repeated else None
        wanted = self._channel_for(news)
        place = place or await self._post(news, wanted, message)
        ts, channel = place.get("ts"), place.get("channel")
        if not isinstance(ts, str) or not ts:
            raise Unreadable("Slack did not say where the message is")
        if not isinstance(channel, str) or not channel:
            return {"channel": wanted, "ts": ts}
        self._ids[wanted] = channel
        return {"channel": channel, "ts": ts}

    def _channel_for(self, news: News | Digest) -> str:
        """Where a new message goes, by its id as soon as that is known. One that was sent stays where it is."""
        named = news.route.slack_channel or self._channel
        return self._ids.get(named, named)

    async def _reply(self, news: News | Digest, channel: str, ts: str, message: Message) -> None:
        thread = {"channel": channel, "ts": ts}
        if news.repeated and await self._seen(news, "conversations.replies", **thread):
            return
        try:
            await self._post(news, channel, message, thread_ts=ts)
        except SlackRefused as refused:
            if refused.word not in NO_THREAD:
                raise
            await self._post(news, channel, message)

    async def _edit(self, channel: str, ts: str, message: Message) -> None:
        # chat.update reads names and links out of the text unless told otherwise; chat.postMessage does not.
        await self._api.write(
            "chat.update",
            channel=channel,
            ts=ts,
            text=message.text,
            blocks=message.blocks,
            parse="none",
            link_names=False,
        )

    async def _post(self, news: News | Digest, channel: str, message: Message, **thread: str) -> Mapping[str, Any]:
        return await self._api.write(
            "chat.postMessage",
            channel=channel,
            text=message.text,
            blocks=fitting(message.blocks),
            metadata={"event_type": METADATA, "event_payload": _key(news)},
            unfurl_links=False,
            unfurl_media=False,
            **thread,
        )

    async def _seen_in_channel(self, news: News | Digest) -> Mapping[str, Any] | None:
        channel = self._channel_for(news)
        if CHANNEL_ID.fullmatch(channel):
            return await self._seen(news, "conversations.history", channel=channel)
        log.warning("cannot look before repeating: the channel is set by its name and not its id", extra=_about(news))
        return None

    async def _seen(self, news: News | Digest, method: str, **where: str) -> Mapping[str, Any] | None:
        """The message that already tells this event, as far as we may look; else it is told at least once."""
        turn: dict[str, str] = {}
        for _ in range(PAGES):
            try:
                page = await self._api.read(method, limit=PAGE, include_all_metadata=True, **where, **turn)
            except SlackRefused as refused:
                if refused.word not in UNSEEN:
                    raise
                log.warning("cannot look before repeating: %s", refused, extra=_about(news))
                return None
            for message in _messages(page):
                if _told_by(message, news):
                    return {"channel": where["channel"], "ts": message.get("ts")}
            more = page.get("response_metadata")
            turn = {"cursor": str(more.get("next_cursor") or "") if isinstance(more, Mapping) else ""}
            if not turn["cursor"]:
                break
        return None


def build(settings: Settings, _: Sequence[Route] = ()) -> Slack | None:
    """Slack as it is set, or nothing without a token."""
    if settings.slack_bot_token is None:
        return None
    api = Api(settings.slack_bot_token, settings.slack_api_url)
    may_call = partial(_may_call, settings)
    heard = Interactions(Operators(settings.operators, api), Http(connections=5), may_call)
    door = Signed(settings.slack_signing_secret, heard) if settings.slack_signing_secret else None
    opens = Api(settings.slack_app_token, settings.slack_api_url) if settings.slack_app_token else None
    socket = Socket(opens, heard, may_call) if opens else None
    groups = any(name.startswith("S") for name in settings.operators)
    return Slack(api, settings.slack_alert_channel, door, socket, groups=groups)


def _may_call(settings: Settings, url: str) -> bool:
    """Whether we may call an address that Slack names: of a socket as of a page."""
    page = url.replace("ws", "http", 1) if url.startswith(("ws:", "wss:")) else url
    try:
        settings.check_address("an address of Slack's", page)
    except ValueError:
        log.warning("an address that Slack names is not among ALLOWED_HOSTS")
        return False
    return True


def _key(news: News | Digest) -> dict[str, Any]:
    return {"event_id": news.id, "ticket_id": news.about}


def _messages(page: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Raises Unreadable when there is no list: an empty one would mean that nothing was told."""
    found = page.get("messages")
    if not isinstance(found, list):
        raise Unreadable("Slack answered without a list of messages")
    return [message for message in found if isinstance(message, Mapping)]


def _told_by(message: Mapping[str, Any], news: News | Digest) -> bool:
    metadata = message.get("metadata")
    if not isinstance(metadata, Mapping) or not isinstance(payload := metadata.get("event_payload"), Mapping):
        return False
    return metadata.get("event_type") == METADATA and {name: payload.get(name) for name in _key(news)} == _key(news)


def _about(news: News | Digest) -> dict[str, Any]:
    return {"notifier": Slack.name, "ticket_id": news.about, "event_id": news.id}
