"""The explanation: a model says in words what the rules have decided already. Nothing waits for it."""

import asyncio
import logging
from collections.abc import Mapping
from functools import partial
from typing import Any

import sqlalchemy as sa

from pipemend.core.errors import OutsideError
from pipemend.core.events import Explained
from pipemend.core.rca import UNCLASSIFIED, Diagnosis, Failure, Fault, History
from pipemend.core.scrub import scrub
from pipemend.core.ticket import Ticket
from pipemend.engine import flow, step
from pipemend.flows.remediation import surely
from pipemend.flows.services import Services, services
from pipemend.store import attempts, audit, events, tickets

log = logging.getLogger(__name__)
ASK_SECONDS = 30


@flow("explain")
async def explain_flow(ticket_id: str) -> None:
    """Asks the model once and keeps what it says with the ticket."""
    await keep(ticket_id, await ask(ticket_id))


@step("explain.ask", again=False)
async def ask(ticket_id: str) -> Mapping[str, Any] | None:
    """The model's answer, or nothing when it gives none in time."""
    s = services()
    if s.explainer is None:
        return None
    ticket, past = await s.database.read(lambda db: _evidence(db, ticket_id))
    try:
        async with asyncio.timeout(ASK_SECONDS):
            diagnosis = await s.explainer.diagnose(_failure(ticket), past)
    except (OutsideError, TimeoutError) as error:
        log.warning("the model gave no explanation", extra={"ticket_id": ticket_id, "error": str(error)})
        return None
    return _plain(diagnosis)


def _evidence(db: sa.Connection, ticket_id: str) -> tuple[Ticket, History]:
    tried = [f"attempt {a.attempt_number}: {a.status}" for a in attempts.of_ticket(db, ticket_id)]
    return tickets.get(db, ticket_id), History(tuple(tried))


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


def _plain(diagnosis: Diagnosis) -> Mapping[str, Any]:
    return {
        "root_cause": scrub(diagnosis.root_cause),
        "error_type": diagnosis.error_type,
        "affected_entity": diagnosis.affected_entity,
        "recommendations": [scrub(text) for text in diagnosis.recommendations],
        "confidence": diagnosis.confidence_word,
        "by": diagnosis.by,
        "details": dict(diagnosis.details),
    }


@step("explain.keep", again=True)
async def keep(ticket_id: str, said: Mapping[str, Any] | None) -> None:
    """The explanation replaces the rules' sentence; type, severity and decision stay the rules'.

    So do the next steps where the rules know the error: theirs are tested and say where they come from.
    """
    s = services()
    if said is not None:
        await surely(s, partial(_keep, s, ticket_id, said))
        s.wake.set()


def _keep(s: Services, ticket_id: str, said: Mapping[str, Any], db: sa.Connection) -> None:
    ticket = tickets.lock(db, ticket_id)
    if ticket.rca.get("model"):
        return  # kept before a crash
    now = s.clock.now()
    changes: dict[str, Any] = {
        "rca_result": said["root_cause"],
        "rca": {**ticket.rca, "model": dict(said), "rules_say": ticket.rca_result},
    }
    if ticket.error_type == UNCLASSIFIED:
        changes |= {"confidence": said["confidence"], "recommendations": list(said["recommendations"])}
    tickets.move(db, ticket, **changes)
    audit.write(db, "explained", at=now, user=said["by"], ticket=ticket, details={"error_type": said["error_type"]})
    events.record(db, Explained(ticket_id=ticket_id, by=said["by"]), now, s.notifiers)
