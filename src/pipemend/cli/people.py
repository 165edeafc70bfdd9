"""What people ask of one ticket, through the API of a running server."""

from typing import Any
from urllib.parse import quote

from pipemend.cli.remote import call


def ask(url: str, token: str, ticket_id: str, word: str, body: dict[str, Any] | None = None) -> None:
    """Asks, and says how the ticket stands then. Raises with the server's own words."""
    told = call(url, token, "POST", f"/api/tickets/{quote(ticket_id, safe='')}/{word}", body)
    badge = f", {told['badge']['text']}" if told["badge"] else ""
    print(f"{told['id']} ({told['pipeline']}): {told['status'].replace('_', ' ')}{badge}")
