"""`POST /webhook/jira`: what people do to our issues. Signed with the secret, or with the secret itself.

https://developer.atlassian.com/cloud/jira/platform/webhooks/
"""

import hashlib
import hmac
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from pydantic import SecretStr

from pipemend.clients.bodies import read_json
from pipemend.core.alert import Call, Door, Reading
from pipemend.core.errors import BadDelivery
from pipemend.core.issue import IssueChange, IssueState
from pipemend.notifiers.jira import people
from pipemend.notifiers.jira.closing import DONE, NEW, UNDER_WAY, category
from pipemend.notifiers.phrases import cut, one_line

PATHS = ("/webhook/jira", "/jira-webhook")
SIGNATURE, HEADER, IDENTIFIER = "x-hub-signature", "x-pipemend-secret", "x-atlassian-webhook-identifier"
UPDATED = "jira:issue_updated"
STATES = {NEW: IssueState.OPEN, UNDER_WAY: IssueState.UNDER_WAY, DONE: IssueState.CLOSED}
KEY = re.compile(r"[A-Z][A-Z0-9_]{0,50}-[0-9]{1,12}")
NUMBER = re.compile(r"[0-9]{1,18}")
AHEAD = 86_400  # seconds that Jira's clock may be ahead of ours
WORDS = 60


class Webhook:
    """Reads what Jira reports. `us` gives the account of our token; it raises OutsideError."""

    def __init__(
        self, secret: SecretStr, us: Callable[[], Awaitable[str]], clock: Callable[[], float] = time.time
    ) -> None:
        self._secret, self._us, self._clock = secret, us, clock

    @property
    def doors(self) -> tuple[Door, ...]:
        return tuple(Door(path, admits=self.promises, read=self.read, signed=self.proves) for path in PATHS)

    def promises(self, call: Call) -> bool:
        """Whether the body is worth reading: the secret came with it, or something that may be its signature."""
        return self._knows(call) or call.headers.get(SIGNATURE, "").startswith("sha256=")

    def proves(self, call: Call) -> bool:
        """Whether it came with the secret, or is signed with it."""
        want = hmac.new(self._secret.get_secret_value().encode(), call.body, hashlib.sha256).hexdigest()
        signed = hmac.compare_digest(f"sha256={want}".encode(), call.headers.get(SIGNATURE, "").encode())
        return signed or self._knows(call)

    def _knows(self, call: Call) -> bool:
        secret, given = self._secret.get_secret_value().encode(), (call.query.get("secret"), call.headers.get(HEADER))
        return True in [hmac.compare_digest(word.encode(), secret) for word in given if word]

    def read(self, call: Call) -> Reading | Sequence[IssueChange]:
        """The change that a body tells of, or why nothing follows from it. Raises BadDelivery."""
        body = _json(call.body)
        event = body.get("webhookEvent")
        if not isinstance(event, str) or not event:
            raise BadDelivery("no webhookEvent: this is no webhook of Jira's", field="webhookEvent")
        if event != UPDATED:
            return Reading(ignored=f"nothing follows from {cut(one_line(event), WORDS)}")
        change = self._change(call, body)
        if change.moved_to is None and not change.assigned:
            return Reading(ignored=f"{change.key}: neither a status that we know nor its assignee has changed")
        return (change,)

    def _change(self, call: Call, body: Mapping[str, Any]) -> IssueChange:
        issue, user, log = _object(body, "issue"), _maybe(body.get("user")), _maybe(body.get("changelog"))
        fields = _object(issue, "fields")
        items = {str(item.get("fieldId") or item.get("field")): item for item in _objects(log.get("items"))}
        assigned = items.get("assignee")
        return IssueChange(
            notifier="jira",
            key=_matching(KEY, issue.get("key"), "issue.key"),
            id=_matching(NUMBER, issue.get("id"), "issue.id"),
            labels=tuple(label for label in _list(fields.get("labels"))[:50] if isinstance(label, str)),
            creator=_text(_maybe(fields.get("creator")).get("accountId")),
            account=_text(user.get("accountId")),
            by=people.called(user),
            machine=user.get("accountType") == "app",
            order=self._order(body, log),
            moved_to=STATES.get(category(fields.get("status"))) if "status" in items else None,
            assigned=assigned is not None,
            assigned_to=_assignee(assigned, _maybe(fields.get("assignee"))) if assigned else None,
            once=_once(call.headers.get(IDENTIFIER)),
            us=self._us,
        )

    def _order(self, body: Mapping[str, Any], log: Mapping[str, Any]) -> str:
        """When it happened, by Jira's clock, then by the number of the change."""
        at, change = body.get("timestamp"), str(log.get("id") or "0")
        if not isinstance(at, int) or isinstance(at, bool) or not 0 < at < (self._clock() + AHEAD) * 1000:
            raise BadDelivery("no time in milliseconds, or one that has not come yet", field="timestamp")
        return f"{at:015d}.{int(change) if NUMBER.fullmatch(change) else 0:018d}"


def _json(body: bytes) -> Mapping[str, Any]:
    found = read_json(body)
    if not isinstance(found, dict):
        raise BadDelivery("it is no JSON object", field="body")
    return found


def _object(found: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    inner = found.get(name)
    if not isinstance(inner, dict):
        raise BadDelivery(f"no object {name}", field=name)
    return inner


def _matching(form: re.Pattern[str], value: object, field: str) -> str:
    if not isinstance(value, str) or not form.fullmatch(value):
        raise BadDelivery(f"no {field} that Jira would give", field=field)
    return value


def _maybe(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _objects(value: object) -> Sequence[Mapping[str, Any]]:
    return [item for item in _list(value) if isinstance(item, dict)]


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _assignee(item: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """The person it was given to; an app is none."""
    if not item.get("to") or now.get("accountType") == "app":
        return None
    return people.name(item.get("toString")) or people.name(now.get("displayName")) or "somebody"


def _once(identifier: str | None) -> str | None:
    return f"jira:{hashlib.sha256(identifier.encode()).hexdigest()}" if identifier else None
