"""Masked failures: runs that went well although something in them failed. They are kept for people, and never rerun."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

import sqlalchemy as sa

from pipemend.core.errors import OutsideError
from pipemend.core.ports import FindsMasked
from pipemend.core.rca import Diagnosis, Failure, Fault
from pipemend.core.run import Resource, Run, RunRef, RunStatus
from pipemend.core.scrub import scrub
from pipemend.flows.services import Services
from pipemend.flows.tickets import Opening, diagnosed, open_ticket
from pipemend.store import masked, tickets
from pipemend.store.database import transient
from pipemend.store.rows import Row

log = logging.getLogger(__name__)
# A round ends within its lease, and before its loop looks as if it stood still.
AT_ONCE, TOGETHER, READ_SECONDS, LEASE = 12, 4, 20, timedelta(seconds=90)
TRIES, SLOWEST = 8, timedelta(minutes=30)
MOST, MESSAGE = 20, 1000
IGNORE, LIST, TICKET = "ignore", "list", "ticket"


async def note(s: Services, resource: Resource, runs: Sequence[Run], since: datetime) -> None:
    """Of runs that a feed reports those that may have masked a failure, once each; they are looked at later.

    A platform that tells by itself costs nothing: there they are noted without a rule.
    """
    named = any(rule.masked in (LIST, TICKET) for rule in s.playbooks.pipelines)
    suspects = [run for run in runs if (named or run.masked) and _suspect(s, resource, run, since)]
    known = await s.database.read(lambda db: masked.known(db, resource, suspects)) if suspects else set()
    if new := [run for run in suspects if run.ref.run_id not in known]:
        now = s.clock.now()
        await s.database.write(lambda db: [masked.insert(db, run, resource.name, now) for run in new])
        s.wake.set()


def _suspect(s: Services, resource: Resource, run: Run, since: datetime) -> bool:
    if run.status is not RunStatus.SUCCEEDED or run.debug or run.masked is False:
        return False
    if run.ended_at is None or run.ended_at < since:
        return False
    return _wish(s, resource.name, run.pipeline, told=bool(run.masked)) != IGNORE


def _wish(s: Services, resource: str, pipeline: str, *, told: bool) -> str:
    return s.playbooks.rule_for(resource, pipeline).masked or (LIST if told else IGNORE)


async def take_due(s: Services) -> int:
    """Looks at runs that went well, a few at once; how many."""
    now = s.clock.now()
    rows = await s.database.write(lambda db: masked.claim_due(db, now, AT_ONCE, now + LEASE, s.worker))
    turns = asyncio.Semaphore(TOGETHER)

    async def one(row: Row) -> None:
        async with turns:
            await _take(s, row)

    ended = await asyncio.gather(*(one(row) for row in rows), return_exceptions=True)
    for row, error in zip(rows, ended, strict=True):
        if isinstance(error, Exception):
            log.error("a look at a run that went well stumbled", exc_info=error, extra={"run_id": row.run_id})
            if not transient(error):  # else it is due again when the lease ends
                await _not_yet(s, row, f"{type(error).__name__}: {error}")
    return len(rows)


async def _take(s: Services, row: Row) -> None:
    platform = s.platforms.get(row.platform)
    if not isinstance(platform, FindsMasked):
        await s.database.write(lambda db: masked.settle(db, row, state=masked.CLEAN))
        return
    try:
        async with asyncio.timeout(READ_SECONDS):
            run = await platform.run(RunRef(row.platform, row.resource, row.run_id))
            faults = await platform.masked(run) if run is not None and run.status is RunStatus.SUCCEEDED else ()
    except (OutsideError, TimeoutError) as error:
        await _not_yet(s, row, str(error) or "no answer in time")
        return
    if run is None or not (faults or run.masked):
        await s.database.write(lambda db: masked.settle(db, row, state=masked.CLEAN))
        return
    failure = Failure(
        platform=row.platform,
        pipeline=run.pipeline,
        run_id=row.run_id,
        faults=tuple(faults),
        message=run.message,
        ended_at=run.ended_at,
    )
    await s.database.write(partial(_found, s, row, run, failure, await diagnosed(s, failure)))
    s.wake.set()


def _found(s: Services, row: Row, run: Run, failure: Failure, diagnosis: Diagnosis, db: sa.Connection) -> None:
    """Keeps what failed; where a rule wants it, in a ticket of its own, unless the run has one already."""
    known = tickets.known_run(db, run.ref)
    ticket_id = known.ticket_id if known else None
    activities = _told(failure.faults) or [{"activity": "", "code": "", "message": scrub(run.message)[:MESSAGE]}]
    if not masked.settle(db, row, state=masked.FOUND, activities=activities, ticket_id=ticket_id):
        return
    if ticket_id is not None or _wish(s, row.display_resource, run.pipeline, told=bool(run.masked)) != TICKET:
        return
    opening = Opening(
        ref=run.ref,
        pipeline=run.pipeline,
        resource=s.connection(run.ref.platform, run.ref.resource),
        failure=failure,
        diagnosis=diagnosis,
        run=run,
        failed_at=run.ended_at,
        masked=True,
    )
    masked.name_ticket(db, row, open_ticket(db, s, opening, s.clock.now()))


def _told(faults: Sequence[Fault]) -> list[dict[str, str]]:
    return [{"activity": f.activity, "code": f.code, "message": scrub(f.message)[:MESSAGE]} for f in faults[:MOST]]


async def _not_yet(s: Services, row: Row, why: str) -> None:
    """Asked again, each time later. In the end it is shown that nobody could look."""
    log.warning("a run that went well cannot be looked at", extra={"run_id": row.run_id, "error": why})
    if row.stumbles + 1 >= TRIES:
        told = [{"activity": "", "code": "", "message": f"nobody could look at it: {scrub(why)[:MESSAGE]}"}]
        await s.database.write(lambda db: masked.settle(db, row, state=masked.UNREAD, activities=told))
        return
    again = s.clock.now() + min(timedelta(minutes=1) * 2**row.stumbles, SLOWEST)
    await s.database.write(lambda db: masked.settle(db, row, due_at=again, stumbles=row.stumbles + 1))
