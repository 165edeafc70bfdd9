"""Buttons that people press at a notifier's door: each is kept once, obeyed at once, and refused politely."""

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from functools import partial
from typing import Any

import sqlalchemy as sa
from starlette.responses import Response

from pipemend.core.alert import Press
from pipemend.core.errors import NotFound, OutsideError, Stale
from pipemend.flows import commands
from pipemend.flows.services import Services
from pipemend.store import audit, deliveries
from pipemend.web.problems import unavailable

log = logging.getLogger(__name__)
ANSWER_SECONDS = 2.0  # Slack shows the person an error when three are over


class Presses:
    """Carries out presses. What takes too long goes on after the answer."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.under_way: set[asyncio.Task[None]] = set()

    async def take(self, door: str, presses: Sequence[Press]) -> Response:
        """Answers within a few seconds: 503 when what was asked for is not done by then."""
        work = [self._begin(self._one(door, press)) for press in presses]
        if not work:
            return Response(status_code=200)
        done, late = await asyncio.wait(work, timeout=ANSWER_SECONDS)
        failed = any(task.exception() is not None for task in done)
        return unavailable() if late or failed else Response(status_code=200)

    async def _one(self, door: str, press: Press) -> None:
        if not await self.services.database.write(partial(self._keep, door, press)):
            log.info("a press came twice", extra={"door": door})
            return
        refusal = press.refusal
        if not refusal:
            try:
                await commands.carry_out(self.services, press.command)
            except (Stale, NotFound) as error:
                refusal = str(error)
        if refusal:
            await self.services.database.write(partial(self._refused, press, refusal))
            _ = self._begin(self._tell(press, refusal))  # after the answer

    def _keep(self, door: str, press: Press, db: sa.Connection) -> bool:
        """Whether it is new. Of its body nothing is kept: it holds an address to answer at, which is a secret."""
        wish = press.command
        said = f"{type(wish).__name__.lower()} {getattr(wish, 'ticket_id', '')}, pressed by {wish.by}"
        now, named = self.services.clock.now(), f"press:{press.once}"
        kept = deliveries.accept(db, door=door, body=b"", now=now, outcome="accepted", reason=said, named=named)
        return kept.new

    def _refused(self, press: Press, why: str, db: sa.Connection) -> None:
        wish = press.command
        details = {"asked": type(wish).__name__.lower(), "why": why}
        ticket_id = getattr(wish, "ticket_id", None)
        now = self.services.clock.now()
        audit.write(db, "press_refused", at=now, user=wish.by, ticket_id=ticket_id, details=details)

    async def _tell(self, press: Press, why: str) -> None:
        try:
            await press.reply(f"Nothing was done: {why}.")
        except OutsideError as error:
            log.warning("nobody was told why a press was refused", extra={"error": str(error)})

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self.under_way.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.under_way.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("a press stumbled", exc_info=error)
