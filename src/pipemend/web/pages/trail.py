"""The audit trail: who did what to which ticket."""

from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Request
from fastapi import Query as InQuery
from starlette.responses import Response

from pipemend.store import audit
from pipemend.web.asked import AuditQuery
from pipemend.web.auth import Served, Viewer
from pipemend.web.pages.addresses import address, pages_of
from pipemend.web.pages.rendering import frame_in, show

HOME, FILE = "/dashboard/audit", "/api/audit-trail.csv"
RANGES = {1: "1 day", 7: "7 days", 30: "30 days", 365: "a year"}
router = APIRouter()


@router.get(HOME)
async def trail(request: Request, services: Served, user: Viewer, query: Annotated[AuditQuery, InQuery()]) -> Response:
    def ask(db: sa.Connection) -> Response:
        frame = frame_in(db, services, user)
        wanted = query.wanted(frame.now)
        total, lines = audit.page(db, wanted, offset=query.offset, limit=query.page_size)
        return show(
            request,
            "audit.html",
            frame,
            lines=lines,
            total=total,
            query=query,
            actions=audit.actions(db),
            ranges=RANGES,
            pages=pages_of(HOME, query, total),
            file=address(FILE, query, page=1, page_size=50),
            filtered=wanted != audit.Wanted(),
        )

    return await services.database.read(ask)
