"""The API for figures over the last days."""

from dataclasses import asdict
from functools import partial
from typing import Annotated

from fastapi import APIRouter
from fastapi import Query as InQuery
from starlette.responses import Response

from pipemend.flows.services import Services
from pipemend.store import figures
from pipemend.web import asked, schemas
from pipemend.web.auth import Served, Viewer
from pipemend.web.tables import csv_of

router = APIRouter(prefix="/api", tags=["tickets"])
COUNTED = ("day", "opened", "healed", "escalated", "closed")
TIMED = ("mttr", "mttr_from_failure", "healed_mttr", "healed_mttr_from_failure")


@router.get("/metrics")
async def metrics(services: Served, _: Viewer, query: Annotated[asked.FiguresQuery, InQuery()]) -> schemas.Figures:
    """How much was healed, how fast, of what, and what came back, over the last days."""
    found = await _figures(services, query)
    return schemas.Figures.model_validate(
        {
            **asdict(found),
            **{name: getattr(found, name) for name in RATES},
            "attempts": dict(found.attempts),
        }
    )


RATES = ("success_rate", "escalation_rate", "relapse_rate", "sla_rate", "hours_saved")


@router.get("/metrics.csv", response_class=Response)
async def days(services: Served, _: Viewer, query: Annotated[asked.FiguresQuery, InQuery()]) -> Response:
    """The days as a table for spreadsheets; times in minutes."""
    found = await _figures(services, query)
    rows = [
        [*(getattr(day, name) for name in COUNTED), *(getattr(day.times, name) for name in TIMED)] for day in found.days
    ]
    return csv_of("pipemend-days", (*COUNTED, *(f"{name}_minutes" for name in TIMED)), rows)


async def _figures(services: Services, query: asked.FiguresQuery) -> figures.Figures:
    return await services.database.read(partial(figures.figures, now=services.clock.now(), days=query.days))
