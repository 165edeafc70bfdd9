"""`/ws` for programs, every event one JSON object; `/dashboard/live` for our own pages, which gets them in batches."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from starlette.websockets import WebSocketState

from pipemend.web.auth import origin_is_ours, who
from pipemend.web.live import Live, Told, TooSlow
from pipemend.web.problems import problem

LOOK_AGAIN = 30.0  # seconds after which a session is looked at again
SEND_SECONDS = 10.0
BIGGEST = 2**63 - 1
REFUSED, COME_BACK, FAULT = 1008, 1013, 1011
log = logging.getLogger(__name__)
router = APIRouter()


# How events that were found together go over a socket.
Form = Callable[[Told], Sequence[str]]


@router.websocket("/ws")
async def follow(socket: WebSocket) -> None:
    """`?since=N` replays the events above N; without it only new ones come."""
    await _admit(socket, lambda events: [text for _, text in events])


@router.websocket("/dashboard/live")
async def follow_as_a_page(socket: WebSocket) -> None:
    """`{"id": 812, "events": [...]}`, free to change with our pages; `id` is the newest event in it."""
    await _admit(socket, batch_of)


def batch_of(events: Told) -> Sequence[str]:
    """One message for all; the texts are JSON already."""
    if not events:
        return ()
    return (f'{{"id": {max(number for number, _ in events)}, "events": [{",".join(text for _, text in events)}]}}',)


async def _admit(socket: WebSocket, form: Form) -> None:
    """Looks who is there and what they want, and serves them."""
    try:
        user = await who(socket)
    except (sa.exc.SQLAlchemyError, TimeoutError):
        return await _deny(socket, 503, "the database does not answer, please repeat")
    if user is None:
        return await _deny(socket, 401, "sign in, or send an API token")
    if user.by_cookie and not origin_is_ours(socket):
        return await _deny(socket, 403, "this socket was opened by another site")
    since = socket.query_params.get("since") or None
    if since is not None and not (since.isascii() and since.isdigit() and int(since[:20]) <= BIGGEST):
        return await _deny(socket, 422, "since: must be the id of an event")
    await socket.accept()
    await _serve(socket, None if since is None else int(since), form)


async def _serve(socket: WebSocket, since: int | None, form: Form) -> None:
    live: Live = socket.app.state.live
    work = {_task(_pour(socket, live, since, form)), _task(_listen(socket)), _task(_watch(socket))}
    try:
        ended, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
        code, reason = ended.pop().result()
    finally:
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
    if socket.application_state is WebSocketState.CONNECTED and socket.client_state is WebSocketState.CONNECTED:
        with suppress(RuntimeError, WebSocketDisconnect, TimeoutError):
            async with asyncio.timeout(SEND_SECONDS):
                await socket.close(code, reason)


# Each of the three ends with the code and the reason with which the socket is closed.
End = tuple[int, str]


def _task(work: Coroutine[Any, Any, End]) -> asyncio.Task[End]:
    return asyncio.create_task(work)


async def _pour(socket: WebSocket, live: Live, since: int | None, form: Form) -> End:
    try:
        async for events in live.follow(since):
            for text in form(events):
                async with asyncio.timeout(SEND_SECONDS):
                    await socket.send_text(text)
    except (TooSlow, TimeoutError):
        return COME_BACK, "too slow: come back with since"
    except sa.exc.SQLAlchemyError:
        log.warning("a socket could not be served", exc_info=True)
        return COME_BACK, "the database does not answer: come back with since"
    except (WebSocketDisconnect, RuntimeError):
        return 1000, ""  # it has gone while we wrote
    return 1000, ""


async def _listen(socket: WebSocket) -> End:
    """Nobody has to say anything here; we only want to know when they leave."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass
    return 1000, ""


async def _watch(socket: WebSocket) -> End:
    """A session that has ended, or a token that was revoked, ends its sockets."""
    while True:
        await asyncio.sleep(LOOK_AGAIN)
        with suppress(sa.exc.SQLAlchemyError, TimeoutError):
            if await who(socket) is None:
                return REFUSED, "the session has ended"


async def _deny(socket: WebSocket, status: int, detail: str) -> None:
    if "websocket.http.response" in socket.scope.get("extensions", {}):
        await socket.send_denial_response(problem(status, detail))
    else:
        await socket.close(REFUSED, detail)
