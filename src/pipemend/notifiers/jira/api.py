"""Jira's REST API: one call, one request, one deadline, and its errors in our words."""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipemend.core.errors import (
    Missing,
    NoAnswer,
    NotAllowed,
    OutsideError,
    Refused,
    Throttled,
    Unreachable,
    Unreadable,
)

if TYPE_CHECKING:
    import httpx

DEADLINE = 10.0


class JiraRefused(Refused):
    """Jira said no, and will say it again. `errors` are its own, by field."""

    def __init__(self, message: str, *, status: int, errors: Mapping[str, str]) -> None:
        super().__init__(message, status=status)
        self.errors = errors


class Conflict(OutsideError):
    """Somebody else changed the issue at the same moment."""

    def __init__(self, message: str) -> None:
        super().__init__(message, transient=True, status=409)


class Api:
    """Calls Jira below `/rest/api/3/`. No call is ever repeated here."""

    def __init__(self, client: "httpx.AsyncClient", deadline: float = DEADLINE) -> None:
        self._client = client
        self._deadline = deadline

    async def get(self, path: str, **query: str | int) -> Mapping[str, Any]:
        return await self._call("GET", path, params=query)

    async def post(self, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        return await self._call("POST", path, json=body)

    async def put(self, path: str, body: Mapping[str, Any]) -> None:
        await self._call("PUT", path, json=body)

    async def close(self) -> None:
        await self._client.aclose()

    async def _call(self, verb: str, path: str, **request: Any) -> Mapping[str, Any]:
        import httpx

        what = f"{verb} {path}"
        try:
            async with asyncio.timeout(self._deadline):
                response = await self._client.request(verb, path, **request)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise Unreachable(f"Jira cannot be reached: {type(error).__name__}") from None
        except (TimeoutError, httpx.TimeoutException):
            raise NoAnswer(f"Jira did not answer {what} within {self._deadline:g} s") from None
        except httpx.HTTPError as error:
            raise NoAnswer(f"Jira's answer to {what} was lost: {type(error).__name__}") from None
        if not response.is_success:
            raise _translated(what, response)
        return _read(what, response)


def _read(what: str, response: "httpx.Response") -> Mapping[str, Any]:
    if not response.content:
        return {}
    body = _json(response)
    if not isinstance(body, dict):
        raise Unreadable(f"Jira's answer to {what} makes no sense", status=response.status_code)
    return body


def _translated(what: str, response: "httpx.Response") -> OutsideError:
    found, status = _json(response), response.status_code
    body: Mapping[str, Any] = found if isinstance(found, dict) else {}
    errors = body.get("errors") if isinstance(body.get("errors"), dict) else {}
    message = f"Jira answered {what} with {status}{_words(body, errors or {})}"
    after = _seconds(response)
    if status == 429 or (status == 503 and after is not None):
        return Throttled(message, retry_after=after, status=status)
    if status >= 500:
        return OutsideError(message, transient=True, status=status)
    if status in (401, 403):
        return NotAllowed(message, status=status)
    if status == 404:
        return Missing(message)
    return Conflict(message) if status == 409 else JiraRefused(message, status=status, errors=errors or {})


def _words(body: Mapping[str, Any], errors: Mapping[str, Any]) -> str:
    messages = body.get("errorMessages")
    told = [str(message) for message in messages] if isinstance(messages, list) else []
    told += [f"{field}: {error}" for field, error in errors.items()]
    return f": {'; '.join(told)[:300]}" if told else ""


def _json(response: "httpx.Response") -> object:
    try:
        return response.json()
    except ValueError:
        return None


def _seconds(response: "httpx.Response") -> float | None:
    try:
        return max(0.0, float(response.headers.get("Retry-After", "")))
    except ValueError:
        return None
