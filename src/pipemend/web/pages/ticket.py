"""The story of one ticket, and the commands that people give there."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import quote

import sqlalchemy as sa
from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from pipemend.core.attempt import Attempt, AttemptStatus
from pipemend.core.badge import TAB_NAMES, badge, tab
from pipemend.core.commands import Acknowledge, Approve, Command, Escalate, Reject, Reopen, Retry, Stop
from pipemend.core.errors import Stale
from pipemend.core.links import run_page, web_link
from pipemend.core.playbook import ERROR_TYPES
from pipemend.core.rca import UNCLASSIFIED
from pipemend.core.ticket import Approval, RemediationStatus, Ticket
from pipemend.flows import commands, handover
from pipemend.flows.services import Services
from pipemend.store import attempts, audit, storms, tickets
from pipemend.web.asked import ApproveIn, CorrectIn, EscalateIn, RejectIn, ReopenIn, TicketId
from pipemend.web.auth import Operator, Served, User
from pipemend.web.pages.rendering import frame_in, show

router = APIRouter(prefix="/dashboard/tickets")
TONES = {
    AttemptStatus.SUCCEEDED: "healed",
    AttemptStatus.FAILED: "escalated",
    AttemptStatus.TIMED_OUT: "escalated",
    AttemptStatus.CANCELLED: "quiet",
}
SAID = {
    AttemptStatus.WAITING: "Waiting",
    AttemptStatus.STARTING: "Starting",
    AttemptStatus.UNKNOWN: "Looking for its run",
    AttemptStatus.IN_PROGRESS: "Running",
    AttemptStatus.SUCCEEDED: "Succeeded",
    AttemptStatus.FAILED: "Failed",
    AttemptStatus.CANCELLED: "Cancelled",
    AttemptStatus.TIMED_OUT: "Timed out",
}
QUIET = (RemediationStatus.IN_PROGRESS, RemediationStatus.SUCCEEDED)
ANSWERS = {
    "try": ("Repair automatically", "healing"),
    "ask": ("Needs approval", "approval"),
    "not yet": ("Not yet", "approval"),
    "never": ("No automatic repair", "quiet"),
}


@dataclass(frozen=True, slots=True)
class Try:
    """An attempt as the page tells it."""

    attempt: Attempt
    said: str
    tone: str
    link: str | None
    waited: float


@dataclass(frozen=True, slots=True)
class Allowed:
    """Which buttons the reader gets."""

    acknowledge: bool
    retry: bool
    stop: bool
    correct: bool
    answer: bool  # yes or no to what is proposed
    escalate: bool
    reopen: bool


async def story(
    request: Request, services: Services, user: User, ticket_id: str, status: int = 200, notice: str = ""
) -> Response:
    """What broke and why, what was decided, what was tried, who did what. Raises NotFound."""
    settings = request.app.state.settings

    def ask(db: sa.Connection) -> Response:
        frame = frame_in(db, services, user)
        ticket = tickets.get(db, ticket_id)
        tried = attempts.of_ticket(db, ticket_id)
        where = tab(ticket)
        return show(
            request,
            "ticket.html",
            frame,
            status,
            ticket=ticket,
            storm=storms.get(db, ticket.storm_id) if ticket.storm_id else None,
            badge=badge(ticket),
            tab=where,
            state=TAB_NAMES[where],
            tries=[_try(ticket, attempt) for attempt in reversed(tried)],
            runs=_runs(tickets.runs_of(db, ticket_id), ticket),
            trail=audit.page(db, audit.Wanted(ticket_id=ticket_id), limit=100)[1],
            answer=ANSWERS.get(str(ticket.decision.get("answer", "")), ("Not decided yet", "quiet")),
            allowed=_allowed(user, ticket, tried, no_retry := commands.retry_refused(services, ticket)),
            no_retry=no_retry,
            issue=_issue(settings.jira_domain, ticket.itsm_ticket_id),
            rerun_link=run_page(ticket, ticket.remediation_run_id),
            needs=_needs(ticket, tried),
            handover=handover.due(db, services, ticket, tried, frame.now),
            notice=notice,
            error_types=sorted({*ERROR_TYPES, UNCLASSIFIED}),
        )

    return await services.database.read(ask)


@router.post("/{ticket_id}/correct")
async def correct(
    request: Request, services: Served, user: Operator, ticket_id: TicketId, form: Annotated[CorrectIn, Form()]
) -> Response:
    """The person's word on what the error really was."""
    await commands.carry_out(services, form.command(user.name, ticket_id))
    return RedirectResponse(f"/dashboard?ticket={quote(ticket_id, safe='')}", 303)


