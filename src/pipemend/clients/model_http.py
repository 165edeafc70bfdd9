"""The connections on which a model is asked: what is read of its answer is limited. Import it late, as its library."""

from collections.abc import AsyncIterator

import httpx2

from pipemend.clients.http import CONNECT_SECONDS, LIMIT
from pipemend.core.errors import Unreadable


def client(seconds: float) -> httpx2.AsyncClient:
    """Connections that end with their question: the next one may be hours away. An answer that is longer than LIMIT,
    or packed, raises Unreadable."""
    return httpx2.AsyncClient(
        timeout=httpx2.Timeout(seconds, connect=CONNECT_SECONDS),
        limits=httpx2.Limits(max_connections=20, max_keepalive_connections=0),
        headers={"accept-encoding": "identity"},  # a model's answer is short, and a packed one could be of any length
        event_hooks={"response": [_limit]},
    )


async def _limit(response: httpx2.Response) -> None:
    if response.headers.get("content-encoding", "identity") != "identity":
        raise Unreadable("the answer is packed, and was asked for plain", status=response.status_code)
    assert isinstance(response.stream, httpx2.AsyncByteStream)  # noqa: S101 - as an asynchronous client makes it
    response.stream = _Bounded(response.stream, response.status_code)


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream, status: int) -> None:
        self._stream = stream
        self._status = status

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for piece in self._stream:
            size += len(piece)
            if size > LIMIT:
                raise Unreadable(f"the answer is longer than {LIMIT >> 20} MB", status=self._status)
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()
