"""What a remedy has borrowed is given back once its attempt has ended, also after a crash: the row says so."""

import asyncio
import logging
from datetime import timedelta

import sqlalchemy as sa

from pipemend.core.attempt import Lease
from pipemend.core.errors import OutsideError
from pipemend.core.ports import Borrower
from pipemend.core.ticket import AI_USER
from pipemend.flows.services import Services
from pipemend.store import attempts, audit, borrowed, tickets
from pipemend.store.rows import Row

log = logging.getLogger(__name__)
SECONDS, LEASE, STUMBLES = 40, timedelta(seconds=120), 3  # a round of upkeep must not seem to stand still
SOON, LATER, PATIENCE = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


async def give_back(s: Services) -> int:
    """Gives back what nobody needs any more; how many things."""
    now = s.clock.now()
    rows = await s.database.write(lambda db: borrowed.claim_over(db, now, now + LEASE, s.worker))
    await asyncio.gather(*(_one(s, row) for row in rows))
    return len(rows)


async def _one(s: Services, row: Row) -> None:
    platform = s.platforms.get(row.platform)
    remedy = platform.remedies.get(row.action) if platform else None
    if not isinstance(remedy, Borrower):
        await _failed(s, row, f"{row.platform} is not connected, or knows no {row.action}")
        return
    try:
        async with asyncio.timeout(SECONDS):
            waits = await remedy.give_back(row.resource, Lease(row.target, row.terms))
    except (OutsideError, TimeoutError) as error:
        await _failed(s, row, str(error) or "no answer in time")
        return
    except Exception as error:  # what stumbles over one thing must not keep the others
        log.exception("giving something back stumbled", extra={"target": row.target})
        await _failed(s, row, f"{type(error).__name__}: {error}"[:300])
        return
    if not waits:
        await s.database.write(lambda db: borrowed.returned(db, row))
        s.wake.set()  # somebody may be waiting for it
    elif s.clock.now() - row.taken_at < PATIENCE:
        await s.database.write(lambda db: borrowed.not_returned(db, row, s.clock.now() + SOON))
    else:
        await _failed(s, row, waits)


async def _failed(s: Services, row: Row, why: str) -> None:
    """Asked again soon, after three times once an hour; the third time is noted in the audit trail."""
    log.warning("something borrowed could not be given back", extra={"target": row.target, "error": why})
    now, stumbles = s.clock.now(), row.stumbles + 1

    def unit(db: sa.Connection) -> None:
        borrowed.not_returned(db, row, now + (LATER if stumbles >= STUMBLES else SOON), stumbles)
        if stumbles == STUMBLES:
            ticket = tickets.get(db, attempts.get(db, row.attempt_key).ticket_id)
            details = {"target": row.target, "reason": why, "was": row.terms}
            audit.write(db, "lease_not_returned", at=now, user=AI_USER, ticket=ticket, details=details)

    await s.database.write(unit)
