"""A person says what an error really was: kept, shown, and exported. It starts nothing; a `no` ends the automation."""

import sqlalchemy as sa

from pipemend.core.commands import Correct
from pipemend.core.events import Explained
from pipemend.core.rca import Remediable
from pipemend.core.ticket import Ticket
from pipemend.flows import endings
from pipemend.flows.services import Services
from pipemend.store import audit, corrections, events, tickets


def correct(db: sa.Connection, s: Services, command: Correct) -> Ticket:
    """The ticket carries the person's word from now on. Where no rerun can heal it, the automation steps back."""
    now = s.clock.now()
    ticket = tickets.lock(db, command.ticket_id)
    corrections.add(db, ticket, command, now)
    told = {
        "error_type": command.error_type,
        "remediable": command.remediable,
        "by": command.by,
        "note": command.note,
        "said": ticket.error_type,
    }
    ticket = tickets.move(db, ticket, error_type=command.error_type, rca={**ticket.rca, "corrected": told})
    details = {name: told[name] for name in ("error_type", "remediable", "note", "said")}
    audit.write(db, "diagnosis_corrected", at=now, user=command.by, ticket=ticket, details=details)
    events.record(db, Explained(ticket_id=ticket.id, by=command.by), now, s.notifiers)
    if command.remediable != Remediable.NO or ticket.closed or ticket.hands_off:
        return ticket
    reason = f"{command.by} says that no rerun can heal it: {command.error_type}"
    return endings.step_back(db, s, ticket, command.by, reason, now)
