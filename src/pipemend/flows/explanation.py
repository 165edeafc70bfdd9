"""The explanation: a model says in words what the rules have decided already. Nothing waits for it.

The same failure is asked about once: an answer serves every ticket with its fingerprint, and while one is awaited
nobody asks again. Questions are limited per hour, and after three failures in a row the model is left alone a while.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import sqlalchemy as sa

from pipemend.core.errors import OutsideError
from pipemend.core.events import Explained
from pipemend.core.rca import UNCLASSIFIED, Diagnosis, Failure, Fault, History
from pipemend.core.scrub import scrub
from pipemend.core.ticket import Ticket
from pipemend.engine import flow, step
from pipemend.flows.saving import surely
from pipemend.flows.services import Services, services
from pipemend.store import attempts, audit, events, questions, tickets

log = logging.getLogger(__name__)
ASK_SECONDS = 30
FRESH = timedelta(days=7)  # so long an answer about the same failure is used again
AWAITED = timedelta(seconds=2 * ASK_SECONDS)  # so long somebody else's question is waited for
FAILURES, PAUSE = 3, timedelta(minutes=5)
SPREAD, AT_ONCE = timedelta(hours=1), 50
MOST = 1000

Said = Mapping[str, Any]


@flow("explain")
async def explain_flow(ticket_id: str) -> None:
    """Asks the model once and keeps what it says with the ticket."""
    await keep(ticket_id, await ask(ticket_id))


@step("explain.ask", again=False)
async def ask(ticket_id: str) -> Said | None:
    """The model's answer, one that is known already, or nothing when it gives none in time."""
    s = services()
    if s.explainer is None:
        return None
    turn = await s.database.write(partial(_turn, s, ticket_id))
    if not isinstance(turn, int):
        return turn
    ticket, past = await s.database.read(lambda db: _evidence(db, ticket_id))
    try:
        async with asyncio.timeout(ASK_SECONDS):
            diagnosis = await s.explainer.diagnose(_failure(ticket), past)
    except (OutsideError, TimeoutError) as error:
        why = str(error) or "no answer in time"
        log.warning("the model gave no explanation", extra={"ticket_id": ticket_id, "error": why})
        await s.database.write(lambda db: questions.end(db, turn, questions.FAILED, s.clock.now(), error=why[:500]))
        return None
    return {**_plain(diagnosis), "question": turn}


def _turn(s: Services, ticket_id: str, db: sa.Connection) -> int | Said | None:
    """The number of the question to ask now; or what is known; or nothing, when it is not the time to ask."""
    attempts.one_by_one(db, "questions")
    now = s.clock.now()
    ticket = tickets.get(db, ticket_id)
    if ticket.fingerprint:
        if known := questions.answered(db, ticket.fingerprint, now - FRESH):
            return {**known.answer, "of_ticket": known.ticket_id}
        awaited = questions.asking(db, ticket.fingerprint, now - AWAITED)
        if awaited and awaited.ticket_id != ticket_id:
            return None  # its answer will be for this ticket too
    if questions.last_ended(db, now - PAUSE, FAILURES) == [questions.FAILED] * FAILURES:
        log.warning("the model is not asked: it failed three times in a row", extra={"ticket_id": ticket_id})
        return None
    if questions.asked_since(db, now - timedelta(hours=1)) >= s.policy.questions_per_hour:
        log.warning("the model is not asked: MODEL_QUESTIONS_PER_HOUR is used up", extra={"ticket_id": ticket_id})
        return None
    return questions.begin(db, ticket_id, ticket.fingerprint, now)


def _evidence(db: sa.Connection, ticket_id: str) -> tuple[Ticket, History]:
    ticket = tickets.get(db, ticket_id)
    tried = [
        f"attempt {a.attempt_number}: {a.status} {a.failure_reason or ''}" for a in attempts.of_ticket(db, ticket_id)
    ]
    return ticket, History(tuple(tried), (ticket.rca.get("before") or {}).get("sentence", ""))


