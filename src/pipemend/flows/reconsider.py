"""Tickets whose decision was put off: the root is read again, then it is decided."""

import asyncio
import logging
from datetime import timedelta
from functools import partial

import sqlalchemy as sa

from pipemend.core.errors import OutsideError, Overtaken
from pipemend.core.run import RunRef, RunStatus
from pipemend.core.ticket import PIPELINE_USER, Ticket
from pipemend.flows import endings
from pipemend.flows.decision import Grounds, decide, grounds_of
from pipemend.flows.intake import READ_SECONDS, Found, look
from pipemend.flows.services import Services
from pipemend.flows.tickets import Opening, diagnosed, explained_by
from pipemend.store import tickets
from pipemend.store.database import transient

log = logging.getLogger(__name__)
AT_ONCE, STUMBLES, LEASE, AGAIN = 64, 3, timedelta(seconds=60), timedelta(seconds=15)


async def take_due(s: Services) -> int:
    """Takes up tickets whose decision is due; how many."""
    now = s.clock.now()
    due = await s.database.write(lambda db: tickets.claim_due(db, now, AT_ONCE, now + LEASE, s.worker))
    ended = await asyncio.gather(*(_take(s, ticket) for ticket in due), return_exceptions=True)
    for ticket, error in zip(due, ended, strict=True):
        if isinstance(error, Exception):
            log.error("a ticket stumbled", exc_info=error, extra={"ticket_id": ticket.id})
            if not (transient(error) or isinstance(error, Overtaken)):  # else it is due again when the lease ends
                why = f"{type(error).__name__}: {error}"[:300]
                await s.database.write(partial(_stumbled, s, ticket, f"Pipemend stumbled over it three times: {why}"))
    if due:
        s.wake.set()
    return len(due)


async def _take(s: Services, ticket: Ticket) -> None:
    if ticket.run_ended_at is not None or ticket.rca.get("run_unknown") or ticket.connection is None:
        await s.database.write(partial(_decide, s, ticket.id))
        return
    try:
        async with asyncio.timeout(READ_SECONDS):
            found = await look(
                s.platforms[ticket.platform], RunRef(ticket.platform, ticket.resource, ticket.root_run_id)
            )
    except (OutsideError, TimeoutError) as error:
        log.warning("the root cannot be read", extra={"ticket_id": ticket.id, "error": str(error)})
        await s.database.write(partial(_later, s, ticket.id))
        return
    await _with_root(s, ticket, found)


async def _with_root(s: Services, ticket: Ticket, found: Found) -> None:
    root = found.root
    if root is None:
        missing = f"{ticket.platform} does not know the run {ticket.root_run_id}"
        await s.database.write(partial(_stumbled, s, ticket, missing))
        return
    if not root.ended:
        await s.database.write(partial(_later, s, ticket.id))
        return
    opening = None
    if root.failed and found.failure is not None:
        opening = Opening(
            ref=root.ref,
            pipeline=root.pipeline,
            resource=s.connection(ticket.platform, root.ref.resource),
            failure=found.failure,
            diagnosis=await diagnosed(s, found.failure),
            run=root,
            failed_at=root.ended_at,
        )
    await s.database.write(lambda db: _root_ended(db, s, ticket.id, found, opening))


def _root_ended(db: sa.Connection, s: Services, ticket_id: str, found: Found, opening: Opening | None) -> None:
    now = s.clock.now()
    ticket = tickets.lock(db, ticket_id)
    root = found.root
    if root is None or ticket.closed:
        return
    if root.ref.run_id != ticket.root_run_id:
        moved = _move_up(db, s, ticket, found)
        if moved is None:
            return
        ticket = moved
    tickets.run_changed(db, root.ref, root.status, root.ended_at)
    if root.status is RunStatus.SUCCEEDED:
        endings.closed_without_us(db, s, ticket, PIPELINE_USER, "the outermost run has succeeded after all", now)
        return
    changes = {} if opening is None else explained_by(db, s, opening, ticket.timestamp)
    if root.status is RunStatus.CANCELLED:
        changes["hands_off"] = "the outermost run was cancelled"
    ticket = tickets.move(
        db, ticket, run_ended_at=root.ended_at or now, run_group_id=root.group_id, run_link=root.link, **changes
    )
    decide(db, s, ticket, Grounds.of_ticket(ticket), now)


def _move_up(db: sa.Connection, s: Services, ticket: Ticket, found: Found) -> Ticket | None:
    """The root is known now: the ticket moves there, or is merged into the one that is there already."""
    root = found.root
    if root is None:
        return None
    now = s.clock.now()
    if known := tickets.known_run(db, root.ref):
        endings.merge(db, s, ticket, tickets.get(db, known.ticket_id), now, root_as="child")
        return None
    tickets.add_run(db, root.ref, ticket.id, "root", root.status, root.ended_at)
    return tickets.move(db, ticket, root_run_id=root.ref.run_id, run_id=root.ref.run_id, pipeline=root.pipeline)


def _decide(s: Services, ticket_id: str, db: sa.Connection) -> None:
    ticket = tickets.lock(db, ticket_id)
    decide(db, s, ticket, grounds_of(ticket), s.clock.now())


def _stumbled(s: Services, was: Ticket, why: str, db: sa.Connection) -> None:
    """Its root cannot be read: again a little later, and at the third time people are told."""
    ticket = tickets.lock(db, was.id)
    if ticket.revision != was.revision:
        return
    if ticket.stumbles + 1 < STUMBLES:
        tickets.move(db, ticket, due_at=s.clock.now() + LEASE, owner=None, stumbles=ticket.stumbles + 1)
        return
    ticket = tickets.move(db, ticket, hands_off=why)
    decide(db, s, ticket, Grounds.of_ticket(ticket), s.clock.now())


def _later(s: Services, ticket_id: str, db: sa.Connection) -> None:
    ticket = tickets.lock(db, ticket_id)
    if not ticket.closed:
        tickets.move(db, ticket, due_at=s.clock.now() + AGAIN, owner=None)
