"""A Slack of a few lines that keeps messages and minds its limits."""

from collections.abc import Iterator, Mapping
from html import unescape
from itertools import count
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.notifiers.serving import Vendor

TOKEN = "xoxb-twin"
CHANNEL = "C024BE91L"


class TinySlack(Vendor):
    """One channel, `#alerts`. `scopes` says what the token may read."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: dict[str, dict[str, Any]] = {}
        self.scopes = {"channels:history"}
        self._numbers = count(1)
        self.app = Starlette(routes=[Route("/slack/api/{method}", self.handle, methods=["GET", "POST"])])

    async def work(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return _no("invalid_auth")
        given = await request.json() if request.method == "POST" else dict(request.query_params)
        if given.get("channel") not in (CHANNEL, "#alerts"):
            return _no("channel_not_found")
        match request.path_params["method"]:
            case "chat.postMessage":
                return self._post(given)
            case "chat.update":
                return self._update(given)
            case "conversations.replies":
                return self._read(given, given["ts"])
        return self._read(given, None)

    @property
    def first(self) -> dict[str, Any]:
        return self.in_channel()[0]

    def in_channel(self) -> list[dict[str, Any]]:
        return [message for message in self.messages.values() if not message.get("thread_ts")]

    def thread(self, ts: str | None = None) -> list[dict[str, Any]]:
        return [m for m in self.messages.values() if m.get("thread_ts") == (ts or self.first["ts"])]

    def _post(self, given: dict[str, Any]) -> Response:
        if problem := limits_broken(given):
            return _no("invalid_blocks", response_metadata={"messages": [problem]})
        if given.get("thread_ts") and given["thread_ts"] not in self.messages:
            return _no("thread_not_found")
        ts = f"17{next(self._numbers):08d}.000100"
        self.messages[ts] = {**given, "ts": ts}
        return JSONResponse({"ok": True, "channel": CHANNEL, "ts": ts})

    def _update(self, given: dict[str, Any]) -> Response:
        if problem := limits_broken(given):
            return _no("invalid_blocks", response_metadata={"messages": [problem]})
        if given["channel"] != CHANNEL or given["ts"] not in self.messages:
            return _no("message_not_found")
        self.messages[given["ts"]].update(text=given["text"], blocks=given["blocks"])
        return JSONResponse({"ok": True, "channel": CHANNEL, "ts": given["ts"], "text": given["text"]})

    def _read(self, given: dict[str, Any], thread: str | None) -> Response:
        """One message a page, newest first in the channel, oldest first in a thread."""
        if "channels:history" not in self.scopes:
            return _no("missing_scope", needed="channels:history")
        if given["channel"] != CHANNEL:
            return _no("channel_not_found")
        found = self.in_channel()[::-1] if thread is None else [self.messages[thread], *self.thread(thread)]
        at = int(given.get("cursor") or 0)
        more = str(at + 1) if at + 1 < len(found) else ""
        page = [m if given.get("include_all_metadata") else {**m, "metadata": None} for m in found[at : at + 1]]
        return JSONResponse({"ok": True, "messages": page, "response_metadata": {"next_cursor": more}})


def limits_broken(message: Mapping[str, Any]) -> str | None:
    """The first of Slack's limits that a message breaks, by the numbers of its reference."""
    blocks = message["blocks"]
    checks = {
        "no text": bool(message["text"].strip()) and len(message["text"]) <= 4000,
        "too many blocks": 0 < len(blocks) <= 50,
        "too much text": sum(_utf16(text) for text, _ in _texts(blocks)) <= 13_000,
    }
    for text, limit in _texts(blocks):
        checks[f"text of {len(text)} where {limit} is allowed"] = 0 < _utf16(text) <= limit
    for block in blocks:
        checks["too many fields"] = len(block.get("fields", ())) <= 10 and len(block.get("elements", ())) <= 10
    return next((name for name, kept in checks.items() if not kept), None)


def as_read(blocks: Any) -> str:
    """The blocks as a person reads them: marks removed, one text a line."""
    return "\n".join(unescape(text.replace("*", "").replace("`", "")) for text, _ in _texts(blocks))


def _texts(node: Any, limit: int = 3000) -> Iterator[tuple[str, int]]:
    if isinstance(node, Mapping):
        for name, value in node.items():
            inner = {"header": 150, "button": 75}.get(node.get("type", ""), 2000 if name == "fields" else limit)
            if name == "text" and isinstance(value, str):
                yield value, limit
            else:
                yield from _texts(value, inner)
    elif isinstance(node, list | tuple):
        for part in node:
            yield from _texts(part, limit)


def _utf16(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def _no(word: str, **more: Any) -> Response:
    return JSONResponse({"ok": False, "error": word, **more})