def _failure(ticket: Ticket) -> Failure:
    faults = tuple(
        Fault(f["activity"], f["activity_type"], f["code"], f["message"], f["failure_type"])
        for f in ticket.rca.get("faults", ())
    )
    return Failure(
        platform=ticket.platform,
        pipeline=ticket.pipeline,
        run_id=ticket.run_id,
        faults=faults,
        message=ticket.error_message or "",
        ended_at=ticket.run_ended_at,
    )


ASKED = ("prompt", "answer", "tokens", "cost")


def _plain(diagnosis: Diagnosis) -> Said:
    """The answer as JSON; what it took to get it stands apart."""
    return {
        "root_cause": scrub(diagnosis.root_cause),
        "error_type": diagnosis.error_type,
        "affected_entity": diagnosis.affected_entity,
        "recommendations": [scrub(text) for text in diagnosis.recommendations],
        "confidence": diagnosis.confidence_word,
        "by": diagnosis.by,
        "details": {name: value for name, value in diagnosis.details.items() if name not in ASKED},
        "asked": {name: diagnosis.details.get(name) for name in ASKED},
    }


@step("explain.keep", again=True)
async def keep(ticket_id: str, said: Said | None) -> None:
    """The explanation replaces the rules' sentence; type, severity and decision stay the rules'.

    So do the next steps where the rules know the error: theirs are tested and say where they come from.
    """
    s = services()
    if said is None:
        return
    others = await surely(s, partial(_keep, s, ticket_id, said))
    for start in range(0, len(others), AT_ONCE):
        await surely(s, partial(_spread, s, others[start : start + AT_ONCE], {**said, "of_ticket": ticket_id}))
    s.wake.set()


def _keep(s: Services, ticket_id: str, said: Said, db: sa.Connection) -> Sequence[str]:
    """Keeps question and answer; the tickets that wait for this answer too."""
    now = s.clock.now()
    _explain(s, tickets.lock(db, ticket_id), said, db)
    if "question" not in said:
        return ()
    asked = said.get("asked") or {}
    read, written = asked.get("tokens") or (None, None)
    kept = {name: value for name, value in said.items() if name not in ("asked", "question")}
    questions.end(
        db,
        said["question"],
        questions.ANSWERED,
        now,
        model=(said.get("details") or {}).get("model"),
        prompt=asked.get("prompt"),
        answer={**kept, "raw": asked.get("answer")},
        tokens_read=read,
        tokens_written=written,
        cost=asked.get("cost"),
    )
    fingerprint = tickets.get(db, ticket_id).fingerprint
    if not fingerprint:
        return ()
    found = questions.waiting(db, fingerprint, now - SPREAD, MOST)
    return [other.id for other in found if not (other.closed or other.rca.get("model"))]


def _spread(s: Services, ticket_ids: Sequence[str], said: Said, db: sa.Connection) -> None:
    for ticket_id in sorted(ticket_ids):
        ticket = tickets.lock(db, ticket_id)
        if not ticket.closed:
            _explain(s, ticket, said, db)


def _explain(s: Services, ticket: Ticket, said: Said, db: sa.Connection) -> None:
    if ticket.rca.get("model"):
        return  # kept before a crash
    now = s.clock.now()
    model = {name: value for name, value in said.items() if name not in ("asked", "question", "raw")}
    changes: dict[str, Any] = {
        "rca_result": said["root_cause"],
        "rca": {**ticket.rca, "model": model, "rules_say": ticket.rca_result},
    }
    if ticket.error_type == UNCLASSIFIED:
        changes |= {"confidence": said["confidence"], "recommendations": list(said["recommendations"])}
    tickets.move(db, ticket, **changes)
    audit.write(db, "explained", at=now, user=said["by"], ticket=ticket, details={"error_type": said["error_type"]})
    events.record(db, Explained(ticket_id=ticket.id, by=said["by"]), now, s.notifiers)
