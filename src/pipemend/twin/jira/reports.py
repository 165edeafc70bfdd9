"""What Jira's webhook reports: each change of an issue, signed, perhaps more than once and not in order."""

import hashlib
import hmac
from dataclasses import dataclass
from itertools import count
from typing import Any
from uuid import uuid4

from ..clock import now
from ..post import Delivery, Postman, encoded
from .site import ACCOUNT, Comment, Fields, Issue
from .views import comment_view, issue_view, user_view

STUB = ["summary", "issuetype", "project", "assignee", "priority", "status"]
UPDATED = "jira:issue_updated"


@dataclass(frozen=True)
class WebhookSettings:
    """Where it goes. `copies` of each are sent; while it `holds` nothing goes until it is released."""

    url: str | None = None
    secret: str = ""
    copies: int = 1
    holds: bool = False
    retry_seconds: tuple[float, ...] = (0.2, 0.5, 1.0)


@dataclass(frozen=True)
class Actor:
    """Who changed something: our own account, unless it is said otherwise."""

    account: str = ACCOUNT
    app: bool = False


class Reports:
    """Sends them in the background, and remembers them."""

    def __init__(self, post: Postman) -> None:
        self.settings = WebhookSettings()
        self.post = post
        self._numbers = count(10_001)
        self._held: list[Delivery] = []

    def changed(self, issue: Issue, was: Fields, actor: Actor, base_url: str) -> None:
        """An issue was changed; nothing is said where nothing is different."""
        items = list(_items(was, issue.fields))
        if items:
            log = {"id": str(next(self._numbers)), "items": items}
            self._report(UPDATED, issue, _whole(issue, base_url), actor, base_url, changelog=log)

    def created(self, issue: Issue, actor: Actor, base_url: str) -> None:
        self._report("jira:issue_created", issue, _whole(issue, base_url), actor, base_url)

    def commented(self, issue: Issue, comment: Comment, base_url: str) -> None:
        """Of the issue there are six fields, and nobody is named at the top."""
        stub = issue_view(issue, issue.fields, base_url, STUB)
        self._report("comment_created", issue, stub, None, base_url, comment=comment_view(issue, comment, base_url))

    def again(self, n: int) -> Delivery | None:
        """The same body once more, byte for byte."""
        old = self.post.deliveries[n - 1] if 1 <= n <= len(self.post.deliveries) else None
        if old is None:
            return None
        made = self.post.put(old.url, old.headers, old.body, {**old.about, "again": old.n})
        self.post.go([made], self.settings.retry_seconds)
        return made

    def release(self, *, newest_first: bool) -> int:
        """Sends what is held, one after the other; how many."""
        held, self._held = self._held, []
        self.post.go(held[::-1] if newest_first else held, self.settings.retry_seconds)
        return len(held)

    def _report(
        self, event: str, issue: Issue, shown: dict[str, Any], actor: Actor | None, base_url: str, **more: Any
    ) -> None:
        to = self.settings
        if to.url is None:
            return
        body: dict[str, Any] = {"timestamp": int(now().timestamp() * 1000), "webhookEvent": event}
        if actor is not None:
            kind = "app" if actor.app else "atlassian"
            body["user"] = {**(user_view(actor.account, base_url) or {}), "accountType": kind}
        body |= {"issue": shown, **more}
        headers = {"X-Atlassian-Webhook-Identifier": str(uuid4())} | _signed(to.secret, body)
        for copy in range(to.copies):
            about = {"event": event, "issue": issue.key, "copy": copy}
            self._held.append(self.post.put(to.url, headers, body, about))
        if not to.holds:
            self.release(newest_first=False)


def _signed(secret: str, body: dict[str, Any]) -> dict[str, str]:
    if not secret:
        return {}
    return {"X-Hub-Signature": "sha256=" + hmac.new(secret.encode(), encoded(body), hashlib.sha256).hexdigest()}


def _whole(issue: Issue, base_url: str) -> dict[str, Any]:
    shown = issue_view(issue, issue.fields, base_url, [])
    del shown["fields"]["comment"]
    return shown


def _items(was: Fields, now: Fields) -> list[dict[str, Any]]:
    changes = {
        "resolution": (was.resolution, now.resolution),
        "status": ((was.status.id, was.status.name), (now.status.id, now.status.name)),
        "assignee": (_person(was.assignee), _person(now.assignee)),
        "summary": ((None, was.summary), (None, now.summary)),
        "labels": ((None, " ".join(was.labels)), (None, " ".join(now.labels))),
        "priority": (was.priority, now.priority),
        "description": ((None, str(was.description)), (None, str(now.description))),
    }
    return [_item(field, _pair(old), _pair(new)) for field, (old, new) in changes.items() if old != new]


def _person(account: str | None) -> tuple[str | None, str | None]:
    view = user_view(account, "")
    return account, view["displayName"] if view else None


def _pair(value: Any) -> tuple[str | None, str | None]:
    return value if isinstance(value, tuple) else (value, value)


def _item(field: str, old: tuple[str | None, str | None], new: tuple[str | None, str | None]) -> dict[str, Any]:
    return {
        "field": field,
        "fieldtype": "jira",
        "fieldId": field,
        "from": old[0],
        "fromString": old[1],
        "to": new[0],
        "toString": new[1],
    }
