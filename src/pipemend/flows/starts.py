"""Which waiting attempts may start: as many as there is room for, the longest due first. The others are told why."""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

import sqlalchemy as sa

from pipemend.core.attempt import RERUN, Attempt, AttemptStatus
from pipemend.core.errors import Overtaken
from pipemend.core.situation import Crowd
from pipemend.flows.decision import Grounds
from pipemend.flows.remediation import judged
from pipemend.flows.services import Services
from pipemend.store import attempts, tickets

log = logging.getLogger(__name__)
AT_ONCE, MINUTE, FOR_ROOM = 100, timedelta(minutes=1), timedelta(seconds=5)


def claim(db: sa.Connection, s: Services, now: datetime) -> int:
    """Begins the flows of attempts; how many. The budgets are for all workers together."""
    attempts.one_by_one(db, "starts")
    busy, most_here = Counter(attempts.in_flight_by_resource(db)), s.policy.max_in_flight_per_connection
    full = [resource for resource, number in busy.items() if most_here is not None and number >= most_here]
    room = min(s.policy.max_in_flight - busy.total(), s.policy.starts_per_minute - _started(db, now), AT_ONCE)
    begun = 0
    for attempt in attempts.due_to_start(db, now, max(room, 0), full):
        if most_here is None or busy[attempt.resource] < most_here:
            with contextlib.suppress(Overtaken):
                begin_flow(db, s, attempt, "attempt")
                busy[attempt.resource] += 1
                begun += 1
    return begun


def proceed(db: sa.Connection, s: Services, attempt: Attempt, now: datetime) -> int:
    """Begins the next stage of an attempt, 1, or puts it off, 0: one that has waited for others while nothing of it ran
    needs room for its rerun."""
    if attempt.remediation_action == "check_upstream" and attempt.stage == RERUN:
        crowd = _crowd(db, s, attempt.resource, now)
        if crowd.full:
            why = "what it waited for went well; it waits for room among the repairs under way"
            later = attempt.deadline and attempt.deadline + FOR_ROOM  # it is ready: others are first
            attempts.touch(db, attempt, due_at=now + FOR_ROOM, deadline=later, failure_reason=why)
            return 0
    begin_flow(db, s, attempt, "proceed")
    return 1


def begin_flow(db: sa.Connection, s: Services, attempt: Attempt, flow: str) -> None:
    """The flow holds the attempt from now on, and not its due time."""
    attempt = attempts.touch(db, attempt, due_at=None, owner=None)
    s.engine.begin(db, flow, f"{attempt.key}:{flow}:r{attempt.revision}", attempt.key, attempt.revision)


async def tell(s: Services, waiting: Sequence[Attempt]) -> int:
    """Writes on their tickets, once, why these wait though they are due; how many."""
    units = [s.database.write(partial(_tell, s, attempt)) for attempt in waiting]
    told = await asyncio.gather(*units, return_exceptions=True)
    for attempt, said in zip(waiting, told, strict=True):
        if isinstance(said, BaseException):
            log.warning("nobody was told why an attempt waits", exc_info=said, extra={"attempt": attempt.key})
    return sum(said is True for said in told)


def _tell(s: Services, was: Attempt, db: sa.Connection) -> bool:
    now = s.clock.now()
    ticket = tickets.lock(db, was.ticket_id)
    attempt = attempts.get(db, was.key)
    if attempt.revision != was.revision or attempt.status is not AttemptStatus.WAITING or ticket.closed:
        return False
    crowd = _crowd(db, s, attempt.resource, now)
    if not crowd.full:
        return False
    judged(db, s, ticket, attempt, Grounds(error_type=attempt.error_type, possible=True), now, crowd=crowd)
    return True


def _crowd(db: sa.Connection, s: Services, resource: str, now: datetime) -> Crowd:
    busy = Counter(attempts.in_flight_by_resource(db))
    return Crowd(
        in_flight=busy.total(),
        most_in_flight=s.policy.max_in_flight,
        here=busy[resource],
        most_here=s.policy.max_in_flight_per_connection,
        started=_started(db, now),
        most_started=s.policy.starts_per_minute,
    )


def _started(db: sa.Connection, now: datetime) -> int:
    return attempts.started_since(db, now - MINUTE)
