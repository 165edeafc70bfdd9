"""Upkeep, each minute: what nobody holds is taken up, people hear of an SLA that is over, what is old is deleted."""

import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial

import sqlalchemy as sa

from pipemend.core.attempt import Attempt
from pipemend.core.events import SlaBreached
from pipemend.core.sla import SlaStatus
from pipemend.core.ticket import AI_USER
from pipemend.flows.giving_back import give_back
from pipemend.flows.services import Services
from pipemend.flows.settling import stumbled
from pipemend.store import access, attempts, audit, events, leases, masked, retention, tickets

log = logging.getLogger(__name__)
AT_ONCE, DELETED_AT_ONCE = 500, 1000
KEEP_FLOWS = timedelta(days=7)


async def look_after(s: Services) -> None:
    """One round. What goes wrong in one part keeps no other from its turn; the first error is raised in the end."""
    wrong = [error for part in (_wake_orphans, _tell_breaches, give_back, _forget) if (error := await _tried(part, s))]
    if wrong:
        raise wrong[0]


async def _tried(part: Callable[[Services], Awaitable[object]], s: Services) -> Exception | None:
    try:
        await part(s)
    except Exception as error:
        log.exception("a part of upkeep stumbled", extra={"part": part.__name__})
        return error
    return None


async def take_over(s: Services) -> None:
    """What a worker that has fallen silent held is due at once. A file has one worker: nothing to take over."""
    if s.database.several and s.engine.trusts_silence():
        now = s.clock.now()
        if count := await s.database.write(lambda db: leases.release_silent(db, now)):
            log.warning("took over from a silent worker", extra={"rows": count})
            s.wake.set()


async def _wake_orphans(s: Services) -> None:
    """Attempts without a due time and without a living flow are made due; at the third stumble people are told."""
    held = await s.database.read(lambda db: attempts.orphans(db, AT_ONCE))
    living = await s.engine.living([key for attempt in held for key in flows_of(attempt)])
    for attempt in held:
        if not living & set(flows_of(attempt)):
            log.warning("an attempt had lost its flow", extra={"attempt": attempt.key})
            await s.database.write(partial(_stumble, s, attempt))
    if held:
        s.wake.set()


async def _tell_breaches(s: Services) -> None:
    """Tickets that are still open when their time is over: each is said once."""
    now = s.clock.now()
    over = await s.database.read(lambda db: tickets.past_sla(db, now, AT_ONCE))
    for ticket_id in over:
        await s.database.write(partial(_breached, s, ticket_id))
    if over:
        s.wake.set()


def _breached(s: Services, ticket_id: str, db: sa.Connection) -> None:
    ticket = tickets.lock(db, ticket_id)
    if ticket.closed or ticket.sla_status != SlaStatus.PENDING:
        return
    now = s.clock.now()
    tickets.fill(db, ticket.id, sla_status=SlaStatus.BREACHED)
    audit.write(
        db,
        "sla_breached",
        at=now,
        user=AI_USER,
        ticket=ticket,
        time_taken_seconds=int((now - ticket.timestamp).total_seconds()),
        sla_status=SlaStatus.BREACHED,
        details={"sla_seconds": ticket.sla_seconds},
    )
    events.record(db, SlaBreached(ticket_id=ticket.id, sla_seconds=ticket.sla_seconds), now, s.notifiers)


async def _forget(s: Services) -> None:
    """Some of what is older than it has to be kept; the next round goes on. Alerts go before their deliveries."""
    now = s.clock.now()
    before = now - s.policy.retention
    forgets = (
        retention.forget_alerts,
        retention.forget_deliveries,
        retention.forget_events,
        retention.forget_questions,
    )
    for forget in forgets:
        await s.database.write(partial(forget, before=before, limit=DELETED_AT_ONCE))
    await s.database.write(lambda db: masked.forget(db, before, now, DELETED_AT_ONCE))
    await s.database.write(lambda db: access.forget_expired(db, now))
    await s.engine.forget(now - KEEP_FLOWS)


def flows_of(attempt: Attempt) -> tuple[str, ...]:
    """The flows that may hold an attempt at its present revision."""
    return tuple(f"{attempt.key}:{name}:r{attempt.revision}" for name in ("attempt", "proceed", "conclude"))


def _stumble(s: Services, was: Attempt, db: sa.Connection) -> None:
    tickets.lock(db, was.ticket_id)
    attempt = attempts.get(db, was.key)
    if attempt.revision != was.revision or attempt.due_at is not None:
        return
    stumbled(db, s, attempt, "its flow was lost; the log says why", s.clock.now())
