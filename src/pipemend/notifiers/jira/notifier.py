"""Tells Jira. What may be repeated comes first; the comment, which may not, comes last."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from pydantic import SecretStr

from pipemend.clients.http import Http
from pipemend.core.alert import Door
from pipemend.core.checkup import Chain
from pipemend.core.errors import NoAnswer, Throttled, Unreachable, Unreadable
from pipemend.core.events import StormBegan, TicketOpened
from pipemend.core.ports import Digest, Limits, News, Receipt
from pipemend.core.route import Route
from pipemend.notifiers.jira import digest as digests
from pipemend.notifiers.jira import messages
from pipemend.notifiers.jira.api import Account, Api, listed
from pipemend.notifiers.jira.checks import chain
from pipemend.notifiers.jira.closing import close, reopen
from pipemend.notifiers.jira.document import Node, all_text, paragraphs
from pipemend.notifiers.jira.door import Webhook
from pipemend.notifiers.jira.messages import Telling, telling
from pipemend.settings import Settings

ISSUE_TYPE = "Task"
SEARCH_LAGS = 5.0
COMMENTS = 100

Sleep = Callable[[float], Awaitable[object]]
Content = Mapping[str, str | Node]


@dataclass(frozen=True, slots=True)
class Issue:
    """Where a ticket is kept in Jira. `wrote`: what its summary and description were when we last wrote them.

    `closed`: whether we have closed it, or found it closed, when we last looked.
    """

    key: str
    id: str = ""
    wrote: str = ""
    closed: bool = False

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> "Issue":
        """Raises Unreadable."""
        key, number = found.get("key"), found.get("id")
        if not isinstance(key, str) or not key:
            raise Unreadable("Jira named no issue")
        wrote, closed = str(found.get("wrote") or ""), found.get("closed") is True
        return cls(key, number if isinstance(number, str) else "", wrote, closed)

    def receipt(self) -> Receipt:
        return Receipt({"key": self.key, "id": self.id, "wrote": self.wrote, "closed": self.closed})


class Jira:
    """One issue a ticket; attempts and endings are comments, and the issue is closed with the ticket."""

    name = "jira"
    limits = Limits()

    def __init__(self, api: Api, project: str, sleep: Sleep = asyncio.sleep, secret: SecretStr | None = None) -> None:
        self._api = api
        self._project = project
        self._sleep = sleep
        self._account = ""
        self.doors: tuple[Door, ...] = Webhook(secret, self.account).doors if secret else ()

    async def account(self) -> str:
        """The id of the account whose token we have. Raises OutsideError."""
        if not self._account:
            found = (await self._api.get("myself")).get("accountId")
            if not isinstance(found, str) or not found:
                raise Unreadable("Jira did not say whose token it is")
            self._account = found
        return self._account

    async def tell(self, news: News, receipt: Receipt | None) -> Receipt | None:
        told = telling(news)
        if told.silent:
            return receipt
        issue = _known(news, receipt) or await self._look(news)
        if issue is None:
            return await self._begin(news, told, _content(news)) if told.opens else None
        if told.describes:
            issue, written = await self._describe(issue, _content(news))
            told = told if written else replace(told, comment=messages.explanation(news))
        return (await self._say(news, issue, told)).receipt()

    async def sum_up(self, digest: Digest, receipt: Receipt | None) -> Receipt | None:
        told, content = digests.telling(digest), digests.content(digest)
        issue = Issue.of(receipt.place) if receipt else await self._look(digest)
        if issue is None:
            return await self._begin(digest, told, content)
        issue, _ = await self._describe(issue, content)
        return (await self._say(digest, issue, told)).receipt()

    def checks(self) -> Sequence[Chain]:
        return [chain(self._api, self._project, ISSUE_TYPE)]

    async def close(self) -> None:
        await self._api.close()

    async def _begin(self, news: News | Digest, told: Telling, content: Content) -> Receipt:
        """Creates the issue, and says in it what is more than its description."""
        issue = await self._create(news, content)
        try:
            issue = await self._say(news, issue, told)
        except (Throttled, Unreachable) as error:
            # These mean that nothing was done. The issue is there, though: the next telling has to look for it.
            raise NoAnswer(f"the issue {issue.key} was created, and not yet commented: {error}") from error
        return issue.receipt()

    async def _say(self, news: News | Digest, issue: Issue, told: Telling) -> Issue:
        """Leads the issue where it is to be, and comments. Gives it as it stands now."""
        blocks = list(told.comment)
        if told.closes:
            why_not = await close(self._api, issue.key)
            blocks += [messages.left_open(why_not)] if why_not else []
            issue = replace(issue, closed=not why_not)
        if told.reopens:
            why_not = await reopen(self._api, issue.key)
            blocks += [messages.left_closed(why_not)] if why_not else []
            issue = replace(issue, closed=bool(why_not))
        if blocks and not (news.repeated and await self._commented(news, issue)):
            await self._api.post(f"issue/{issue.key}/comment", {"body": messages.comment(news, blocks)})
        return issue

    async def _look(self, news: News | Digest) -> Issue | None:
        """The issue that an earlier telling made and could not report. A first message has none to look for."""
        if isinstance(news.event, TicketOpened | StormBegan) and not news.repeated:
            return None
        found = await self._find(news)
        if found is None and news.repeated:
            await self._sleep(SEARCH_LAGS)
            found = await self._find(news)
        return found

    async def _find(self, news: News | Digest) -> Issue | None:
        query = f"project = {_quoted(self._project_for(news))} AND labels = {_quoted(news.about)} ORDER BY created ASC"
        wanted = ["summary", "description", "created", "updated"]
        answer = await self._api.post("search/jql", {"jql": query, "fields": wanted, "maxResults": 1})
        issues = listed(answer, "issues")
        return _untouched(issues[0]) if issues else None

    def _project_for(self, news: News | Digest) -> str:
        """Where a new issue is created. One that exists stays where it is."""
        return news.route.jira_project or self._project

    async def _create(self, news: News | Digest, content: Content) -> Issue:
        fields = {
            "project": {"key": self._project_for(news)},
            "issuetype": {"name": ISSUE_TYPE},
            "labels": [news.about],
            **content,
        }
        made = Issue.of(await self._api.post("issue", {"fields": fields}))
        return replace(made, wrote=_print(content))

    async def _describe(self, issue: Issue, content: Content) -> tuple[Issue, bool]:
        """Writes summary and description anew, unless people have changed what we wrote; whether they are ours."""
        found = await self._api.get(f"issue/{issue.key}", fields="summary,description")
        now, new = _print(_fields(found)), _print(content)
        if now not in (new, issue.wrote):
            return issue, False
        if now != new:
            await self._api.put(f"issue/{issue.key}", {"fields": content})
        return replace(issue, wrote=new), True

    async def _commented(self, news: News | Digest, issue: Issue) -> bool:
        path = f"issue/{issue.key}/comment"
        answer = await self._api.get(path, orderBy="-created", maxResults=COMMENTS)
        ours = messages.marker(news)
        return any(ours in paragraphs(told.get("body")) for told in listed(answer, "comments"))


def build(settings: Settings, _: Sequence[Route] = ()) -> Jira | None:
    """Jira as it is set, or nothing without a token."""
    if settings.jira_api_token is None:
        return None
    account = Account(settings.jira_user_email, settings.jira_api_token)
    api = Api(Http(), settings.jira_domain, account)
    return Jira(api, settings.jira_project_key, secret=settings.jira_webhook_secret)


def _known(news: News, receipt: Receipt | None) -> Issue | None:
    if receipt and receipt.place.get("key"):
        return Issue.of(receipt.place)
    return Issue(news.ticket.itsm_ticket_id) if news.ticket.itsm_ticket_id else None


def _content(news: News) -> Content:
    return {"summary": messages.summary(news), "description": messages.description(news)}


def _untouched(found: Mapping[str, Any]) -> Issue:
    """An issue found by its label: what it says is ours as long as nobody has changed it."""
    issue, fields = Issue.of(found), _fields(found)
    ours = fields.get("created") is not None and fields.get("created") == fields.get("updated")
    return replace(issue, wrote=_print(fields)) if ours else issue


def _fields(found: Mapping[str, Any]) -> Mapping[str, Any]:
    fields = found.get("fields")
    if not isinstance(fields, Mapping):
        raise Unreadable("Jira showed an issue without its fields")
    return fields


def _print(fields: Mapping[str, Any]) -> str:
    """A fingerprint of the text of summary and description."""
    said = "".join(str(fields.get("summary") or "").split()) + all_text(fields.get("description"))
    return sha256(said.encode()).hexdigest()


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
