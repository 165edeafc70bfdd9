"""PagerDuty: somebody is called when a person is needed, and the alert is resolved when nobody is any more.

https://developer.pagerduty.com/docs/events-api-v2/overview/ and …/trigger-events/. An alert is named by the ticket's
id, so that an event which is sent twice is one alert. Acknowledged and resolved can only be what was triggered with the
same key: the receipt says with which, by its fingerprint.
"""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipemend import meters
from pipemend.clients.answers import refusal, retry_after
from pipemend.clients.http import Answer, Http
from pipemend.core.alert import Door
from pipemend.core.clock import stamp
from pipemend.core.errors import OutsideError, Refused, Unreadable
from pipemend.core.events import (
    ApprovalGranted,
    ApprovalRequested,
    RemediationStarted,
    SlaBreached,
    StatusChanged,
    StormEnded,
    StormEscalated,
)
from pipemend.core.ports import Digest, Limits, News, Receipt
from pipemend.core.rca import Severity
from pipemend.core.route import Route
from pipemend.core.ticket import AI_USER, Approval, Status
from pipemend.notifiers import digests, phrases
from pipemend.notifiers.phrases import clean, cut, one_line
from pipemend.settings import Settings

log = logging.getLogger(__name__)
DEADLINE = 10.0
PATH = "/v2/enqueue"
SUMMARY, NAME = 1024, 255
SEVERITIES: Mapping[str, str] = {
    Severity.CRITICAL: "critical",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "info",
}


@dataclass(frozen=True, slots=True)
class Wish:
    """What PagerDuty is asked to do with the alert; `summary` and `details` where it is triggered."""

    action: str
    summary: str = ""
    details: Mapping[str, Any] | None = None


class PagerDuty:
    """One alert for each ticket, or storm, that needs people."""

    name = "pagerduty"
    doors: tuple[Door, ...] = ()
    limits = Limits(at_once=4, per_second=2.0, burst=30)

    def __init__(self, http: Http, base: str, key: str | None, keys: Sequence[str] = (), deadline: float = DEADLINE):
        self._http, self._url, self._deadline = http, f"{base}{PATH}", deadline
        self._key = key
        self._known = {_print(known): known for known in (*keys, *([key] if key else []))}

    async def tell(self, news: News, receipt: Receipt | None) -> Receipt | None:
        return await self._do(news, wish(news), receipt)

    async def sum_up(self, digest: Digest, receipt: Receipt | None) -> Receipt | None:
        return await self._do(digest, wish_of_storm(digest), receipt)

    async def close(self) -> None:
        await self._http.close()

    async def _do(self, what: News | Digest, wanted: Wish | None, receipt: Receipt | None) -> Receipt | None:
        place = receipt.place if receipt else {}
        opened, was = bool(place.get("open")), str(place.get("key") or "")
        nothing = Receipt({"open": opened, "key": was})
        if wanted is None or (wanted.action != "trigger" and not opened) or _too_late(what, wanted):
            return nothing
        key = self._known.get(was) if opened else self._key_for(what)
        if key is None:
            if opened:
                log.warning("its alert was triggered with a key that is not set any more", extra=_about(what))
            return nothing
        await self._send(key, event(what, wanted))
        return Receipt({"open": wanted.action != "resolve", "key": _print(key)})

    def _key_for(self, what: News | Digest) -> str | None:
        named = what.route.pagerduty_routing_key
        return named.value if named else self._key

    async def _send(self, key: str, body: Mapping[str, Any]) -> None:
        with meters.outside(self.name, str(body["event_action"])):
            sent = {**body, "routing_key": key}
            answer = await self._http.send("PagerDuty", "POST", self._url, deadline=self._deadline, json=sent)
            if not answer.good:
                raise _translated(answer, key)
            said = answer.json("PagerDuty")
            if not isinstance(said, dict) or said.get("status") != "success":
                raise Unreadable("PagerDuty did not say that it has taken the event", status=answer.status)


def build(settings: Settings, routes: Sequence[Route] = ()) -> PagerDuty | None:
    """PagerDuty as it is set, or nothing where neither the settings nor a route name a key."""
    own = settings.pagerduty_routing_key.get_secret_value() if settings.pagerduty_routing_key else None
    keys = [route.pagerduty_routing_key.value for route in routes if route.pagerduty_routing_key]
    return PagerDuty(Http(connections=5), settings.pagerduty_url, own, keys) if own or keys else None


