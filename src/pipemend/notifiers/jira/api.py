"""Jira's REST API: one call, one request, one deadline, and its errors in our words."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from pipemend import meters
from pipemend.clients.answers import refusal, retry_after, told
from pipemend.clients.http import Answer, Http
from pipemend.core.errors import OutsideError, Refused, ShutOut, Unreadable

DEADLINE = 10.0
NAME = "Jira"
KEY = re.compile(r"(?<=^issue/)[^/]+")


class JiraRefused(Refused):
    """Jira said no, and will say it again. `errors` are its own, by field."""

    def __init__(self, message: str, *, status: int, errors: Mapping[str, str]) -> None:
        super().__init__(message, status=status)
        self.errors = errors


class Conflict(OutsideError):
    """Somebody else changed the issue at the same moment."""

    def __init__(self, message: str) -> None:
        super().__init__(message, transient=True, status=409)


@dataclass(frozen=True, slots=True)
class Account:
    """Whose token it is."""

    email: str
    token: SecretStr


class Api:
    """Calls Jira below `/rest/api/3/`. No call is ever repeated here."""

    def __init__(self, http: Http, site: str, account: Account, deadline: float = DEADLINE) -> None:
        self._http = http
        self._base = f"{site}/rest/api/3/"
        self._account = account
        self._deadline = deadline

    async def get(self, path: str, **query: str | int) -> Mapping[str, Any]:
        return await self._call("GET", path, params=query)

    async def get_list(self, path: str) -> Sequence[Mapping[str, Any]]:
        """The objects of an answer that is a list."""
        found = await self._send("GET", path)
        if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
            raise Unreadable(f"{NAME} answered GET {path} with no list")
        return found

    async def post(self, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        return await self._call("POST", path, json=body)

    async def put(self, path: str, body: Mapping[str, Any]) -> None:
        await self._call("PUT", path, json=body)

    async def close(self) -> None:
        await self._http.close()

    async def _call(self, verb: str, path: str, **request: Any) -> Mapping[str, Any]:
        body = await self._send(verb, path, **request)
        if not isinstance(body, dict):
            raise Unreadable(f"{NAME} answered {verb} {path} with no object")
        return body

    async def _send(self, verb: str, path: str, **request: Any) -> Any:
        auth = (self._account.email, self._account.token.get_secret_value())
        with meters.outside("jira", f"{verb} {KEY.sub('{key}', path)}"):
            answer = await self._http.send(NAME, verb, self._base + path, deadline=self._deadline, auth=auth, **request)
            if not answer.good:
                raise _translated(answer)
            return answer.json(NAME) if answer.body else {}


def listed(answer: Mapping[str, Any], name: str) -> Sequence[Mapping[str, Any]]:
    """The objects of a list in an answer. Raises Unreadable when it is not there: an empty one would mean something."""
    found = answer.get(name)
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise Unreadable(f"{NAME} answered without a list of {name}")
    return found


def _translated(answer: Answer) -> OutsideError:
    status, body = answer.status, _body(answer)
    errors = body.get("errors") if isinstance(body.get("errors"), dict) else {}
    words = _words(body, errors or {})
    if status >= 500:  # whether it was done is unknown, so that a 503 is no Throttled here
        return OutsideError(told(NAME, f"answered {status}", words), transient=True, status=status)
    if status == 401:
        return ShutOut(told(NAME, "answered 401 (JIRA_USER_EMAIL or JIRA_API_TOKEN is not valid any more)", words))
    if status == 409:
        return Conflict(told(NAME, "answered 409", words))
    error = refusal(status, NAME, words, retry_after=retry_after(answer.headers))
    return JiraRefused(str(error), status=status, errors=errors or {}) if isinstance(error, Refused) else error


def _body(answer: Answer) -> Mapping[str, Any]:
    try:
        body = answer.json(NAME)
    except Unreadable:
        return {}
    return body if isinstance(body, dict) else {}


def _words(body: Mapping[str, Any], errors: Mapping[str, Any]) -> str:
    messages = body.get("errorMessages")
    said = [str(message) for message in messages] if isinstance(messages, list) else []
    return "; ".join([*said, *(f"{field}: {error}" for field, error in errors.items())])
