"""The Http action: a request of a workflow to the twin itself, over the line like everybody's."""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx

from .definition import FAILED, SUCCEEDED, TIMED_OUT, BadDefinition, seconds_of

RESOURCE_MANAGER = "management.azure.com"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
REPEATED = (408, 429, 500, 502, 503, 504)
DEFAULT_RETRIES, DEFAULT_PAUSE, LONGEST_RETRIES = 4, 7.5, 90
USUAL_TIMEOUT = "PT2M"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True)
class Sent:
    """What came of a request: `outputs` as expressions see them, none where nobody answered."""

    status: str
    outputs: dict[str, Any] | None = None
    error: str = ""


@dataclass
class Outside:
    """The world as one workflow run sees it: https to Azure and to this machine ends at the twin, and pauses last a
    `pace` of their time."""

    base_url: str
    client: httpx.AsyncClient
    token: Callable[[str], str]
    headers: Mapping[str, str]
    pace: float
    saved: float = 0.0

    @property
    def seconds(self) -> float:
        """A clock on which pauses have lasted their whole time."""
        return asyncio.get_running_loop().time() + self.saved

    async def pause(self, seconds: float) -> None:
        self.saved += seconds * (1 - self.pace)
        await asyncio.sleep(seconds * self.pace)

    async def send(self, inputs: Mapping[str, Any], limit: Mapping[str, Any]) -> Sent:
        """Sends the request, again and again as its retry policy says."""
        pauses = _pauses(inputs.get("retryPolicy"))
        try:
            async with asyncio.timeout(seconds_of(limit.get("timeout", USUAL_TIMEOUT))):
                while True:
                    sent = await self._once(inputs)
                    again = sent.outputs is None or sent.outputs["statusCode"] in REPEATED
                    if not (again and pauses):
                        return sent
                    await self.pause(pauses.pop(0))
        except TimeoutError:
            return Sent(TIMED_OUT, error="the action did not end within its time")

    async def _once(self, inputs: Mapping[str, Any]) -> Sent:
        body = inputs.get("body")
        try:
            url = self._url(str(inputs["uri"]), inputs.get("queries", {}))
            answer = await self.client.request(
                str(inputs["method"]),
                url,
                headers=self._headers(inputs),
                content=None if body is None else body if isinstance(body, str) else json.dumps(body),
            )
        except (httpx.HTTPError, httpx.InvalidURL) as broken:
            return Sent(FAILED, error=f"{type(broken).__name__}: {broken}")
        headers = dict(answer.headers.items())
        outputs = {"statusCode": answer.status_code, "headers": headers, "body": _body(answer)}
        return Sent(SUCCEEDED if answer.is_success else FAILED, outputs, "" if answer.is_success else "ActionFailed")

    def _url(self, uri: str, queries: Mapping[str, Any]) -> str:
        """Where the request really goes. Raises httpx.InvalidURL for a host that the twin does not play."""
        parts = urlsplit(uri)
        query = "&".join(part for part in (parts.query, urlencode(queries)) if part)
        rest = f"{parts.path}?{query}" if query else parts.path
        if parts.scheme == "https" and parts.netloc == RESOURCE_MANAGER:
            return f"{self.base_url}{rest}"
        if parts.hostname in LOOPBACK and "@" not in parts.netloc:
            return f"http://{parts.netloc}{rest}"
        raise httpx.InvalidURL(f"the twin does not play the host of {parts.scheme}://{parts.netloc}")

    def _headers(self, inputs: Mapping[str, Any]) -> dict[str, str]:
        own = {"Content-Type": "application/json"} if isinstance(inputs.get("body"), dict | list) else {}
        given = {str(name): str(value) for name, value in inputs.get("headers", {}).items()}
        identity = inputs.get("authentication")
        token = {"Authorization": f"Bearer {self.token(identity['audience'])}"} if identity else {}
        return {**self.headers, **own, **given, **token}


def check_http(name: str, inputs: Mapping[str, Any]) -> None:
    """What of a request can be checked before it is sent. Raises BadDefinition."""
    if inputs.get("method") not in METHODS or not isinstance(inputs.get("uri"), str):
        raise BadDefinition(f"{name}: a uri, and a method of {', '.join(METHODS)}")
    identity = inputs.get("authentication")
    if identity is not None and (set(identity), identity.get("type")) != (
        {"type", "audience"},
        "ManagedServiceIdentity",
    ):
        raise BadDefinition(f"{name} authentication: a ManagedServiceIdentity with its audience is due")
    _pauses(inputs.get("retryPolicy"))


def _pauses(policy: Any) -> list[float]:
    """Seconds before each repeat; without a policy there are four."""
    if policy is None:
        return [DEFAULT_PAUSE * 2**n for n in range(DEFAULT_RETRIES)]
    if policy == {"type": "none"}:
        return []
    if set(policy) == {"type", "count", "interval"} and (policy["type"], type(policy["count"])) == ("fixed", int):
        return [seconds_of(policy["interval"])] * min(policy["count"], LONGEST_RETRIES)
    raise BadDefinition(f"retryPolicy {policy!r}: none, or fixed with count and interval")


def _body(answer: httpx.Response) -> Any:
    """JSON where the answer says that it is some, else text."""
    if "json" in answer.headers.get("content-type", ""):
        try:
            return answer.json()
        except ValueError:
            pass
    return answer.text or None
