"""How the parts are: the red button, feeds, notifiers, and what came through the doors."""

from datetime import timedelta
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

import pipemend
from pipemend.core.commands import Pause, Resume, Switch
from pipemend.flows import commands
from pipemend.store import alerts, deliveries, masked
from pipemend.web.asked import DeliveryId, Pipeline, Words
from pipemend.web.auth import Admin, Operator, Served, Viewer
from pipemend.web.operations import Worker, breakers_in, state_of
from pipemend.web.pages.rendering import frame_in, show
from pipemend.web.webhooks import Doors

HOME = "/dashboard/system"
LATEST = 20
router = APIRouter(prefix=HOME)


@router.get("")
async def system(request: Request, services: Served, user: Viewer) -> Response:
    worker: Worker | None = request.app.state.worker

    def ask(db: sa.Connection) -> Response:
        frame, state = frame_in(db, services, user), state_of(db, services, worker)
        admin = user.may("admin")
        return show(
            request,
            "system.html",
            frame,
            state=state,
            breakers=breakers_in(db, services),
            masked=masked.page(db, offset=0, limit=LATEST),
            worker=state.worker,
            version=pipemend.__version__,
            deliveries=_deliveries(db) if admin else [],
            held=alerts.held(db) if admin else [],
            interval=services.policy.watch_interval.total_seconds(),
        )

    return await services.database.read(ask)


@router.post("/automation")
async def press(
    services: Served,
    user: Operator,
    enabled: Annotated[bool, Form()],
    reason: Annotated[Words, Form()] = "",
) -> Response:
    """The red button."""
    await commands.carry_out(services, Switch(by=user.name, enabled=enabled, reason=reason.strip()))
    return RedirectResponse(HOME, 303)


@router.post("/pauses")
async def pause(
    services: Served,
    user: Operator,
    pipeline: Annotated[Pipeline, Form()],
    hours: Annotated[int, Form(ge=0, le=1000)] = 0,
    reason: Annotated[Words, Form()] = "",
) -> Response:
    """Holds every start of one pipeline for some hours; 0: until somebody resumes it."""
    until = services.clock.now() + timedelta(hours=hours) if hours else None
    told = Pause(by=user.name, pipeline=pipeline.strip(), until=until, reason=reason.strip())
    await commands.carry_out(services, told)
    return RedirectResponse(f"{HOME}#pauses", 303)


@router.post("/pauses/end")
async def resume(services: Served, user: Operator, pipeline: Annotated[Pipeline, Form()]) -> Response:
    """Ends a pause."""
    await commands.carry_out(services, Resume(by=user.name, pipeline=pipeline))
    return RedirectResponse(f"{HOME}#pauses", 303)


@router.post("/deliveries/{delivery_id}/replay")
async def replay(request: Request, user: Admin, delivery_id: DeliveryId) -> Response:
    """Reads a kept delivery again; what came of it stands in the list then."""
    doors: Doors = request.app.state.doors
    await doors.replay(delivery_id, user.name)
    return RedirectResponse(f"{HOME}#deliveries", 303)


def _deliveries(db: sa.Connection) -> list[dict[str, Any]]:
    _, rows = deliveries.page(db, offset=0, limit=LATEST)
    told = alerts.of_deliveries(db, [row.id for row in rows])
    return [{"row": row, "alerts": [alert for alert in told if alert.delivery_id == row.id]} for row in rows]
