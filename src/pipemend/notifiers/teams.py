"""Microsoft Teams: one Adaptive Card for each thing that people should know, posted to a workflow's webhook.

A webhook tells nothing back: a card can be neither edited nor looked for, so each stands for itself, steps on the way
are left out, and one whose answer was lost is posted again and says so.
https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/how-to/add-incoming-webhook
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipemend import meters
from pipemend.clients.http import Http
from pipemend.core.alert import Door
from pipemend.core.errors import ShutOut, Unreadable
from pipemend.core.events import ApprovalRequested, SlaBreached, StatusChanged, StormChanged, TicketOpened
from pipemend.core.handover import Line
from pipemend.core.ports import Digest, Limits, News, Receipt
from pipemend.core.route import Route
from pipemend.notifiers import digests, phrases
from pipemend.notifiers.phrases import Fact, clean, cut, one_line
from pipemend.settings import Settings

DEADLINE = 15.0
# Above 28 KB a message is refused. Some count two bytes for each character, so what is sent is pure ASCII of half that.
LARGEST = 14_000
CARD = "application/vnd.microsoft.card.adaptive"
AGAIN = "Sent again: nobody knows whether it arrived the first time."
SHORTENED = "The rest is on the dashboard."

Block = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Card:
    """A title, what stands below it, and where its buttons lead."""

    title: str
    blocks: Sequence[Block]
    links: Sequence[Fact] = ()
    style: str = "default"  # of the title: default, good, attention, warning


class Teams:
    """Tells what a ticket is and how it ends, and calls people."""

    name = "teams"
    doors: tuple[Door, ...] = ()
    limits = Limits(at_once=2, per_second=1.0, burst=20)  # a webhook takes four requests a second

    def __init__(self, http: Http, url: str | None, deadline: float = DEADLINE) -> None:
        self._http, self._url, self._deadline = http, url, deadline

    async def tell(self, news: News, receipt: Receipt | None) -> Receipt | None:
        return await self._post(news, card(news), receipt)

    async def sum_up(self, digest: Digest, receipt: Receipt | None) -> Receipt | None:
        return await self._post(digest, card_of_storm(digest), receipt)

    async def close(self) -> None:
        await self._http.close()

    async def _post(self, what: News | Digest, said: Card | None, receipt: Receipt | None) -> Receipt | None:
        named = what.route.teams_webhook_url
        url = named.value if named else self._url
        if said is None or url is None:
            return receipt or Receipt({"event_id": None})
        sent = {"content": body(said, again=what.repeated), "headers": {"content-type": "application/json"}}
        with meters.outside(self.name, "post"):
            answer = await self._http.send("Teams", "POST", url, deadline=self._deadline, **sent)
            if answer.status == 401:
                raise ShutOut("Teams answered 401: TEAMS_WEBHOOK_URL, or the route's address, is not valid any more")
            if answer.checked("Teams", starts=True).text.lstrip().startswith("<"):
                raise Unreadable("Teams answered with a web page", status=answer.status)
        return Receipt({"event_id": what.id})


def build(settings: Settings, routes: Sequence[Route] = ()) -> Teams | None:
    """Teams as it is set, or nothing where neither the settings nor a route name a workflow."""
    own = settings.teams_webhook_url.get_secret_value() if settings.teams_webhook_url else None
    return Teams(Http(connections=4), own) if own or any(route.teams_webhook_url for route in routes) else None


def card(news: News) -> Card | None:
    """What an event is told as; nothing for steps on the way."""
    match news.event:
        case TicketOpened():
            return _opened(news)
        case ApprovalRequested() as event:
            blocks = [*facts(phrases.approval_facts(event, news)), *text(phrases.approval_reason(event), 1000)]
            return Card(phrases.approval_text(news), blocks, phrases.dashboard_links(news.link), "warning")
        case SlaBreached():
            title = f"{phrases.breach_line(news.ticket)} ({phrases.pipeline(news.ticket)})"
            return Card(title, facts(_ticket(news)), phrases.dashboard_links(news.link), "warning")
        case StatusChanged() as event:
            return _moved(news, event)
    return None


def card_of_storm(digest: Digest) -> Card | None:
    """How a storm begins and ends, and when people have to act; nothing while only its figures change."""
    if isinstance(digest.event, StormChanged):
        return None
    blocks = [*facts(digests.facts(digest.storm)), *text(f"Pipelines: {digests.pipelines(digest.storm)}", 1500)]
    if digest.storm.figures.needs_people:
        blocks += text(f"People needed for: {digests.left(digest.storm)}. {digests.ACTION}", 1500)
    title = digests.bell(digest) or f"🌩️ {digests.title(digest.storm)}"
    return Card(title, blocks, phrases.dashboard_links(digest.link), "attention")


def body(said: Card, *, again: bool = False) -> bytes:
    """The message within the limit: blocks that do not fit are left out from the end."""
    blocks = list(said.blocks)
    while len(sent := _message(said, blocks, again)) > LARGEST and blocks:
        blocks.pop()
    return sent


def facts(pairs: Iterable[Fact]) -> Sequence[Block]:
    """Names and values, a line each. Runs of plain text: nothing in them is read as a mark, a link or a mention."""
    return [
        _line(_run(f"{name}: ", weight="Bolder"), _run(cut(one_line(value), 300) or "-"), spacing="Small")
        for name, value in pairs
    ]


def text(said: str, limit: int, **how: Any) -> Sequence[Block]:
    """A block for each line of it, since a run has none; the first one stands a little apart."""
    lines = [line for line in cut(clean(said), limit).splitlines() if line.strip()] or ["-"]
    first, *rest = (_run(line, **how) for line in lines)
    return [_line(first), *(_line(run, spacing="None") for run in rest)]


def _line(*runs: Mapping[str, Any], **how: Any) -> Block:
    return {"type": "RichTextBlock", "inlines": list(runs), **how}


def _opened(news: News) -> Card:
    ticket = news.ticket
    blocks = [*facts(phrases.opened_facts(ticket)), *text(phrases.root_cause(ticket), 1500)]
    if error := phrases.error_message(ticket):
        blocks += text(error, 600, fontType="Monospace")
    if advice := phrases.recommendations(ticket):
        blocks += text("\n".join(f"• {cut(line, 300)}" for line in advice[:4]), 1300)
    blocks += text(f"Decision: {phrases.decision(ticket)}", 1000)
    return Card(phrases.opened_header(ticket), blocks, _links(news), "attention")


def _moved(news: News, event: StatusChanged) -> Card:
    links = _links(news)
    if event.remediation_success:
        page = phrases.rerun_links(news)
        return Card(phrases.success_text(news.ticket), facts(phrases.success_facts(news)), (*links[:1], *page), "good")
    if event.escalated:
        required = text(f"🔴 Action Required: {phrases.action_required(news)}", 1500)
        blocks = [*facts(phrases.escalation_facts(news)), *required, *_handed_over(news.handover)]
        return Card(phrases.escalation_text(news), blocks, links, "attention")
    title = f"{phrases.moved_line(news, event)} ({phrases.pipeline(news.ticket)})"
    return Card(title, facts(_ticket(news)), links, "default")


def _handed_over(lines: Sequence[Line]) -> Iterable[Block]:
    if lines:
        yield from text(phrases.HANDOVER, 50, weight="Bolder")
    yield from facts((line.label, line.says) for line in lines)


def _ticket(news: News) -> Sequence[Fact]:
    return (("Ticket ID", news.ticket.id), ("Error Type", phrases.error_type(news.ticket)))


def _links(news: News) -> Sequence[Fact]:
    return (*phrases.dashboard_links(news.link), *phrases.run_links(news.ticket))


def _run(said: str, **how: Any) -> Mapping[str, Any]:
    return {"type": "TextRun", "text": said, **how}


def _message(said: Card, blocks: Sequence[Block], again: bool) -> bytes:
    color = {"default": {}}.get(said.style, {"color": said.style.capitalize()})
    shown = [*text(one_line(said.title), 300, weight="Bolder", size="Large", **color), *blocks]
    if len(blocks) < len(said.blocks):
        shown += text(SHORTENED, 100, isSubtle=True)
    if again:
        shown += text(AGAIN, 100, isSubtle=True)
    content = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": shown,
        "actions": [{"type": "Action.OpenUrl", "title": title, "url": url} for title, url in said.links],
    }
    attachment = {"contentType": CARD, "contentUrl": None, "content": content}
    return json.dumps({"type": "message", "attachments": [attachment]}).encode()
