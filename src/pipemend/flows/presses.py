"""Presses: buttons of a notifier. What a press asks for is done in the unit that keeps it: a crash leaves both, or
neither."""

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from functools import partial
from typing import Any

import sqlalchemy as sa

from pipemend.core.alert import Press
from pipemend.core.errors import NotFound, OutsideError, Stale
from pipemend.flows import commands
from pipemend.flows.services import Services
from pipemend.store import audit, deliveries

log = logging.getLogger(__name__)
ANSWER_SECONDS = 2.0  # Slack shows the person an error when three are over


class Presses:
    """Carries out presses, each once. What takes too long goes on after the answer."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.under_way: set[asyncio.Task[None]] = set()

    async def take(self, door: str, presses: Sequence[Press]) -> bool:
        """Whether all of them are kept, done or refused, within a few seconds."""
        work = [self._begin(self._one(door, press)) for press in presses]
        if not work:
            return True
        done, late = await asyncio.wait(work, timeout=ANSWER_SECONDS)
        return not late and all(task.exception() is None for task in done)

    async def _one(self, door: str, press: Press) -> None:
        refusal = await press.refusal()
        if not refusal:
            try:
                await commands.unit(self.services, partial(_obeyed, self.services, door, press))
                return
            except (Stale, NotFound) as error:
                refusal = str(error)
        if await self.services.database.write(partial(_refused, self.services, door, press, refusal)):
            _ = self._begin(_told(press, refusal))  # after the answer

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self.under_way.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.under_way.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("a press stumbled", exc_info=error)


def _obeyed(s: Services, door: str, press: Press, db: sa.Connection) -> None:
    """Raises Stale or NotFound: then the press is not kept either."""
    if _kept(s, door, press, db, "accepted"):
        commands.carry_out_in(db, s, press.command)


def _refused(s: Services, door: str, press: Press, why: str, db: sa.Connection) -> bool:
    """Whether the person is to be told: a repeat was answered before."""
    if not _kept(s, door, press, db, "ignored"):
        return False
    wish = press.command
    details = {"asked": type(wish).__name__.lower(), "why": why}
    ticket_id = getattr(wish, "ticket_id", None)
    audit.write(db, "press_refused", at=s.clock.now(), user=wish.by, ticket_id=ticket_id, details=details)
    return True


def _kept(s: Services, door: str, press: Press, db: sa.Connection, outcome: str) -> bool:
    """Whether it is new. Of its body nothing is kept: it holds an address to answer at, which is a secret."""
    wish = press.command
    said = f"{type(wish).__name__.lower()} {getattr(wish, 'ticket_id', '')}, pressed by {wish.by}"
    named, now = f"press:{press.once}", s.clock.now()
    kept = deliveries.accept(db, door=door, body=b"", now=now, outcome=outcome, reason=said, named=named)
    if not kept.new:
        log.info("a press came twice", extra={"door": door})
    return kept.new


async def _told(press: Press, why: str) -> None:
    try:
        await press.reply(f"Nothing was done: {why}.")
    except OutsideError as error:
        log.warning("nobody was told why a press was refused", extra={"error": str(error)})
