"""A connection with the limits that uvicorn leaves out: a request's head has its length and its time, and a body that
nobody wants any more is not read without end."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS = 30.0
HEAD_LIMIT = 512 * 1024  # more than one read brings: its beginning may be the end of an earlier request
DROP_LIMIT = 8 * 1024 * 1024  # read and dropped, so that the answer to a body too long arrives


class Connection(HttpToolsProtocol):
    """Closes where a sender does not come to an end."""

    in_head = True
    unused = 0  # bytes of a head that is not whole, or behind an answer
    hurry: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_came()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._await_head()

    def on_headers_complete(self) -> None:
        self._head_came()
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.in_head or getattr(self.cycle, "response_complete", False):  # no cycle before the first head
            self.unused += len(data)
            if self.unused > (HEAD_LIMIT if self.in_head else DROP_LIMIT):
                self.transport.close()

    def _await_head(self) -> None:
        self._head_came()
        self.in_head = True
        self.hurry = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _head_came(self) -> None:
        self.in_head, self.unused = False, 0
        if self.hurry is not None:
            self.hurry.cancel()
            self.hurry = None
