"""Socket Mode: lines that an application opens, and the messages that go over them.

https://docs.slack.dev/apis/events-api/using-socket-mode/
"""

import asyncio
import json
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl
from uuid import uuid4

from ..line import Receive, Scope, Send
from .workspace import APP

PATH = "/slack/socket"
REFUSED, ENDED = 4001, 1000


class Sockets:
    """The lines that are open. A ticket opens one, once."""

    def __init__(self) -> None:
        self._tickets: set[str] = set()
        self._lines: list[Send] = []
        self._acknowledged: dict[str, asyncio.Event] = {}
        self._sent = 0

    def __len__(self) -> int:
        return len(self._lines)

    def address(self, base_url: str) -> str:
        """Where a line may be opened."""
        self._tickets.add(ticket := uuid4().hex)
        return f"{base_url.replace('http', 'ws', 1)}{PATH}?ticket={ticket}"

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One line, until one of both sides ends it."""
        await receive()
        ticket = dict(parse_qsl(scope["query_string"].decode("latin-1"))).get("ticket", "")
        if scope["path"] != PATH or ticket not in self._tickets:
            await send({"type": "websocket.close", "code": REFUSED})
            return
        self._tickets.remove(ticket)
        await send({"type": "websocket.accept"})
        self._lines.append(send)
        try:
            await self._say(send, self._hello())
            while (message := await receive())["type"] == "websocket.receive":
                self._hear(message.get("text") or "")
        finally:
            if send in self._lines:
                self._lines.remove(send)

    async def tell(self, payload: dict[str, Any], seconds: float) -> bool:
        """Over one of the lines; whether it was acknowledged in time."""
        line = self._lines[self._sent % len(self._lines)]
        self._sent += 1
        envelope = str(uuid4())
        heard = self._acknowledged[envelope] = asyncio.Event()
        told = {"envelope_id": envelope, "payload": payload, "type": "interactive", "accepts_response_payload": False}
        try:
            async with asyncio.timeout(seconds):
                await self._say(line, told)
                await heard.wait()
        except (TimeoutError, OSError, RuntimeError):
            return False
        finally:
            del self._acknowledged[envelope]
        return True

    async def end(self, reason: str, *, abruptly: bool = False) -> None:
        """Asks for new lines and hangs up; `abruptly`: without a word."""
        for line in list(self._lines):
            self._lines.remove(line)
            with suppress(OSError, RuntimeError):  # the other side was quicker
                if not abruptly:
                    told = {"type": "disconnect", "reason": reason, "debug_info": {"host": "applink-twin"}}
                    await self._say(line, told)
                await line({"type": "websocket.close", "code": ENDED})

    async def say(self, text: str) -> None:
        """Any text, over all lines."""
        for line in list(self._lines):
            with suppress(OSError, RuntimeError):
                await line({"type": "websocket.send", "text": text})

    def _hear(self, text: str) -> None:
        try:
            told = json.loads(text)
        except ValueError:
            return
        if isinstance(told, dict) and (heard := self._acknowledged.get(str(told.get("envelope_id")))):
            heard.set()

    def _hello(self) -> dict[str, Any]:
        about = {"host": "applink-twin", "build_number": 1, "approximate_connection_time": 18060}
        return {
            "type": "hello",
            "num_connections": len(self._lines),
            "debug_info": about,
            "connection_info": {"app_id": APP},
        }

    async def _say(self, line: Send, told: dict[str, Any]) -> None:
        await line({"type": "websocket.send", "text": json.dumps(told, ensure_ascii=False)})
