"""Tells Jira. What may be repeated comes first; the comment, which may not, comes last."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pipemend.clients.http import Http
from pipemend.core.alert import Door
from pipemend.core.errors import NoAnswer, Throttled, Unreachable, Unreadable
from pipemend.core.events import TicketOpened
from pipemend.core.ports import Limits, News, Receipt
from pipemend.notifiers.jira import messages
from pipemend.notifiers.jira.api import Account, Api
from pipemend.notifiers.jira.closing import close
from pipemend.notifiers.jira.document import Node, paragraphs
from pipemend.notifiers.jira.messages import Telling, telling
from pipemend.settings import Settings

ISSUE_TYPE = "Task"
SEARCH_LAGS = 5.0
COMMENTS = 100

Sleep = Callable[[float], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Issue:
    """Where a ticket is kept in Jira."""

    key: str
    id: str = ""

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> "Issue":
        if not found.get("key"):
            raise Unreadable("Jira named no issue")
        return cls(str(found["key"]), str(found.get("id") or ""))

    def receipt(self) -> Receipt:
        return Receipt({"key": self.key, "id": self.id})


class Jira:
    """One issue a ticket; attempts and endings are comments, and the issue is closed with the ticket."""

    name = "jira"
    doors: tuple[Door, ...] = ()
    limits = Limits()

    def __init__(self, api: Api, project: str, sleep: Sleep = asyncio.sleep) -> None:
        self._api = api
        self._project = project
        self._sleep = sleep

    async def tell(self, news: News, receipt: Receipt | None) -> Receipt | None:
        told = telling(news)
        if told.silent:
            return receipt
        issue = _known(news, receipt) or await self._look(news)
        if issue is None:
            if not told.opens:
                return None
            return await self._begin(news, told)
        if told.describes:
            await self._describe(news, issue)
        await self._say(news, issue, told)
        return issue.receipt()

    async def close(self) -> None:
        await self._api.close()

    async def _begin(self, news: News, told: Telling) -> Receipt:
        """Creates the issue, and says in it what is more than its description."""
        issue = await self._create(news)
        try:
            await self._say(news, issue, told)
        except (Throttled, Unreachable) as error:
            # These mean that nothing was done. The issue is there, though: the next telling has to look for it.
            raise NoAnswer(f"the issue {issue.key} was created, and not yet commented: {error}") from error
        return issue.receipt()

    async def _say(self, news: News, issue: Issue, told: Telling) -> None:
        blocks = list(told.comment)
        if told.closes and (why_not := await close(self._api, issue.key)):
            blocks.append(messages.left_open(why_not))
        if blocks and not (news.repeated and await self._commented(news, issue)):
            await self._api.post(f"issue/{issue.key}/comment", {"body": messages.comment(news, blocks)})

    async def _look(self, news: News) -> Issue | None:
        """The issue that an earlier telling made and could not report. A first message has none to look for."""
        if isinstance(news.event, TicketOpened) and not news.repeated:
            return None
        found = await self._find(news)
        if found is None and news.repeated:
            await self._sleep(SEARCH_LAGS)
            found = await self._find(news)
        return found

    async def _find(self, news: News) -> Issue | None:
        query = f"project = {_quoted(self._project)} AND labels = {_quoted(news.ticket.id)} ORDER BY created ASC"
        answer = await self._api.post("search/jql", {"jql": query, "fields": ["status"], "maxResults": 1})
        issues = answer.get("issues") or ()
        return Issue.of(issues[0]) if issues else None

    async def _create(self, news: News) -> Issue:
        fields = {
            "project": {"key": self._project},
            "issuetype": {"name": ISSUE_TYPE},
            "labels": [news.ticket.id],
            **_content(news),
        }
        return Issue.of(await self._api.post("issue", {"fields": fields}))

    async def _describe(self, news: News, issue: Issue) -> None:
        await self._api.put(f"issue/{issue.key}", {"fields": _content(news)})

    async def _commented(self, news: News, issue: Issue) -> bool:
        path = f"issue/{issue.key}/comment"
        answer = await self._api.get(path, orderBy="-created", maxResults=COMMENTS)
        ours = messages.marker(news)
        return any(ours in paragraphs(told.get("body")) for told in answer.get("comments") or ())


def build(settings: Settings) -> Jira | None:
    """Jira as it is set, or nothing without a token."""
    if settings.jira_api_token is None:
        return None
    account = Account(settings.jira_user_email, settings.jira_api_token)
    return Jira(Api(Http(), settings.jira_domain, account), settings.jira_project_key)


def _known(news: News, receipt: Receipt | None) -> Issue | None:
    if receipt and receipt.place.get("key"):
        return Issue.of(receipt.place)
    return Issue(news.ticket.itsm_ticket_id) if news.ticket.itsm_ticket_id else None


def _content(news: News) -> Mapping[str, str | Node]:
    return {"summary": messages.summary(news), "description": messages.description(news)}


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
