"""HTTP as our plug-ins speak it: a pool of its own, a total deadline, a limit on what is read, errors of ours."""

import asyncio
import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipemend.clients.answers import refusal, retry_after, told
from pipemend.core.errors import NoAnswer, OutsideError, Unreachable, Unreadable

if TYPE_CHECKING:
    import httpx

LIMIT = 2 * 1024 * 1024
CONNECT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whatever its status. Header names are in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace").replace("\x00", "")

    @property
    def good(self) -> bool:
        return 200 <= self.status < 300

    def json(self, what: str) -> Any:
        """The body as JSON. Raises Unreadable."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise Unreadable(told(what, f"answered {self.status} with no JSON", self.text[:200])) from None

    def checked(self, what: str, *, starts: bool = False) -> "Answer":
        """The answer itself when it is good; else raises what it means."""
        if self.good:
            return self
        raise refusal(self.status, what, self.text[:2000], retry_after=retry_after(self.headers), starts=starts)


class Http:
    """A pool of connections. A call that finds it full waits for its turn, and only then does its deadline begin."""

    def __init__(self, *, connections: int = 20, client: "httpx.AsyncClient | None" = None) -> None:
        self._client = client
        self._turns = asyncio.Semaphore(connections)
        self._connections = connections

    async def send(self, what: str, method: str, url: str, *, deadline: float = 30.0, **more: Any) -> Answer:
        """One request, sent once; `more` goes to httpx. Raises Unreachable (nothing was sent), NoAnswer or Unreadable.

        `what` names the other side in messages. The address never does: it may be a secret.
        """
        import httpx  # late: not every command needs it

        async with self._turns:
            try:
                async with asyncio.timeout(deadline), self._open().stream(method, url, **more) as answer:
                    return Answer(answer.status_code, _small(answer.headers), await _read(answer, what))
            except TimeoutError:
                raise NoAnswer(told(what, f"did not answer within {deadline:g} s")) from None
            except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError) as error:
                raise _translated(error, what) from None

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    def _open(self) -> "httpx.AsyncClient":
        import httpx

        if self._client is None:
            self._client = httpx.AsyncClient(
                limits=httpx.Limits(max_connections=self._connections, max_keepalive_connections=self._connections),
                timeout=httpx.Timeout(None, connect=CONNECT_SECONDS),
                follow_redirects=False,
                headers={"accept-encoding": "gzip"},
            )
        return self._client


async def _read(answer: "httpx.Response", what: str) -> bytes:
    """The body, unpacked by ourselves: httpx unpacks each piece whole, and a small piece may hold very much."""
    unpack = _unpacker(answer.headers.get("content-encoding", "").strip().lower())
    body = bytearray()
    try:
        async for piece in answer.aiter_raw():
            body += unpack(piece, LIMIT + 1 - len(body))
            if len(body) > LIMIT:
                raise Unreadable(told(what, f"answered with more than {LIMIT >> 20} MB"), status=answer.status_code)
    except zlib.error:
        raise Unreadable(told(what, "gave an answer that cannot be unpacked"), status=answer.status_code) from None
    return bytes(body)


def _unpacker(encoding: str) -> Callable[[bytes, int], bytes]:
    """What makes plain bytes, at most as many as are asked for. Only gzip was asked for, so anything else is plain."""
    if encoding in ("gzip", "x-gzip"):
        return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress
    return lambda piece, _: piece


def _small(headers: "httpx.Headers") -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _translated(error: Exception, what: str) -> OutsideError:
    import httpx

    # Only what fails before a request is written is certain to have done nothing.
    unsent = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
    if isinstance(error, unsent):
        return Unreachable(told(what, "cannot be reached", _words(error)))
    if isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol):
        return Unreachable(f"{what} cannot be reached: its address is not a web address")
    return NoAnswer(told(what, "did not answer", _words(error)))


def _words(error: Exception) -> str:
    name = type(error).__name__
    said = str(error)
    # An exception may quote the address.
    return name if not said or "://" in said else f"{name}: {said}"
