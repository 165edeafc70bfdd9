"""An attempt of several stages goes on: judged again before each of them, and begun by its row. Nothing waits in
memory."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pipemend.core.attempt import Attempt, AttemptStatus, Stage, Unknown
from pipemend.core.clock import stamp
from pipemend.core.guardrails import BEFORE_ITS_RERUN, BETWEEN_STAGES, judge
from pipemend.core.situation import Standing
from pipemend.core.ticket import RECOVERED_USER, Ticket
from pipemend.engine import flow, step
from pipemend.flows import endings
from pipemend.flows.decision import Grounds, situation
from pipemend.flows.remediation import carry_on, deadline, look
from pipemend.flows.services import Services
from pipemend.flows.settling import changed, failed, unclear
from pipemend.store import attempts, tickets


@flow("proceed")
async def proceed_flow(key: str, revision: int) -> None:
    """The next stage of an attempt: see how the work stands, then go on, if nobody objects."""
    await proceed(key, revision, await look(key))


@step("proceed.call")
async def proceed(key: str, revision: int, seen: Mapping[str, Any]) -> None:
    """One stage. The attempt is `starting` on disk before anything leaves us, as with its first call."""
    await carry_on(key, revision, seen, begin)


def begin(
    db: sa.Connection, s: Services, key: str, revision: int, seen: Mapping[str, Any], now: datetime
) -> Attempt | None:
    """Judges and moves the attempt to `starting`; None when its stage is not to begin."""
    ticket = tickets.lock(db, attempts.get(db, key).ticket_id)
    attempt = attempts.get(db, key)
    if attempt.revision != revision:
        return None  # overtaken: somebody else moved it
    if attempt.status is AttemptStatus.STARTING:
        if attempt.prepares:
            return attempt  # a crash lay between: its stage looks before it acts
        unclear(db, s, attempt, Unknown("we stopped while the call was being made"), now)
        return None
    if not attempt.between_stages:
        return None
    if attempt.deadline is not None and now >= attempt.deadline:
        failed(db, s, attempt, f"it was not ready by its deadline{_where(attempt)}", now, final=True)
        return None
    return _judged(db, s, ticket, attempt, seen, now)


def _judged(
    db: sa.Connection, s: Services, ticket: Ticket, attempt: Attempt, seen: Mapping[str, Any], now: datetime
) -> Attempt | None:
    grounds = Grounds(
        error_type=attempt.error_type,
        possible=True,
        standing=Standing(seen["standing"]),
        unreachable=seen["unreachable"],
        edited=seen.get("edited", False),
    )
    if ticket.closed or grounds.standing is Standing.RECOVERED:
        _needless(db, s, ticket, attempt, grounds, now)
        return None
    view = situation(db, s, ticket, grounds, now, starts=True, attempt=attempt)
    starts = Stage(attempt.stage or "").starts
    decision = judge(view, BEFORE_ITS_RERUN if starts else BETWEEN_STAGES)
    if decision.never:
        endings.end_attempt(db, attempt, AttemptStatus.CANCELLED, now, decision.why)
        ticket = tickets.get(db, ticket.id)
        endings.left_to_people(db, s, ticket, decision.why, now, status=endings.repair_so_far(ticket))
        return None
    if decision.until is not None:
        was = attempt.failure_reason
        attempt = attempts.touch(db, attempt, due_at=decision.until, failure_reason=decision.why)
        if was != decision.why:
            changed(db, s, attempt, "in_progress", now, reason=decision.why, due_at=stamp(decision.until))
        return None
    if not starts:
        return attempts.move(db, attempt, AttemptStatus.STARTING)
    whole = now + deadline(db, ticket, view.playbook, view.pipeline)  # getting ready takes nothing off the rerun's time
    return attempts.move(db, attempt, AttemptStatus.STARTING, deadline=whole)


def _needless(
    db: sa.Connection, s: Services, ticket: Ticket, attempt: Attempt, grounds: Grounds, now: datetime
) -> None:
    """The work is done, or a person has closed the ticket: nothing is started any more."""
    why = (
        f"the ticket was closed by {ticket.ack_user}" if ticket.closed else "a later run of the same work has succeeded"
    )
    endings.end_attempt(db, attempt, AttemptStatus.CANCELLED, now, why)
    ticket = tickets.get(db, ticket.id)
    if ticket.closed:
        tickets.move(db, ticket, remediation_status=endings.repair_so_far(ticket))
    else:
        endings.closed_without_us(db, s, ticket, RECOVERED_USER, why, now)


def _where(attempt: Attempt) -> str:
    return f": {attempt.failure_reason}" if attempt.failure_reason else ""
