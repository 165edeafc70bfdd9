"""The API for those who run Pipemend: the red button, the state of feeds and notifiers, deliveries."""

from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Annotated, Any, Protocol

import sqlalchemy as sa
from fastapi import APIRouter, Request
from fastapi import Query as InQuery
from starlette.responses import Response

import pipemend
from pipemend.flows import breakers, commands
from pipemend.flows.services import Services
from pipemend.store import alerts, deliveries, events, feeds, leases, masked, reports, switches
from pipemend.web import asked, schemas, shapes
from pipemend.web.auth import Admin, Operator, Served, Viewer
from pipemend.web.webhooks import Doors

router = APIRouter(prefix="/api", tags=["operations"])
OFF = "automatic remediation is switched off (AUTO_REMEDIATION_ENABLED)"


class Worker(Protocol):
    """The part of a worker that the doors may ask."""

    def healthy(self) -> str | None:
        """None while due work is being done, else why it is not."""
        ...


@router.get("/automation")
async def automation(services: Served, _: Viewer) -> schemas.Automation:
    """Whether reruns may be started, and who said so."""
    return await automation_of(services)


@router.post("/automation")
async def switch(services: Served, user: Operator, body: asked.AutomationIn) -> schemas.Automation:
    """The red button: `enabled: false` holds every start, everywhere; with `pipeline` those of one pipeline."""
    await commands.carry_out(services, body.command(user.name))
    return await automation_of(services)


async def automation_of(services: Services) -> schemas.Automation:
    def ask(db: sa.Connection) -> schemas.Automation:
        return automation_in(db, services).model_copy(update={"breakers": breakers_in(db, services)})

    return await services.database.read(ask)


def automation_in(db: sa.Connection, services: Services) -> schemas.Automation:
    """As every page asks it: without the breakers, which take longer to work out."""
    row = switches.red_button(db)
    pressed = row is not None and not row.enabled
    setting = services.policy.enabled
    return schemas.Automation(
        enabled=setting and not pressed,
        reason=(row.reason if row else "") if setting or pressed else OFF,
        by=row.by if row else None,
        at=row.at if row else None,
        setting=setting,
        pressed=pressed,
        paused=[_pause(row) for row in switches.paused(db, services.clock.now())],
        breakers=[],
    )


def breakers_in(db: sa.Connection, services: Services) -> list[schemas.BreakerOut]:
    now = services.clock.now()
    return [
        schemas.BreakerOut(
            error_type=error_type, action=action, state=b.state(now), failed=b.failed, of=b.of, until=b.until
        )
        for (error_type, action), b in breakers.all_of(db, services, now).items()
        if b is not None
    ]


def _pause(row: Any) -> schemas.PauseOut:
    return schemas.PauseOut(**shapes.row_of(schemas.PauseOut, row))


@router.get("/system")
async def system(request: Request, services: Served, _: Viewer) -> schemas.System:
    """How the parts are: feeds, notifiers, and messages that a notifier refused for good."""
    worker: Worker | None = request.app.state.worker
    found = await services.database.read(partial(state_of, services=services, worker=worker))
    return schemas.System(
        version=pipemend.__version__,
        at=services.clock.now(),
        worker=found.worker,
        automation=await automation_of(services),
        reruns_in_flight=found.running,
        feeds=found.feeds,
        notifiers=found.notifiers,
        parked=found.parked,
    )


@dataclass(frozen=True, slots=True)
class State:
    worker: str | None
    running: int
    feeds: list[schemas.FeedOut]
    notifiers: list[schemas.NotifierOut]
    parked: list[schemas.ParkedOut]


def state_of(db: sa.Connection, services: Services, worker: Worker | None) -> State:
    names = {(r.platform, r.id): r.name for r in services.connections}
    return State(
        worker=worker.healthy() if worker else _elsewhere(db, services),
        running=reports.running(db),
        feeds=[_feed(row, names.get((row.platform, row.resource), "")) for row in feeds.all_of(db)],
        notifiers=_notifiers(db, services),
        parked=[schemas.ParkedOut(**shapes.row_of(schemas.ParkedOut, row)) for row in events.parked(db)],
    )


def _elsewhere(db: sa.Connection, services: Services) -> str | None:
    """How the workers of other processes are."""
    if not services.database.several or leases.anybody_works(db):
        return None
    return "no worker is alive: start one with 'pipemend worker'"


def _feed(row: Any, name: str) -> schemas.FeedOut:
    return schemas.FeedOut(name=name or row.resource.rsplit("/", 1)[-1], **shapes.row_of(schemas.FeedOut, row))


def _notifiers(db: sa.Connection, services: Services) -> list[schemas.NotifierOut]:
    counts, oldest = events.counts(db), events.waiting_since(db)
    known = sorted({*services.notifiers, *(name for name, _ in counts)})
    return [
        schemas.NotifierOut(
            name=name,
            waiting=counts.get((name, "waiting"), 0),
            waiting_since=oldest[name].at if name in oldest else None,
            error=oldest[name].error if name in oldest else None,
            parked=counts.get((name, "parked"), 0),
            superseded=counts.get((name, "superseded"), 0),
        )
        for name in known
    ]


@router.get("/masked-failures")
async def list_masked(services: Served, _: Viewer, query: Annotated[asked.Query, InQuery()]) -> schemas.MaskedPage:
    """Runs that went well although something in them failed, the newest first."""
    total, rows = await services.database.read(partial(masked.page, offset=query.offset, limit=query.page_size))
    return schemas.MaskedPage(
        masked_failures=[schemas.MaskedOut(**shapes.row_of(schemas.MaskedOut, row)) for row in rows],
        total=total,
        page=query.page,
        page_size=query.page_size,
    )


@router.get("/deliveries")
async def list_deliveries(services: Served, _: Admin, query: Annotated[asked.Query, InQuery()]) -> schemas.DeliveryPage:
    """Raw calls at our doors and what became of each; alerts that are held, whichever way they came."""

    def ask(db: sa.Connection) -> schemas.DeliveryPage:
        total, rows = deliveries.page(db, offset=query.offset, limit=query.page_size)
        told = alerts.of_deliveries(db, [row.id for row in rows])
        theirs = {key: list(group) for key, group in groupby(told, key=lambda row: row.delivery_id)}
        return schemas.DeliveryPage(
            deliveries=[schemas.DeliveryOut(**shapes.delivery(row, theirs.get(row.id, ()))) for row in rows],
            held=[shapes.alert(row) for row in alerts.held(db)],
            total=total,
            page=query.page,
            page_size=query.page_size,
        )

    return await services.database.read(ask)


@router.get("/deliveries/{delivery_id}")
async def one_delivery(services: Served, _: Admin, delivery_id: asked.DeliveryId) -> schemas.WholeDelivery:
    """One raw call, with its body as it came."""

    def ask(db: sa.Connection) -> schemas.WholeDelivery:
        row = deliveries.get(db, delivery_id)
        told = shapes.delivery(row, alerts.of_delivery(db, delivery_id))
        return schemas.WholeDelivery(**told, body=row.body.decode("utf-8", "replace"))

    return await services.database.read(ask)


@router.post("/deliveries/{delivery_id}/replay", status_code=202, response_model=schemas.Accepted)
async def replay(request: Request, user: Admin, delivery_id: asked.DeliveryId) -> Response:
    """Reads a kept body again, as a new delivery."""
    doors: Doors = request.app.state.doors
    return await doors.replay(delivery_id, user.name)
