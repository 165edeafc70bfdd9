"""Webhooks: admit, read, keep in one unit, answer. What comes of an alert happens later."""

import asyncio
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from secrets import token_hex
from typing import Any
from urllib.parse import parse_qsl

import sqlalchemy as sa
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from pipemend.core.alert import Alert, Call, Door, Press, Reading
from pipemend.core.commands import Command
from pipemend.core.errors import BadDelivery, NotFound, OutsideError, Stale
from pipemend.core.issue import IssueChange
from pipemend.flows import commands, issues
from pipemend.flows.issues import Letter
from pipemend.flows.presses import Presses
from pipemend.flows.services import Services
from pipemend.store import audit, deliveries
from pipemend.store.rows import Row
from pipemend.web import azure_monitor
from pipemend.web.envelope import limited
from pipemend.web.problems import Refusal, problem, unavailable

BODY_LIMIT = 256 * 1024
BODY_SECONDS = 30.0
KEEP_SECONDS = 2.0
FOLLOW_SECONDS = 8.0  # of which most is for whoever has to say who we are, which is asked once
AT_ONCE = 512  # deliveries in memory; more are asked to come again
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Read:
    """What a door made of a body: alerts, or why there are none."""

    alerts: tuple[Alert, ...] = ()
    outcome: str = "accepted"
    reason: str | None = None
    field: str | None = None
    commands: tuple[Command, ...] = ()
    presses: tuple[Press, ...] = ()
    change: IssueChange | None = None

    @property
    def kept(self) -> dict[str, Any]:
        return {"outcome": self.outcome, "reason": self.reason, "alerts": self.alerts}


STUMBLED = Read(outcome="unreadable", reason="it could not be followed; the log says why")


@dataclass
class Doors:
    """The doors of this server, by path, and how many deliveries are inside."""

    services: Services
    doors: Mapping[str, Door]
    inside: int = field(default=0)

    def __post_init__(self) -> None:
        self.presses = Presses(self.services)

    def find(self, path: str) -> "DoorApp | None":
        """The door at this path. Behind that of Azure Monitor the path goes on with a secret."""
        whole, first = self.doors.get(path), f"/{path[1:].partition('/')[0]}"
        door = whole or (self.doors.get(first) if first == azure_monitor.PATH else None)
        return DoorApp(self, door) if door else None

    async def receive(self, door: Door, call: Call) -> Response:
        """Keeps what came and answers. A notifier's door brings commands instead, which are carried out at once."""
        read = reading(door, call)
        if not door.keeps:
            if read.outcome == "unreadable":  # not kept: what people press holds secrets
                return _refused(read)
            done = await self.presses.take(door.path, read.presses)
            return Response(status_code=200) if done else unavailable()
        if read.commands:
            return await self._obey(door, read.commands)
        if read.change:
            if answer := await self._follow(Letter(door.path, call.body, read.change, read.change.once)):
                return answer
            read = STUMBLED
        now = self.services.clock.now()
        unit = partial(deliveries.accept, door=door.path, body=call.body, now=now, **read.kept)
        try:
            async with asyncio.timeout(KEEP_SECONDS):
                kept = await self.services.database.write_at_once(unit)
        except (sa.exc.SQLAlchemyError, TimeoutError) as error:
            log.warning("a delivery could not be kept", extra={"door": door.path, "error": type(error).__name__})
            return unavailable()
        self.services.flood.came()
        if kept.new and read.alerts:
            self.services.wake.set()
        return _answer(kept, read)

    async def _obey(self, door: Door, wishes: Sequence[Command]) -> Response:
        for wish in wishes:
            try:
                await commands.carry_out(self.services, wish)
            except (Stale, NotFound) as error:
                log.info("a command came too late", extra={"door": door.path, "reason": str(error)})
        return Response(status_code=200)

    async def _follow(self, letter: Letter) -> Response | None:
        """Keeps what somebody did to an issue and does what follows, or neither; None when we stumbled over it."""
        where = {"door": letter.door}
        try:
            async with asyncio.timeout(FOLLOW_SECONDS):
                kept, followed = await issues.take(self.services, letter)
        except (sa.exc.SQLAlchemyError, TimeoutError, OutsideError, Stale) as error:
            log.warning("an issue could not be followed", extra={**where, "error": f"{type(error).__name__}: {error}"})
            return unavailable("it could not be followed now, please repeat")
        except Exception:
            log.exception("an issue could not be followed", extra=where)
            return None
        told = {"delivery": kept.id, "accepted": int(followed.did), "tickets": [followed.ticket_id] * followed.did}
        return _accepted(told)

    async def replay(self, delivery_id: int, by: str) -> Response:
        """Reads a kept body again, as a new delivery. Raises NotFound."""
        was = await self.services.database.read(partial(deliveries.get, delivery_id=delivery_id))
        if was.door not in self.doors:
            raise Stale(f"the door {was.door} is closed now: delivery {delivery_id} cannot be read again")
        read = reading(self.doors[was.door], Call(was.door, {}, {}, was.body))
        if read.change:
            named = f"replay:{was.id}:{token_hex(8)}"
            if answer := await self._follow(Letter(was.door, was.body, read.change, named, was.id, by)):
                return answer
            read = STUMBLED
        unit = partial(_again, was=was, read=read, by=by, now=self.services.clock.now())
        kept = await self.services.database.write(unit)
        self.services.wake.set()
        return _answer(kept, read)


