"""Runs on another platform that a failed run has started: they are its children, and have no ticket of their own."""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

import sqlalchemy as sa

from pipemend.core.errors import OutsideError
from pipemend.core.ports import KnowsPages
from pipemend.core.rca import Failure, Fault
from pipemend.core.run import RunRef, RunStatus
from pipemend.flows import endings
from pipemend.flows.services import Services
from pipemend.store import tickets

log = logging.getLogger(__name__)
MOST, SECONDS = 3, 10


async def explained(s: Services, failure: Failure) -> Failure:
    """The failure with what the runs elsewhere say of it in front: they know the cause, the activity only that it
    waited for them. Where they cannot be read the rest stands."""
    faults: list[Fault] = []
    for ref in _runs(s, failure.pages[:MOST]):
        platform = s.platforms[ref.platform]
        try:
            async with asyncio.timeout(SECONDS):
                run = await platform.run(ref)
                faults += (await platform.failure(run)).faults if run is not None and run.failed else ()
        except (OutsideError, TimeoutError) as error:
            log.warning("a run elsewhere cannot be read", extra={"run_id": ref.run_id, "error": str(error)})
    return replace(failure, faults=(*faults, *failure.faults))


def claim(db: sa.Connection, s: Services, ticket_id: str, pages: Sequence[str], now: datetime) -> None:
    """The runs behind these pages belong to the ticket. One that has opened a ticket of its own meanwhile brings that
    along, unless something has been tried there."""
    for ref in _runs(s, pages):
        if tickets.add_run(db, ref, ticket_id, "child", RunStatus.FAILED):
            continue
        known = tickets.known_run(db, ref)
        if known is None or known.role != "root" or known.ticket_id == ticket_id:
            continue
        own = tickets.lock(db, known.ticket_id)
        if own.remediation_attempts == 0 and own.merged_into is None:
            endings.merge(db, s, own, tickets.get(db, ticket_id), now, root_as="child")
        else:
            log.warning("two tickets for one failure", extra={"ticket_id": ticket_id, "other": own.id})


def _runs(s: Services, pages: Sequence[str]) -> Iterator[RunRef]:
    for page in pages:
        found = (p.run_at(page) for p in s.platforms.values() if isinstance(p, KnowsPages))
        if ref := next(filter(None, found), None):
            yield ref