def wish(news: News) -> Wish | None:
    """Which event causes what. What a machine does and tries wakes nobody."""
    match news.event:
        case ApprovalRequested() as event:
            return Wish("trigger", phrases.approval_text(news), {"asked": phrases.approval_reason(event)})
        case ApprovalGranted():
            return Wish("resolve")
        case RemediationStarted() if news.attempt and news.attempt.by != AI_USER:  # somebody's Retry
            return Wish("resolve")
        case SlaBreached():
            return Wish("trigger", f"{phrases.breach_line(news.ticket)} ({phrases.pipeline(news.ticket)})", {})
        case StatusChanged() as event if event.escalated:
            said = {"action_required": phrases.action_required(news), "last_failure": phrases.last_failure(news)}
            return Wish("trigger", f"{phrases.escalation_text(news)}: {phrases.error_type(news.ticket)}", said)
        case StatusChanged() as event if event.new_status == Status.ACKNOWLEDGED:
            return Wish("resolve")
        case StatusChanged() as event if event.new_status == Status.IN_PROGRESS:
            return Wish("acknowledge")
    return None


def wish_of_storm(digest: Digest) -> Wish | None:
    match digest.event:
        case StormEscalated():
            return Wish("trigger", digests.bell(digest) or "", {"people_needed_for": digests.left(digest.storm)})
        case StormEnded():
            return Wish("resolve")
    return None


def _too_late(what: News | Digest, wanted: Wish) -> bool:
    """Whether nobody is needed any more for what has waited, unless PagerDuty may have been told of it already."""
    if wanted.action != "trigger" or isinstance(what, Digest) or what.repeated:
        return False
    answered = isinstance(what.event, ApprovalRequested) and what.ticket.approval is not Approval.AWAITING
    return what.ticket.closed or answered


def event(what: News | Digest, wanted: Wish) -> Mapping[str, Any]:
    """The body, without the key. Far below 512 KB, whatever a ticket holds."""
    named = {"event_action": wanted.action, "dedup_key": what.about[:255]}
    if wanted.action != "trigger":
        return named
    about = _of_storm(what) if isinstance(what, Digest) else _of_ticket(what)
    details = {name: cut(clean(value), 1000) for name, value in (wanted.details or {}).items()}
    summary = cut(one_line(wanted.summary), SUMMARY)
    return {
        **named,
        "client": "Pipemend",
        **({"client_url": what.link} if what.link else {}),
        "links": [{"href": address, "text": says} for says, address in _links(what)],
        "payload": {
            "summary": summary,
            "timestamp": stamp(what.at),
            **about,
            "custom_details": {**details, **about["custom_details"]},
        },
    }


def _of_ticket(news: News) -> Mapping[str, Any]:
    ticket = news.ticket
    handover = [f"{line.label}: {cut(one_line(line.says), 400)}" for line in news.handover]
    details = {
        "ticket_id": ticket.id,
        "severity": ticket.severity,
        "priority": ticket.priority,
        "run_id": _name(ticket.run_id),
        "attempts": ticket.remediation_attempts,
        "root_cause": cut(phrases.root_cause(ticket), 2000),
        "error": cut(phrases.error_message(ticket), 1000),
        "handover": handover,
    }
    return {
        "severity": SEVERITIES.get(ticket.severity, "error"),
        "source": _name(ticket.display_resource or ticket.resource),
        "component": _name(ticket.pipeline),
        "group": _name(ticket.finops_team or ticket.platform),
        "class": _name(phrases.error_type(ticket)),
        "custom_details": {name: value for name, value in details.items() if value not in ("", [])},
    }


def _of_storm(digest: Digest) -> Mapping[str, Any]:
    storm = digest.storm
    details: dict[str, Any] = {one_line(name): cut(one_line(value), 300) for name, value in digests.facts(storm)}
    return {
        "severity": "critical",
        "source": _name(storm.where),
        "group": _name(storm.cause.platform),
        "class": _name(storm.cause.error_type),
        "custom_details": {"storm_id": storm.id, **details, "pipelines": digests.pipelines(storm)},
    }


def _name(value: str) -> str:
    return cut(one_line(value), NAME) or "unknown"


def _links(what: News | Digest) -> Sequence[phrases.Fact]:
    pages = phrases.run_links(what.ticket) if isinstance(what, News) else ()
    return (*phrases.dashboard_links(what.link), *pages)


def _translated(answer: Answer, key: str) -> OutsideError:
    """400 carries what is wrong as a list of sentences."""
    try:
        said = answer.json("PagerDuty")
    except Unreadable:
        said = None
    errors = said.get("errors") if isinstance(said, dict) else None
    words = "; ".join(str(error) for error in errors) if isinstance(errors, list) else answer.text[:500]
    error = refusal(answer.status, "PagerDuty", words.replace(key, "***"), retry_after=retry_after(answer.headers))
    if isinstance(error, Refused):
        return Refused(f"{error} (is PAGERDUTY_ROUTING_KEY, or the route's key, still valid?)", status=answer.status)
    return error


def _print(key: str) -> str:
    """Names a key without telling it."""
    return hashlib.sha256(key.encode()).hexdigest()[:12]


def _about(what: News | Digest) -> dict[str, Any]:
    return {"notifier": PagerDuty.name, "ticket_id": what.about, "event_id": what.id}
