"""The front: reads each request, writes it down, lets faults strike, and answers."""

import time
from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import parse_qsl
from uuid import uuid4

from .breakage import Scene, break_it
from .journal import Entry
from .line import Line, Receive, Scope, Send
from .operations import Operation, find
from .refusals import arm_error, databricks_error
from .wire import Answer, Call, Refused
from .world import World

CONTROL, DATABRICKS = "twin", "databricks"
LOOPBACK = ("127.0.0.1", "::1", "localhost")


class Front:
    """The ASGI application behind every address of the twin."""

    def __init__(self, world: World, operations: Sequence[Operation]) -> None:
        self._world = world
        self._operations = operations

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._world.presses.sockets.serve(scope, receive, send)
            return
        call = await _read(scope, receive)
        if call is not None:
            await self._answer(call, Line(scope, receive, send))

    async def _answer(self, call: Call, line: Line) -> None:
        found = find(self._operations, call)
        if found is None:
            self._world.journal.write(call, "unknown", "unknown", None).status = 404
            await line.send(_nothing_at(call))
            return
        operation, call = found
        if operation.service == DATABRICKS:
            call = replace(call, workspace=self._world.workspace_at(call.port))
        strikes = self._world.faults.strike
        fault = None if operation.service == CONTROL else strikes(operation.service, operation.name, call)
        entry = self._world.journal.write(call, operation.service, operation.name, fault)
        started = time.monotonic()

        def do() -> Answer:
            return self._carry_out(operation, call, entry)

        if fault is None:
            entry.status = await _send_in_time(line, do())
        else:
            entry.status = await break_it(Scene(line, fault, operation.service, do))
        entry.seconds = round(time.monotonic() - started, 4)

    def _carry_out(self, operation: Operation, call: Call, entry: Entry) -> Answer:
        if operation.service == CONTROL and not _from_here(call):
            return arm_error("Forbidden", "The control addresses answer to this machine only.", 403)
        try:
            answer = operation.handle(self._world, call)
        except Refused as refused:
            return refused.answer
        entry.executed = not 400 <= answer.status < 500
        return answer


async def _send_in_time(line: Line, answer: Answer) -> int | None:
    if answer.instead is not None:
        answer = await answer.instead()
    if answer.delay and not await line.stays(answer.delay):
        return None
    await line.send(answer)
    return answer.status


async def _read(scope: Scope, receive: Receive) -> Call | None:
    """The whole request; None when the caller hung up before its end."""
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if not message.get("more_body"):
            return _call(scope, body)


def _call(scope: Scope, body: bytes) -> Call:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    call = Call(
        id=str(uuid4()),
        method=scope["method"],
        path=scope.get("raw_path", scope["path"].encode()).split(b"?")[0].decode("latin-1"),
        query=dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)),
        headers=headers,
        body=body,
        base_url=f"{scope.get('scheme', 'http')}://{headers.get('host', '127.0.0.1')}",
        client=scope["client"][0] if scope.get("client") else None,
        port=scope["server"][1] if scope.get("server") else None,
    )
    return replace(call, path=call.path or "/")


def _nothing_at(call: Call) -> Answer:
    if call.path.startswith("/api/"):
        return databricks_error("ENDPOINT_NOT_FOUND", f"No API found for '{call.method} {call.path}'", 404)
    return arm_error("NotFound", f"The twin has nothing at {call.method} {call.path}.", 404)


def _from_here(call: Call) -> bool:
    """A caller on this machine that also names this machine: no page of a browser can reach the control addresses."""
    host = call.headers.get("host", "").rsplit(":", 1)[0].strip("[]")
    return call.client in LOOPBACK and host in LOOPBACK
