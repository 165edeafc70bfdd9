"""Slack's Web API: one call, one request, one deadline, and its errors in our words."""

import asyncio
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from pipemend import meters
from pipemend.clients.answers import retry_after
from pipemend.core.errors import NoAnswer, OutsideError, Refused, ShutOut, Throttled, Unreachable, Unreadable

if TYPE_CHECKING:
    from slack_sdk.errors import SlackApiError
    from slack_sdk.web.async_client import AsyncWebClient
    from slack_sdk.web.async_slack_response import AsyncSlackResponse

DEADLINE = 10.0
CHANNEL_ID = re.compile("[CGD][A-Z0-9]{8,}")
SLOW_DOWN = ("ratelimited", "rate_limited")
PASSING = ("internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org")


WRONG_KIND = "not_allowed_token_type"
OPENS = "apps.connections.open"  # the one method that wants the token of the app
NO_TOKEN = (
    "invalid_auth",
    "not_authed",
    "token_revoked",
    "token_expired",
    "account_inactive",
)
HELP = {
    "channel_not_found": "SLACK_ALERT_CHANNEL does not exist, or the bot cannot see it; or it is a route's channel",
    "not_in_channel": "the bot is not in SLACK_ALERT_CHANNEL, or in the channel of a route: invite it",
    "is_archived": "SLACK_ALERT_CHANNEL, or the channel of a route, is archived",
}


class SlackRefused(Refused):
    """Slack said no, and will say it again. `word` is its own."""

    def __init__(self, method: str, word: str, more: str = "") -> None:
        said = more or HELP.get(word, "")
        super().__init__(f"Slack refused {method}: {word}{f' ({said})' if said else ''}")
        self.word = word


def _token_of(method: str) -> str:
    return f"{'SLACK_APP_TOKEN' if method == OPENS else 'SLACK_BOT_TOKEN'} is not valid any more"


class Api:
    """Calls Slack over one session. No call is ever repeated here: the SDK's own repeats can post twice."""

    def __init__(self, token: SecretStr, base_url: str, deadline: float = DEADLINE) -> None:
        self._token = token
        self._base_url = base_url
        self._deadline = deadline
        self._client: AsyncWebClient | None = None

    async def read(self, method: str, **arguments: Any) -> Mapping[str, Any]:
        with meters.outside("slack", method):
            return await self._call(method, http_verb="GET", params=arguments)

    async def write(self, method: str, **arguments: Any) -> Mapping[str, Any]:
        with meters.outside("slack", method):
            return await self._call(method, json=arguments)

    async def scopes(self) -> frozenset[str]:
        """What the token may do, as Slack tells it beside its answer; nothing where it does not."""
        with meters.outside("slack", "auth.test"):
            answer = await self._answer("auth.test", http_verb="GET")
        told = {str(name).lower(): str(value) for name, value in answer.headers.items()}
        return frozenset(filter(None, (scope.strip() for scope in told.get("x-oauth-scopes", "").split(","))))

    async def close(self) -> None:
        if self._client and self._client.session:
            await self._client.session.close()
        self._client = None

    async def _call(self, method: str, **request: Any) -> Mapping[str, Any]:
        found = (await self._answer(method, **request)).data
        if not isinstance(found, dict):
            raise Unreadable(f"Slack's answer to {method} makes no sense")
        return found

    async def _answer(self, method: str, **request: Any) -> "AsyncSlackResponse":
        import aiohttp
        from slack_sdk.errors import SlackApiError, SlackClientError

        try:
            async with asyncio.timeout(self._deadline):
                return await self._open().api_call(method, **request)
        except TimeoutError:
            raise NoAnswer(f"Slack did not answer {method} within {self._deadline:g} s") from None
        except aiohttp.ClientConnectorError as error:
            raise Unreachable(f"Slack cannot be reached: {error.strerror or type(error).__name__}") from None
        except aiohttp.ClientError as error:
            raise NoAnswer(f"Slack's answer to {method} was lost: {type(error).__name__}") from None
        except SlackApiError as error:
            raise _translated(method, error) from None
        except Unreadable as error:  # it is too long
            raise Unreadable(f"Slack's answer to {method} makes no sense: {error}", status=error.status) from None
        except (SlackClientError, ValueError, AttributeError, TypeError):
            # The SDK trips over an answer that is JSON but no object, or plain text.
            raise Unreadable(f"Slack's answer to {method} makes no sense") from None

    def _open(self) -> "AsyncWebClient":
        if self._client is None:
            self._client = self._new_client()
        return self._client

    def _new_client(self) -> "AsyncWebClient":
        """Made at the first call, since a session belongs to the loop that runs."""
        from slack_sdk.web.async_client import AsyncWebClient

        from pipemend.clients.bounded import session

        client = AsyncWebClient(
            token=self._token.get_secret_value(),
            base_url=self._base_url,
            session=session(),
            retry_handlers=[],
        )
        client.proxy = None  # the SDK's own look at HTTPS_PROXY forgets NO_PROXY; the session's does not
        return client


def _translated(method: str, error: "SlackApiError") -> OutsideError:
    response: Any = error.response
    status = int(getattr(response, "status_code", None) or getattr(response, "status", None) or 0)
    found = getattr(response, "data", None)
    data: Mapping[str, Any] = found if isinstance(found, dict) else {}
    word = str(data.get("error") or "")
    if status == 429 or word in SLOW_DOWN:
        return Throttled(f"Slack asks to slow down ({method})", retry_after=_seconds(response), status=status)
    if status >= 500 or word in PASSING:  # whether it was done is unknown, so it is no Throttled either
        return OutsideError(f"Slack failed at {method}: {word or status}", transient=True, status=status)
    if not word and status < 400:
        return Unreadable(f"Slack's answer to {method} makes no sense", status=status)
    if word in NO_TOKEN or (method == OPENS and word == WRONG_KIND):
        return ShutOut(f"Slack refused {method}: {word} ({_token_of(method)})")
    return SlackRefused(method, word or f"status {status}", _more(data))


def _seconds(response: Any) -> float | None:
    headers = getattr(response, "headers", None) or {}
    return retry_after({str(name).lower(): str(value) for name, value in headers.items()})


def _more(data: Mapping[str, Any]) -> str:
    """What helps to put it right: the missing scope, the bad block."""
    told = data.get("response_metadata")
    messages = told.get("messages") if isinstance(told, dict) else None
    return str(data.get("needed") or (messages[0] if isinstance(messages, list) and messages else ""))[:300]
