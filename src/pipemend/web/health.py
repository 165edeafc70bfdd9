"""Whether this process lives, and whether it can do its work."""

import asyncio

import sqlalchemy as sa
from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from pipemend.web.auth import Served
from pipemend.web.operations import Worker
from pipemend.web.problems import SOON, problem

PATIENCE = 2.0
router = APIRouter(tags=["health"])


@router.get("/healthz")
async def healthz() -> Response:
    """The process answers."""
    return JSONResponse({"status": "ok"})


@router.get("/readyz")
async def readyz(request: Request, services: Served) -> Response:
    """The database answers and the worker of this process does its work. A vendor's outage does not count."""
    try:
        await asyncio.wait_for(services.database.read(_answers), PATIENCE)
    except (sa.exc.SQLAlchemyError, TimeoutError):
        return problem(503, "the database does not answer", headers=SOON)
    if not services.database.takes_writes():
        return problem(503, "the database takes no writes", headers=SOON)
    worker: Worker | None = request.app.state.worker
    if worker and (why_not := worker.healthy()):
        return problem(503, why_not, headers=SOON)
    return JSONResponse({"status": "ready"})


def _answers(db: sa.Connection) -> None:
    db.exec_driver_sql("SELECT 1").scalar()
