"""The list of tickets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Request
from fastapi import Query as InQuery
from pydantic import Field
from starlette.responses import RedirectResponse, Response

from pipemend.core.badge import TAB_NAMES, Badge, Tab, badge, tab
from pipemend.core.ticket import Ticket
from pipemend.store import reports
from pipemend.web import asked
from pipemend.web.api import view_of
from pipemend.web.auth import Served, Viewer
from pipemend.web.pages import ticket as ticket_page
from pipemend.web.pages.addresses import address, pages_of
from pipemend.web.pages.rendering import frame_in, show

HOME = "/dashboard"
CHOICES = ("severity", "error_type", "team", "connection", "platform")
SORTS = {"newest": "Newest first", "oldest": "Oldest first", "severity": "Most severe first", "pipeline": "By pipeline"}
LOOK_AGAIN = timedelta(seconds=30)
router = APIRouter()


class DashboardQuery(asked.TicketQuery):
    """The view is the address."""

    ticket: asked.Words | None = None
    page_size: int = Field(50, ge=10, le=200)


@dataclass(frozen=True, slots=True)
class Row:
    """A ticket as the list shows it."""

    ticket: Ticket
    badge: Badge | None
    tab: Tab
    state: str
    attempts: int
    limit: int | None


@dataclass(frozen=True, slots=True)
class TabLink:
    name: str
    key: str
    count: int
    address: str
    chosen: bool


class Choices:
    """Which values there are to filter by. Asked at most twice a minute: over many tickets that takes a while."""

    def __init__(self) -> None:
        self.known: Mapping[str, Sequence[str]] = {}
        self.asked: datetime | None = None

    def of(self, db: sa.Connection, now: datetime) -> Mapping[str, Sequence[str]]:
        if self.asked is None or not timedelta(0) <= now - self.asked < LOOK_AGAIN:
            self.known, self.asked = reports.choices(db, CHOICES), now
        return self.known


@router.get("/")
async def home() -> Response:
    """Whoever comes with the bare address wants the dashboard."""
    return RedirectResponse("/dashboard", 307)


@router.get("/dashboard")
async def dashboard(
    request: Request, services: Served, user: Viewer, query: Annotated[DashboardQuery, InQuery()]
) -> Response:
    """Tickets under a filter; with `ticket` the story of one."""
    if query.ticket:
        return await ticket_page.story(request, services, user, query.ticket)
    choices: Choices = request.app.state.choices

    def ask(db: sa.Connection) -> Response:
        frame = frame_in(db, services, user)
        found = reports.listing(db, view_of(query))
        return show(
            request,
            "tickets.html",
            frame,
            query=query,
            rows=[row_of(ticket) for ticket in found.tickets],
            total=found.total,
            tabs=tabs_of(query, found.counts),
            choices=choices.of(db, frame.now),
            sorts=SORTS,
            pages=pages_of(HOME, query, found.total),
            filtered=bool(query.q or any(getattr(query, name) for name in (*CHOICES, "pipeline"))),
            connections=len(services.connections),
        )

    return await services.database.read(ask)


def row_of(ticket: Ticket) -> Row:
    where = tab(ticket)
    limit = max(ticket.max_attempts or 0, ticket.remediation_attempts) or None
    return Row(ticket, badge(ticket), where, TAB_NAMES[where], ticket.remediation_attempts, limit)


def tabs_of(query: DashboardQuery, counts: Mapping[str, int]) -> list[TabLink]:
    every = TabLink("All", "", sum(counts.values()), address(HOME, query, tab=None, page=1), query.tab is None)
    return [every] + [
        TabLink(name, str(key), counts[str(key)], address(HOME, query, tab=key, page=1), query.tab is key)
        for key, name in TAB_NAMES.items()
    ]
