"""Around every request: limits, security headers, one line in the log. Queries and secrets never reach that line."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipemend.web.problems import MISTAKE, Refusal, problem, unavailable

PATIENCE = 10.0  # seconds from the end of a request to the beginning of its answer; only a stuck database takes longer
BODY_LIMIT = 64 * 1024  # forms and commands; the doors for alerts have their own
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Sequence[tuple[bytes, bytes]] = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
TRANSPORT = (b"strict-transport-security", b"max-age=31536000")
NO_STORE = (b"cache-control", b"no-store")  # unless the answer says otherwise
# Of these paths the log has all, of our other ones the first part: the rest of a path may be a secret.
WHOLE = ("/api/", "/dashboard/", "/static/")
KNOWN = ("dashboard", "login", "logout", "welcome", "healthz", "readyz", "ws", "metrics", "openapi.json")
QUIET = ("/healthz", "/readyz", "/static/")
log = logging.getLogger("pipemend.access")


class Envelope:
    """Wraps the application, and brings what is meant for a door there at once: a delivery waits for nothing.

    `doors` finds the door of a path; `known` are the names of doors that may stand in the log.
    """

    def __init__(self, app: ASGIApp, doors: Callable[[str], ASGIApp | None], known: Sequence[str]) -> None:
        self.app = app
        self.doors = doors
        self.known = (*KNOWN, *known)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status, whole, over = time.perf_counter(), 0, False, False

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                if not status and not over:
                    patience.reschedule(None)
                status = message["status"]
                message["headers"] = _with_ours(message["headers"], scope)
            await send(message)

        async def receive_in_time() -> Message:
            nonlocal whole
            if whole or status:
                return await receive()
            patience.reschedule(None)  # how long a body may take is said where it is read
            message = await receive()
            patience.reschedule(asyncio.get_running_loop().time() + PATIENCE)
            whole = not message.get("more_body", False)
            return message

        try:
            async with asyncio.timeout(PATIENCE) as patience:
                await self._answer(scope, receive_in_time, send_with_headers)
        except TimeoutError:
            over = True
            if not status:
                await unavailable()(scope, receive, send_with_headers)
        except Exception:
            over = True
            where = {"method": scope["method"], "path": shown(scope["path"], self.known)}
            log.exception("a request failed", extra=where)
            if not status:
                await problem(500, MISTAKE)(scope, receive, send_with_headers)
        finally:
            self._note(scope, status, time.perf_counter() - began)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if refusal := _refusal(scope):
            await problem(refusal.status_code, refusal.detail)(scope, receive, send)
        elif door := self.doors(scope["path"]):
            await door(scope, receive, send)
        else:
            await self.app(scope, limited(receive, BODY_LIMIT), send)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        if status < 500 and scope["path"].startswith(QUIET):
            return
        method, path = scope["method"], shown(scope["path"], self.known)
        fields = {"method": method, "path": path, "status": status, "seconds": round(seconds, 4)}
        log.info("%s %s %s %.1f ms", method, path, status, seconds * 1000, extra=fields)


def limited(receive: Receive, limit: int) -> Receive:
    """The same body, refused with 413 as soon as it is longer than `limit`."""
    size = 0

    async def receive_some() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > limit:
            # The server reads what is left and drops it, so that the answer arrives.
            raise Refusal(413, f"the body is longer than {limit // 1024} KB")
        return message

    return receive_some


def shown(path: str, known: Sequence[str] = KNOWN) -> str:
    """A path as the log may have it. Secrets are posted to misspelt doors too, so unknown paths are not named."""
    if path.startswith(WHOLE):
        return path if path.isprintable() else path.encode("unicode_escape").decode()
    if path[1:] in known:
        return path
    first, slash, _ = path[1:].partition("/")
    return f"/{first}{'/…' if slash else ''}" if first in known else "/…"


def _with_ours(given: Iterable[tuple[bytes, bytes]], scope: Scope) -> list[tuple[bytes, bytes]]:
    headers = [*given, *HEADERS]
    if scope["scheme"] == "https":
        headers.append(TRANSPORT)
    if not any(name == b"cache-control" for name, _ in headers):
        headers.append(NO_STORE)
    return headers


def _refusal(scope: Scope) -> Refusal | None:
    """No database of ours takes a NUL, so it is stopped here once for all."""
    if "\0" in scope["path"]:
        return Refusal(404, "there is nothing here")
    if b"%00" in scope["query_string"] or b"\0" in scope["query_string"]:
        return Refusal(422, "the query holds a NUL character")
    return None
