"""The API for tickets: lists, stories, figures and commands. Thin: read, call a flow or the store, show."""

from functools import partial
from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter
from fastapi import Query as InQuery
from starlette.responses import Response

from pipemend.core.commands import Acknowledge, Approve, Command, Escalate, Reject, Reopen, Retry, Stop
from pipemend.core.errors import NotFound
from pipemend.flows import commands, handover
from pipemend.flows.services import Services
from pipemend.store import attempts, audit, corrections, questions, reports, tickets
from pipemend.web import asked, schemas, shapes
from pipemend.web.auth import Operator, Served, Viewer
from pipemend.web.tables import as_text, csv_of

router = APIRouter(prefix="/api", tags=["tickets"])
MOST_LINES = 10_000
FILTERS = ("platform", "connection", "pipeline", "error_type", "severity", "team")


def view_of(query: asked.TicketQuery) -> reports.View:
    """The query as the store asks it."""
    chosen = ((name, getattr(query, name)) for name in FILTERS)
    return reports.View(
        tab=query.tab,
        q=query.q,
        filters=tuple((name, str(value)) for name, value in chosen if value),
        sort=query.sort,
        page=query.page,
        page_size=query.page_size,
    )


@router.get("/tickets")
async def list_tickets(
    services: Served, _: Viewer, query: Annotated[asked.TicketQuery, InQuery()]
) -> schemas.TicketPage:
    """Tickets under a filter, with the count of every tab under the same filter."""
    found = await services.database.read(partial(reports.listing, view=view_of(query)))
    return schemas.TicketPage(
        tickets=[shapes.listed(ticket) for ticket in found.tickets],
        counts=dict(found.counts),
        total=found.total,
        page=query.page,
        page_size=query.page_size,
    )


@router.get("/tickets/{ticket_id}")
async def one_ticket(services: Served, _: Viewer, ticket_id: asked.TicketId) -> schemas.TicketWhole:
    """The whole ticket."""

    def read(db: sa.Connection) -> schemas.TicketWhole:
        ticket, tried = tickets.get(db, ticket_id), attempts.of_ticket(db, ticket_id)
        return shapes.whole(ticket, tried, handover.due(db, services, ticket, tried, services.clock.now()))

    return await services.database.read(read)


@router.get("/tickets/{ticket_id}/remediation-history")
async def remediation_history(
    services: Served, _: Viewer, ticket_id: asked.TicketId, query: Annotated[asked.Query, InQuery()]
) -> schemas.History:
    """The attempts of a ticket in the order of their numbers, with timings, playbook answers and reasons."""
    ticket = await services.database.read(partial(tickets.get, ticket_id=ticket_id))
    found = await services.database.read(partial(attempts.of_ticket, ticket_id=ticket_id))
    some = found[query.offset : query.offset + query.page_size]
    return schemas.History(
        attempts=[shapes.try_of(ticket, attempt) for attempt in some],
        total=len(found),
        page=query.page,
        page_size=query.page_size,
    )


@router.get("/tickets/{ticket_id}/questions")
async def questions_of(services: Served, _: Viewer, ticket_id: asked.TicketId) -> schemas.Questions:
    """What a model was asked about the ticket, what it answered, and what that cost. Kept for RETENTION_DAYS."""
    await services.database.read(partial(tickets.get, ticket_id=ticket_id))
    found = await services.database.read(partial(questions.of_ticket, ticket_id=ticket_id))
    return schemas.Questions(questions=[schemas.QuestionOut.model_validate(row) for row in found])


@router.post("/tickets/{ticket_id}/acknowledge")
async def acknowledge(
    services: Served, user: Operator, ticket_id: asked.TicketId, body: asked.AcknowledgeIn | None = None
) -> schemas.TicketOut:
    """Closes the ticket in your name. A rerun in flight may finish, no further attempt starts."""
    command = Acknowledge(by=user.name, ticket_id=ticket_id, empid=body.empid if body else None)
    return await _obey(services, command)


@router.post("/tickets/{ticket_id}/approve")
async def approve(
    services: Served, user: Operator, ticket_id: asked.TicketId, body: asked.ApproveIn | None = None
) -> schemas.TicketOut:
    """Yes to the one attempt that is proposed, in your name. All guardrails are asked again before it starts."""
    command = Approve(by=user.name, ticket_id=ticket_id, proposal=body.proposal if body else None)
    return await _obey(services, command)


@router.post("/tickets/{ticket_id}/reject")
async def reject(
    services: Served, user: Operator, ticket_id: asked.TicketId, body: asked.RejectIn | None = None
) -> schemas.TicketOut:
    """No to what is proposed: nothing is run, and the ticket is left to people."""
    given = body or asked.RejectIn()
    command = Reject(by=user.name, ticket_id=ticket_id, proposal=given.proposal, reason=given.reason)
    return await _obey(services, command)


