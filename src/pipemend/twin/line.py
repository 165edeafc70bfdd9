"""The line to the caller: proper answers by ASGI, broken ones straight on the connection."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from .wire import Answer

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

TRANSPORT = "twin.transport"


class NoTransport(ConnectionError):
    """The server does not show its connection, so a broken one cannot be played."""


class Line:
    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send

    async def send(self, answer: Answer) -> None:
        await self._start(answer)
        await self._send({"type": "http.response.body", "body": answer.body})

    async def drip(self, answer: Answer, seconds: float) -> None:
        """The answer in small pieces, spread over `seconds`; one without a body drips its head."""
        if not answer.body:
            await self.drip_head(answer, seconds)
            return
        size = max(1, len(answer.body) // 40)
        pieces = [answer.body[at : at + size] for at in range(0, len(answer.body), size)]
        await self._start(answer)
        for piece in pieces:
            if not await self.stays(seconds / len(pieces)):
                return
            await self._send({"type": "http.response.body", "body": piece, "more_body": True})
        await self._send({"type": "http.response.body", "body": b""})

    async def drip_head(self, answer: Answer, seconds: float) -> None:
        """The head of the answer in small pieces, spread over `seconds`, then the body at once."""
        transport, whole = self._transport(), raw(answer, answer.body, len(answer.body))
        head = len(whole) - len(answer.body)
        for at in range(0, head, size := max(1, head // 40)):
            transport.write(whole[at : min(at + size, head)])
            if not await self.stays(seconds / 40):
                return
        transport.write(answer.body)
        transport.close()
        await self._gone()

    async def pour(self, answer: Answer, pieces: Iterable[bytes]) -> None:
        """The answer with a body of many pieces, as fast as the caller takes them, until that one hangs up."""
        headers = tuple((name, value) for name, value in answer.headers if name.lower() != "content-length")
        await self._start(replace(answer, headers=headers), announced=False)
        for piece in pieces:
            await self._send({"type": "http.response.body", "body": piece, "more_body": True})
            if self._transport().is_closing():
                return
        await self._send({"type": "http.response.body", "body": b""})

    async def stays(self, seconds: float) -> bool:
        """Waits; false as soon as the caller hangs up."""
        try:
            await asyncio.wait_for(self._gone(), seconds)
        except TimeoutError:
            return True
        return False

    async def hold(self, seconds: float) -> None:
        """Silence, until the caller hangs up or the time is over; then the connection is dropped."""
        if await self.stays(seconds):
            await self.drop()

    async def drop(self) -> None:
        self._transport().abort()
        await self._gone()

    async def cut_short(self, answer: Answer) -> None:
        """Promises the whole body, sends half of it and closes."""
        transport = self._transport()
        transport.write(raw(answer, body=answer.body[: len(answer.body) // 2], length=len(answer.body)))
        transport.close()
        await self._gone()

    async def reset(self, answer: Answer) -> None:
        """Half an answer, then the connection is reset."""
        transport = self._transport()
        transport.write(raw(answer, body=answer.body[: len(answer.body) // 2], length=len(answer.body)))
        await asyncio.sleep(0.01)  # a reset at once would take the half back
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await self.drop()

    async def half_close(self, answer: Answer, seconds: float) -> None:
        """Half an answer, then the sending side is closed while the other one stays open."""
        transport = self._transport()
        transport.write(raw(answer, body=answer.body[: len(answer.body) // 2], length=len(answer.body)))
        if transport.can_write_eof():
            transport.write_eof()
        await self.hold(seconds)

    async def _start(self, answer: Answer, *, announced: bool = True) -> None:
        headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
        if announced and answer.status not in (204, 304):
            headers.append((b"content-length", str(len(answer.body)).encode()))
        await self._send({"type": "http.response.start", "status": answer.status, "headers": headers})

    async def _gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass

    def _transport(self) -> asyncio.Transport:
        transport: asyncio.Transport | None = self._scope.get("state", {}).get(TRANSPORT)
        if transport is None:
            raise NoTransport("this server does not show its connection")
        return transport


def raw(answer: Answer, body: bytes, length: int) -> bytes:
    """The bytes of an answer whose announced length need not be true."""
    phrase = HTTPStatus(answer.status).phrase
    lines = [f"HTTP/1.1 {answer.status} {phrase}", *(f"{name}: {value}" for name, value in answer.headers)]
    return "\r\n".join([*lines, f"Content-Length: {length}", "", ""]).encode("latin-1") + body
