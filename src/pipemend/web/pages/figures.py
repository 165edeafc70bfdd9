"""The figures: how often repair succeeds, how fast, of what, and day by day."""

from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Request
from fastapi import Query as InQuery
from starlette.responses import Response

from pipemend.store import figures, reports
from pipemend.web.asked import FiguresQuery
from pipemend.web.auth import Served, Viewer
from pipemend.web.pages.rendering import frame_in, show
from pipemend.web.pages.ticket import SAID

RANGES = {7: "7 days", 30: "30 days", 90: "90 days", 365: "a year"}
router = APIRouter()


@router.get("/dashboard/metrics")
async def metrics(
    request: Request, services: Served, user: Viewer, query: Annotated[FiguresQuery, InQuery()]
) -> Response:
    def ask(db: sa.Connection) -> Response:
        frame = frame_in(db, services, user)
        return show(
            request,
            "metrics.html",
            frame,
            figures=figures.figures(db, frame.now, query.days),
            minutes_each=figures.MINUTES_EACH,
            days=query.days,
            ranges=RANGES,
            recent=reports.recent_attempts(db, 10),
            said=SAID,
        )

    return await services.database.read(ask)