@router.post("/tickets/{ticket_id}/retry")
async def retry(services: Served, user: Operator, ticket_id: asked.TicketId) -> schemas.TicketOut:
    """Grants one attempt beyond the limit, in your name."""
    return await _obey(services, Retry(by=user.name, ticket_id=ticket_id))


@router.post("/tickets/{ticket_id}/stop")
async def stop(
    services: Served, user: Operator, ticket_id: asked.TicketId, body: asked.StopIn | None = None
) -> schemas.TicketOut:
    """Ends the automation of this ticket. Its run goes on, unless `cancel_run`."""
    command = Stop(by=user.name, ticket_id=ticket_id, cancel_run=bool(body and body.cancel_run))
    return await _obey(services, command)


@router.post("/tickets/{ticket_id}/escalate")
async def escalate(
    services: Served, user: Operator, ticket_id: asked.TicketId, body: asked.EscalateIn | None = None
) -> schemas.TicketOut:
    """Hands the ticket over to people, in your name. Automation stays off until a retry; a rerun in flight goes on."""
    return await _obey(services, Escalate(by=user.name, ticket_id=ticket_id, reason=body.reason if body else ""))


@router.post("/tickets/{ticket_id}/reopen")
async def reopen(
    services: Served, user: Operator, ticket_id: asked.TicketId, body: asked.ReopenIn | None = None
) -> schemas.TicketOut:
    """Opens a closed ticket again, in your name. Its attempts stay, and automation stays off until a retry."""
    return await _obey(services, Reopen(by=user.name, ticket_id=ticket_id, reason=body.reason if body else ""))


@router.post("/tickets/{ticket_id}/correct")
async def correct(
    services: Served, user: Operator, ticket_id: asked.TicketId, body: asked.CorrectIn
) -> schemas.TicketOut:
    """Says in your name what the error really was. It starts nothing; `no` ends the automation of the ticket."""
    return await _obey(services, body.command(user.name, ticket_id))


@router.get("/corrections")
async def list_corrections(services: Served, _: Viewer) -> schemas.Corrections:
    """What people corrected, as labelled lines that `pipemend evaluate` reads."""
    rows = await services.database.read(corrections.latest)
    return schemas.Corrections(corrections=[shapes.label(row, services.playbooks) for row in rows])


@router.get("/metrics/auto-remediation")
async def metrics(services: Served, _: Viewer) -> schemas.Metrics:
    """How often automatic repair succeeded, how fast, and of what."""
    read = services.database.read
    return schemas.Metrics(
        success_rate=await read(reports.success_rate),
        avg_mttr_minutes=await read(reports.avg_mttr_minutes),
        top_errors=[schemas.ErrorCount(**row) for row in await read(reports.top_errors)],
        recent_attempts=[shapes.attempt(attempt) for attempt in await read(reports.recent_attempts)],
        per_day=[schemas.Day(**row) for row in await read(reports.per_day)],
    )


@router.get("/audit-trail")
async def audit_trail(services: Served, _: Viewer, query: Annotated[asked.AuditQuery, InQuery()]) -> schemas.AuditPage:
    """Who did what to which ticket, the newest first."""
    wanted = query.wanted(services.clock.now())
    ask = partial(audit.page, wanted=wanted, offset=query.offset, limit=query.page_size)
    total, rows = await services.database.read(ask)
    entries = [schemas.AuditEntry(**shapes.row_of(schemas.AuditEntry, row)) for row in rows]
    return schemas.AuditPage(entries=entries, total=total, page=query.page, page_size=query.page_size)


@router.get("/audit-trail.csv", response_class=Response)
async def audit_file(services: Served, _: Viewer, query: Annotated[asked.AuditQuery, InQuery()]) -> Response:
    """The same as a table for spreadsheets: the newest lines, at most 10 000."""
    ask = partial(audit.page, wanted=query.wanted(services.clock.now()), limit=MOST_LINES)
    found = await services.database.read(ask)
    names = tuple(schemas.AuditEntry.model_fields)
    told = (shapes.row_of(schemas.AuditEntry, row) for row in found[1])
    return csv_of("pipemend-audit", names, [[as_text(line[name]) for name in names] for line in told])


async def _obey(services: Services, command: Command) -> schemas.TicketOut:
    ticket = await commands.carry_out(services, command)
    if ticket is None:
        raise NotFound("there is no such ticket")
    return shapes.ticket(ticket)