@router.post("/{ticket_id}/approve")
async def approve(
    request: Request, services: Served, user: Operator, ticket_id: TicketId, form: Annotated[ApproveIn, Form()]
) -> Response:
    """Yes to what the page shows."""
    wish = Approve(by=user.name, ticket_id=ticket_id, proposal=form.proposal)
    return await _carry_out(request, services, user, ticket_id, wish)


@router.post("/{ticket_id}/reject")
async def reject(
    request: Request, services: Served, user: Operator, ticket_id: TicketId, form: Annotated[RejectIn, Form()]
) -> Response:
    """No to what the page shows."""
    wish = Reject(by=user.name, ticket_id=ticket_id, proposal=form.proposal, reason=form.reason)
    return await _carry_out(request, services, user, ticket_id, wish)


@router.post("/{ticket_id}/escalate")
async def escalate(
    request: Request, services: Served, user: Operator, ticket_id: TicketId, form: Annotated[EscalateIn, Form()]
) -> Response:
    """Hands it over to people."""
    wish = Escalate(by=user.name, ticket_id=ticket_id, reason=form.reason)
    return await _carry_out(request, services, user, ticket_id, wish)


@router.post("/{ticket_id}/reopen")
async def reopen(
    request: Request, services: Served, user: Operator, ticket_id: TicketId, form: Annotated[ReopenIn, Form()]
) -> Response:
    """A closed ticket is open again."""
    wish = Reopen(by=user.name, ticket_id=ticket_id, reason=form.reason)
    return await _carry_out(request, services, user, ticket_id, wish)


@router.post("/{ticket_id}/{word}")
async def command(
    request: Request,
    services: Served,
    user: Operator,
    ticket_id: TicketId,
    word: Literal["acknowledge", "retry", "stop"],
) -> Response:
    """A button of the page."""
    return await _carry_out(request, services, user, ticket_id, _command(word, user.name, ticket_id))


async def _carry_out(request: Request, services: Services, user: User, ticket_id: str, wish: Command) -> Response:
    """What comes too late is told on the page itself."""
    try:
        await commands.carry_out(services, wish)
    except Stale as error:
        return await story(request, services, user, ticket_id, 409, str(error))
    return RedirectResponse(f"/dashboard?ticket={quote(ticket_id, safe='')}", 303)


def _command(word: str, by: str, ticket_id: str) -> Command:
    if word == "acknowledge":
        return Acknowledge(by=by, ticket_id=ticket_id)
    return Retry(by=by, ticket_id=ticket_id) if word == "retry" else Stop(by=by, ticket_id=ticket_id)


def _try(ticket: Ticket, attempt: Attempt) -> Try:
    live = "approval" if attempt.status is AttemptStatus.WAITING else "healing"
    waited = (attempt.started_at - attempt.created_at).total_seconds()
    return Try(
        attempt,
        SAID[attempt.status],
        TONES.get(attempt.status, live),
        run_page(ticket, attempt.remediation_run_id),
        waited,
    )


def _runs(rows: Sequence[Any], ticket: Ticket) -> list[dict[str, Any]]:
    order = {"root": 0, "child": 1, "rerun": 2, "person": 3}
    some = sorted(rows, key=lambda row: (order.get(row.role, 9), row.ended_at.timestamp() if row.ended_at else 0))
    return [{**row._mapping, "link": run_page(ticket, row.run_id)} for row in some]


def _allowed(user: User, ticket: Ticket, tried: Sequence[Attempt], no_retry: str | None) -> Allowed:
    """As far as it can be told here; the command itself has the last word."""
    can = user.may("operator") and not ticket.closed
    busy = any(not attempt.status.ended for attempt in tried)
    asked = ticket.approval is Approval.AWAITING
    coming = busy or ticket.decision.get("answer") != "never"  # something that could be stopped
    correct = user.may("operator")  # a closed ticket teaches as well
    return Allowed(
        correct=correct,
        answer=can and asked,
        acknowledge=can,
        retry=can and not busy and not no_retry and not asked,
        stop=can and coming and not ticket.hands_off,
        escalate=can and not asked,
        reopen=user.may("operator") and ticket.closed and not ticket.merged_into,
    )


def _issue(domain: str, issue: str | None) -> str | None:
    return web_link(f"{domain}/browse/{quote(issue, safe='')}") if domain and issue else None


def _needs(ticket: Ticket, tried: Sequence[Attempt]) -> str:
    """Why a person has to act now, in a sentence; empty while nobody has to."""
    asked = ticket.approval is Approval.AWAITING
    if ticket.closed or asked or ticket.remediation_status in QUIET:
        return ""
    why = str(ticket.decision.get("why") or "") if ticket.decision.get("answer") == "never" else ""
    if why or ticket.remediation_status is None:
        return why or ticket.hands_off or ""
    last = next((a.failure_reason for a in reversed(tried) if a.failure_reason), "")
    return ticket.hands_off or last or ""
