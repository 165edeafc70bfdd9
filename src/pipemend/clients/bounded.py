"""Limits for libraries that would read an answer of any length. Import it late: it takes a third of a second."""

import aiohttp

from pipemend.clients.http import LIMIT
from pipemend.core.errors import Unreadable


class BoundedResponse(aiohttp.ClientResponse):
    """An answer of which no more than LIMIT bytes are read, unpacked. Raises Unreadable when it is longer."""

    async def read(self) -> bytes:
        if self._body is None:
            self._body = await self._some()
        return await super().read()

    async def _some(self) -> bytes:
        body = bytearray()
        try:
            async for piece in self.content.iter_chunked(64 * 1024):
                body += piece
                if len(body) > LIMIT:
                    raise Unreadable(f"the answer is longer than {LIMIT >> 20} MB", status=self.status)
        except BaseException:
            self.close()
            raise
        return bytes(body)


async def _stay(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Nobody sends us elsewhere: no address that we call does so in good days, and our tokens would go along."""
    answer = await send(request)
    if 300 <= answer.status < 400:
        answer.close()
        raise Unreadable(f"it answered {answer.status}, which sends us to another address", status=answer.status)
    return answer


def session() -> aiohttp.ClientSession:
    """A session that reads bounded answers, follows no redirect, keeps no cookies, and goes through the proxy of the
    environment."""
    return aiohttp.ClientSession(
        trust_env=True,
        cookie_jar=aiohttp.DummyCookieJar(),
        response_class=BoundedResponse,
        middlewares=(_stay,),
    )
