"""Presses: what Slack sends for each, by the request URL or over a socket, and what came back."""

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import httpx

from .sockets import Sockets
from .workspace import TEAM, SlackSettings

PATIENCE_SECONDS = 3.0  # then Slack shows the person an error
MOST_ANSWERS = 5


@dataclass
class Press:
    """One press. `done`: it was acknowledged in time; None while that is open. `answers` came to its `response_url`."""

    n: int
    by: str
    button: str
    via: str
    payload: dict[str, Any]
    secret: str
    status: int | None = None
    error: str | None = None
    done: bool | None = None
    answers: list[dict[str, Any]] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        shown = ("n", "by", "button", "via", "status", "error", "done", "answers", "payload")
        return {name: getattr(self, name) for name in shown}


class Presses:
    """Sends presses in the background, and remembers them."""

    def __init__(self) -> None:
        self.sockets = Sockets()
        self.made: list[Press] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._client: httpx.AsyncClient | None = None

    def address(self, base_url: str) -> tuple[str, str]:
        """Where the next press may be answered, and its secret."""
        secret = uuid4().hex
        return f"{base_url}/slack/actions/{TEAM}/{len(self.made) + 1}/{secret}", secret

    def make(
        self, settings: SlackSettings, by: str, button: str, via: str, payload: dict[str, Any], secret: str
    ) -> Press:
        press = Press(len(self.made) + 1, by, button, via, payload, secret)
        self.made.append(press)
        self._start(self._send(settings, press))
        return press

    def again(self, settings: SlackSettings, old: Press, via: str) -> Press:
        """The very same press once more, by the same way or the other."""
        return self.make(settings, old.by, old.button, via, old.payload, old.secret)

    def answered(self, n: int, secret: str, words: dict[str, Any]) -> bool:
        """Whether the press may still be answered."""
        press = self.made[n - 1] if 0 < n <= len(self.made) else None
        if press is None or press.secret != secret or len(press.answers) >= MOST_ANSWERS:
            return False
        press.answers.append(words)
        return True

    async def _send(self, settings: SlackSettings, press: Press) -> None:
        if press.via == "socket":
            press.done = await self.sockets.tell(press.payload, PATIENCE_SECONDS)
            return
        body = urlencode({"payload": json.dumps(press.payload, ensure_ascii=False)}).encode()
        try:
            answer = await self._http().post(
                settings.interactions_url or "", content=body, headers=signed(settings.signing_secret, body)
            )
        except (httpx.HTTPError, httpx.InvalidURL) as broken:
            press.error = type(broken).__name__
        else:
            press.status = answer.status_code
        press.done = press.status == 200

    def _http(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = httpx.AsyncClient(timeout=PATIENCE_SECONDS, trust_env=False)
        return self._client

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        """Something for the sockets, which a control request does not wait for."""
        self._start(work)

    def forget(self) -> None:
        """Stops what is under way and hangs up."""
        for task in self._tasks:
            task.cancel()
        self.made.clear()
        if len(self.sockets):
            self._start(self.sockets.end("link_disabled"))
        self.sockets = Sockets()

    async def close(self) -> None:
        self.forget()
        if self._client is not None:
            await self._client.aclose()
            self._client = None


def signed(secret: str, body: bytes) -> dict[str, str]:
    """https://docs.slack.dev/authentication/verifying-requests-from-slack/"""
    stamp = str(int(time.time()))
    digest = hmac.new(secret.encode(), f"v0:{stamp}:".encode() + body, hashlib.sha256).hexdigest()
    return {
        "Content-Type": "application/x-www-form-urlencoded",
        "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
        "X-Slack-Request-Timestamp": stamp,
        "X-Slack-Signature": f"v0={digest}",
    }
