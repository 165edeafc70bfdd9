"""Values and rows in the shapes of the API."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pipemend.core.attempt import Attempt
from pipemend.core.badge import badge, tab
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
    return schemas.AttemptOut.model_validate(asdict(value))


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
