"""Values and rows in the shapes of the API."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pipemend.core.attempt import Attempt
from pipemend.core.badge import badge, tab
from pipemend.core.handover import Line
from pipemend.core.links import run_page
from pipemend.core.playbook import Playbooks
from pipemend.core.rca import Remediable
from pipemend.core.scrub import cut, scrub
from pipemend.core.ticket import Ticket
from pipemend.web import schemas

# A list of tickets leaves the rest of a long error text to the ticket itself.
LISTED_ERROR = 2000


def ticket(value: Ticket) -> schemas.TicketOut:
    shown = badge(value)
    where = "merged" if value.merged_into else str(tab(value))
    return schemas.TicketOut.model_validate({**asdict(value), "badge": shown and asdict(shown), "tab": where})


def listed(value: Ticket) -> schemas.TicketOut:
    whole = ticket(value)
    text = whole.error_message
    return whole.model_copy(update={"error_message": text and cut(text, LISTED_ERROR)})


def attempt(value: Attempt) -> schemas.AttemptOut:
    shown = {name: column for name, column in asdict(value).items() if name != "later_url"}
    return schemas.AttemptOut.model_validate({**shown, "awaits": value.awaits})


def try_of(ticket: Ticket, value: Attempt) -> schemas.AttemptWhole:
    """An attempt with the page of its rerun."""
    link = run_page(ticket, value.remediation_run_id)
    return schemas.AttemptWhole.model_validate({**attempt(value).model_dump(), "link": link})


def whole(value: Ticket, tried: Sequence[Attempt], handover: Sequence[Line] | None) -> schemas.TicketWhole:
    """The ticket with what its repair waits for, and what a person needs to know whose turn it is."""
    return schemas.TicketWhole.model_validate(
        {
            **ticket(value).model_dump(),
            "awaits": next((attempt.awaits for attempt in tried if attempt.awaits), None),
            "rerun_link": run_page(value, value.remediation_run_id),
            "handover": None if handover is None else [asdict(line) for line in handover],
        }
    )


def label(row: Any, playbooks: Playbooks) -> schemas.Label:
    """A correction as a labelled message; the action is that of the playbook in force."""
    book = playbooks.find(row.error_type, row.platform) if row.remediable != Remediable.NO else None
    faults = row.rca.get("faults") or [{}]
    return schemas.Label(
        id=row.ticket_id,
        platform=row.platform,
        source=f"corrected by {row.by}",
        source_key=row.fingerprint,
        message=row.error_message or "",
        error_code=row.error_code,
        context=faults[0].get("activity_type") or None,
        error_type=row.error_type,
        also_accept=[],
        remediable=row.remediable,
        action=book.action if book else "none",
        severity=row.severity.lower(),
        rationale=row.note or "",
    )


def alert(row: Any) -> schemas.AlertOut:
    known = {name: row._mapping[name] for name in schemas.AlertOut.model_fields}
    return schemas.AlertOut.model_validate({**known, "error_message": scrub(cut(row.error_message, 500))})


def delivery(row: Any, alerts: Sequence[Any]) -> dict[str, Any]:
    known: Mapping[str, Any] = row._mapping
    fields = schemas.DeliveryOut.model_fields.keys() - {"alerts", "size"}
    return {**{name: known[name] for name in fields}, "size": len(row.body), "alerts": [alert(a) for a in alerts]}


def row_of(kind: type[schemas.Answer], row: Any) -> dict[str, Any]:
    """The columns of a row that an answer has."""
    return {name: row._mapping[name] for name in kind.model_fields if name in row._mapping}
