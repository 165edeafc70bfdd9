"""A webhook of your own: every event as JSON, signed as https://www.standardwebhooks.com/ says.

What is sent again has the same `webhook-id`, so that a receiver which remembers ids takes each event once.
"""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from pipemend import meters
from pipemend.clients.http import Http
from pipemend.core.alert import Door
from pipemend.core.attempt import Attempt
from pipemend.core.clock import stamp
from pipemend.core.errors import ShutOut
from pipemend.core.links import run_page
from pipemend.core.ports import Digest, Limits, News, Receipt
from pipemend.core.route import Route
from pipemend.core.ticket import Ticket
from pipemend.notifiers.phrases import cut
from pipemend.routes import whsec
from pipemend.settings import Settings

DEADLINE = 15.0
LONGEST = 4000  # characters of a text
# What a receiver is promised about ticket and attempt.
TICKET = (
    *("id", "timestamp", "failed_at", "platform", "display_resource", "connection", "pipeline", "run_id", "run_link"),
    *("error_type", "error_code", "error_message", "rca_result", "recommendations", "affected_entity", "severity"),
    *("priority", "sla_seconds", "sla_status", "status", "ack_user", "ack_ts", "ack_seconds", "remediation_status"),
    *("remediation_run_id", "remediation_attempts", "max_attempts", "approval", "approval_by", "approval_expires_at"),
    *("finops_team", "finops_owner", "finops_cost_center", "itsm_ticket_id", "storm_id", "merged_into"),
)
ATTEMPT = (
    *("attempt_number", "max_retries", "status", "error_type", "remediation_action", "remediation_run_id"),
    *("created_at", "started_at", "completed_at", "duration_seconds", "failure_reason", "by", "approved_by"),
)


class Webhook:
    """Posts every event, in order for each ticket. Any 2xx is a yes."""

    name = "webhook"
    doors: tuple[Door, ...] = ()
    limits = Limits(at_once=8, per_second=20.0, burst=100)

    def __init__(
        self,
        http: Http,
        url: str | None,
        secret: str | None,
        clock: Callable[[], float] = time.time,
        deadline: float = DEADLINE,
    ) -> None:
        self._http, self._url, self._secret = http, url, secret
        self._clock, self._deadline = clock, deadline

    async def tell(self, news: News, receipt: Receipt | None) -> Receipt | None:
        return await self._post(news, body(news), receipt)

    async def sum_up(self, digest: Digest, receipt: Receipt | None) -> Receipt | None:
        return await self._post(digest, body_of_storm(digest), receipt)

    async def close(self) -> None:
        await self._http.close()

    async def _post(self, what: News | Digest, said: Mapping[str, Any], receipt: Receipt | None) -> Receipt | None:
        url, secret = self._target(what.route)
        if url is None or secret is None:
            return receipt or Receipt({"event_id": None})
        sent = json.dumps(said, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        content = sent.encode("utf-8", "replace")
        headers = signed(secret, message_id(what), int(self._clock()), content)
        with meters.outside(self.name, "post"):
            answer = await self._http.send(
                "WEBHOOK_URL", "POST", url, deadline=self._deadline, content=content, headers=headers
            )
            if answer.status == 401:
                raise ShutOut("WEBHOOK_URL answered 401: its receiver does not believe our signature")
            answer.checked("WEBHOOK_URL", starts=True)
        return Receipt({"event_id": what.id})

    def _target(self, route: Route) -> tuple[str | None, str | None]:
        if route.webhook_url and route.webhook_secret:
            return route.webhook_url.value, route.webhook_secret.value
        return self._url, self._secret


def build(settings: Settings, routes: Sequence[Route] = ()) -> Webhook | None:
    """The webhook as it is set, or nothing where neither the settings nor a route name one."""
    url, secret = (
        given.get_secret_value() if given else None for given in (settings.webhook_url, settings.webhook_secret)
    )
    return Webhook(Http(connections=8), url, secret) if url or any(route.webhook_url for route in routes) else None


def message_id(what: News | Digest) -> str:
    return f"{what.about}.{what.id}"


def signed(secret: str, name: str, at: int, content: bytes) -> dict[str, str]:
    """The headers of a message: who it is, when it was sent, and the proof that both and the body are ours."""
    key = whsec(secret) or b""
    proof = hmac.new(key, f"{name}.{at}.".encode() + content, hashlib.sha256).digest()
    return {
        "content-type": "application/json",
        "webhook-id": name,
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{base64.b64encode(proof).decode()}",
    }


def body(news: News) -> Mapping[str, Any]:
    told = {name: value for name, value in news.event.fields().items() if name != "ticket_id"}
    data = {
        "event": told,
        "ticket": _chosen(news.ticket, TICKET),
        "attempt": _chosen(news.attempt, ATTEMPT) if news.attempt else None,
        "handover": [asdict(line) for line in news.handover],
        "links": {
            "ticket": news.link,
            "run": run_page(news.ticket, news.ticket.run_id),
            "rerun": run_page(news.ticket, news.ticket.remediation_run_id),
        },
    }
    return {"type": news.event.name, "timestamp": stamp(news.at), "data": _plain(data)}


def body_of_storm(digest: Digest) -> Mapping[str, Any]:
    told = {name: value for name, value in digest.event.fields().items() if name != "ticket_id"}
    data = {"event": told, "storm": asdict(digest.storm), "links": {"tickets": digest.link}}
    return {"type": digest.event.name, "timestamp": stamp(digest.at), "data": _plain(data)}


def _chosen(value: Ticket | Attempt, names: Sequence[str]) -> Mapping[str, Any]:
    return {name: getattr(value, name) for name in names}


def _plain(value: Any) -> Any:
    """As JSON has it; times are UTC with an offset, and texts not endless."""
    if isinstance(value, datetime):
        return stamp(value)
    if isinstance(value, str):
        return cut(str(value), LONGEST)
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else value
