"""Commands that go through the API of a running server."""

from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from pipemend.core.errors import NotAllowed, NotFound, OutsideError, SettingsError, Unreachable

TIMEOUT = httpx.Timeout(15, connect=5)


def call(url: str, token: str, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """The answer as JSON. Raises with the server's own words."""
    if not url.startswith(("http://", "https://")):
        raise SettingsError(f"PIPEMEND_URL, --url: '{url}' must begin with http:// or https://")
    try:
        answer = httpx.request(
            method,
            f"{url.rstrip('/')}{path}",
            json=body,
            headers={"Authorization": f"Bearer {token}"},
            timeout=TIMEOUT,
        )
    except httpx.HTTPError as error:
        raise Unreachable(f"no answer from {url} ({type(error).__name__}); is the server running?") from None
    if answer.is_success:
        return answer.json()
    words = _words(answer)
    if answer.status_code == 404:
        raise NotFound(words)
    if answer.status_code == 401:
        raise NotAllowed("the server does not know this token: see PIPEMEND_TOKEN, --token", status=401)
    if answer.status_code == 403:
        raise NotAllowed(words, status=403)
    raise OutsideError(words, transient=answer.status_code >= 500, status=answer.status_code)


def _words(answer: httpx.Response) -> str:
    try:
        body = answer.json()
        return str(body.get("detail") or body.get("title") or answer.status_code)
    except (ValueError, AttributeError):
        return f"the server answered {answer.status_code}"


def list_deliveries(url: str, token: str) -> None:
    table = Table("ID", "Door", "Received", "Times", "Outcome", "Tickets", "Why")
    for row in call(url, token, "GET", "/api/deliveries")["deliveries"]:
        table.add_row(
            *(str(row[name]) for name in ("id", "door", "received_at", "count", "outcome")),
            "\n".join(sorted({a["ticket_id"] for a in row["alerts"] if a["ticket_id"]})),
            row.get("reason") or "",
        )
    Console().print(table)


def replay(url: str, token: str, delivery_id: int) -> None:
    answer = call(url, token, "POST", f"/api/deliveries/{delivery_id}/replay")
    print(f"Delivery {delivery_id} was read again as delivery {answer['delivery']}: {answer['accepted']} alert(s).")
