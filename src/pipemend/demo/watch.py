"""What an outsider sees while the demo runs: tickets by the API, badges on the page, each state it passed through."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import unescape
from typing import Any

import httpx

from pipemend.demo.processes import Stage

ENDED = {"succeeded", "failed", "max_retries_exceeded"}


@dataclass
class Seen:
    """One ticket's way: the states it was seen in, the badges that API and page showed."""

    states: set[tuple[str, str | None]] = field(default_factory=set)
    api_badges: set[str] = field(default_factory=set)
    page_badges: set[str] = field(default_factory=set)
    last: Mapping[str, Any] = field(default_factory=dict)


class Watch:
    """Asks server and twin, as a person with an API token and a browser would."""

    def __init__(self, stage: Stage) -> None:
        headers = {"Authorization": f"Bearer {stage.token}"}
        self.server = httpx.Client(base_url=stage.server, headers=headers, timeout=10, trust_env=False)
        self.browser = httpx.Client(base_url=stage.server, timeout=10, trust_env=False, follow_redirects=True)
        self.twin = httpx.Client(base_url=stage.twin, timeout=10, trust_env=False)
        self.seen: dict[str, Seen] = {}
        self.browser.get(self.sign_in_link())

    def close(self) -> None:
        for client in (self.server, self.browser, self.twin):
            client.close()

    def get(self, path: str, **query: Any) -> Any:
        return self.server.get(path, params=query).raise_for_status().json()

    def asks_twin(self, path: str, **query: Any) -> Any:
        return self.twin.get(path, params=query).raise_for_status().json()

    def sign_in_link(self) -> str:
        return str(self.server.post("/api/sign-in-links").raise_for_status().json()["url"])

    def triggers(self, factory: str, pipeline: str) -> str:
        answer = self.twin.post(f"/twin/pipelines/{factory}/{pipeline}/trigger", json={"by": "schedule"})
        return str(answer.raise_for_status().json()["runId"])

    def look(self) -> Sequence[Mapping[str, Any]]:
        """All tickets as they are now; what was seen is remembered."""
        tickets: Sequence[Mapping[str, Any]] = self.get("/api/tickets", page_size=200, sort="oldest")["tickets"]
        for ticket in tickets:
            seen = self.seen.setdefault(ticket["id"], Seen())
            seen.states.add((ticket["status"], ticket["remediation_status"]))
            seen.last = ticket
            if ticket["badge"]:
                self._look_at_page(ticket, seen)
        return tickets

    def _look_at_page(self, ticket: Mapping[str, Any], seen: Seen) -> None:
        badge = str(ticket["badge"]["text"])
        seen.api_badges.add(badge)
        if badge not in seen.page_badges:
            page = self.browser.get("/dashboard", params={"ticket": ticket["id"]})
            if badge in words(page.text):
                seen.page_badges.add(badge)


def words(html: str) -> str:
    """A page as a person reads it."""
    text = re.sub(r"(?s)<(script|style).*?</\1>|<[^>]+>", " ", html)
    return re.sub(r"\s+", " ", unescape(text))


def ended(ticket: Mapping[str, Any]) -> bool:
    """Whether the machine has said its last word about a ticket."""
    if ticket["status"] == "acknowledged" or ticket["remediation_status"] in ENDED:
        return True
    return ticket["remediation_status"] is None and ticket["decision"].get("answer") == "never"