def reading(door: Door, call: Call) -> Read:
    """Never raises: a body that our own reader stumbles over is kept too, and can be replayed when that is mended."""
    try:
        found = door.read(call)
    except BadDelivery as error:
        return Read((), "unreadable", str(error), error.field)
    except Exception as error:
        log.exception("a delivery could not be read", extra={"door": door.path})
        return Read((), "unreadable", f"it could not be read ({type(error).__name__})")
    if not isinstance(found, Reading):
        wishes = tuple(wish for wish in found if isinstance(wish, Command))
        presses = tuple(press for press in found if isinstance(press, Press))
        change = next((change for change in found if isinstance(change, IssueChange)), None)
        return Read((), "ignored", "it asks for nothing", commands=wishes, presses=presses, change=change)
    return Read(found.alerts) if found.alerts else Read((), "ignored", found.ignored or "it holds no alert")


def _again(db: sa.Connection, *, was: Row, read: Read, by: str, now: datetime) -> deliveries.Accepted:
    named = f"replay:{was.id}:{token_hex(8)}"
    kept = deliveries.accept(db, door=was.door, body=was.body, now=now, named=named, replay_of=was.id, **read.kept)
    audit.write(db, "delivery_replayed", at=now, user=by, details={"delivery": kept.id, "replay_of": was.id})
    return kept


def _answer(kept: deliveries.Accepted, read: Read) -> Response:
    if read.outcome == "unreadable":
        return _refused(read)
    return _accepted({"delivery": kept.id, "accepted": len(read.alerts), "tickets": list(kept.tickets)})


def _accepted(told: Mapping[str, Any]) -> Response:
    return Response(json.dumps(told), 202, media_type="application/json")


def _refused(read: Read) -> Response:
    return problem(400, read.reason or "it cannot be read", field=read.field)


class DoorApp:
    """One door as an ASGI application of its own: a framework's request costs more than all that is done here."""

    def __init__(self, doors: Doors, door: Door) -> None:
        self.doors = doors
        self.door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.doors.inside += 1
        self.doors.services.flood.inside = self.doors.inside
        try:
            answer = await self._answer(scope, receive)
        except Refusal as error:
            answer = problem(error.status_code, error.detail, headers=error.headers)
        except ClientDisconnect:
            return
        finally:
            self.doors.inside -= 1
            self.doors.services.flood.inside = self.doors.inside
        await answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive) -> Response:
        if scope["method"] not in self.door.methods:
            raise Refusal(405, "this door takes no such method", headers={"Allow": ", ".join(self.door.methods)})
        if self.doors.inside > AT_ONCE:
            return unavailable("too many deliveries at once, please repeat")
        call = _call(scope)
        if not self.door.admits(call):
            raise Refusal(401, "the secret of this door is missing or wrong")
        call = replace(call, body=await _body(limited(receive, BODY_LIMIT)))
        if self.door.signed and not self.door.signed(call):
            raise Refusal(401, "the signature of this call is missing or wrong")
        return await self.doors.receive(self.door, call)


def _call(scope: Scope) -> Call:
    # A secret pasted into an address keeps its plus signs; blanks come as %20.
    query = parse_qsl(scope["query_string"].decode("latin-1").replace("+", "%2B"), keep_blank_values=True)
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    return Call(scope["path"], dict(query), headers, b"")


async def _body(receive: Receive) -> bytes:
    """The whole body. A short one is here already, a long one may take its time, within limits."""
    body, more = _part(await receive())
    if not more:
        return body
    parts = [body]
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while more:
                body, more = _part(await receive())
                parts.append(body)
    except TimeoutError:
        raise Refusal(408, "the body did not arrive in time", headers={"Connection": "close"}) from None
    return b"".join(parts)


def _part(message: Message) -> tuple[bytes, bool]:
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    return message.get("body", b""), message.get("more_body", False)
