"""The web application: doors, API, socket and pages on one set of services."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

import pipemend
from pipemend.core.alert import Door
from pipemend.flows.services import Services
from pipemend.settings import Settings
from pipemend.web import (
    api,
    azure_monitor,
    callback,
    figures,
    health,
    metrics,
    operations,
    pages,
    problems,
    schemas,
    sockets,
    static_files,
    tokens,
)
from pipemend.web.auth import Viewer
from pipemend.web.envelope import Envelope
from pipemend.web.live import Live
from pipemend.web.operations import Worker
from pipemend.web.webhooks import Doors

_TOLD: dict[str, Any] = {
    "description": "A problem (RFC 9457)",
    "content": {problems.MEDIA_TYPE: {"schema": schemas.Problem.model_json_schema()}},
}
PROBLEM: dict[int | str, dict[str, Any]] = {"default": _TOLD, 422: _TOLD}


class Application(FastAPI):
    """FastAPI behind our envelope, so that whatever happens inside has its headers, its line and its problem."""

    envelope: Envelope

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.envelope(scope, receive, send)


def create_app(services: Services, settings: Settings, *, worker: Worker | None = None) -> FastAPI:
    """The application. It starts no worker; `worker` is only asked how it is."""
    app = Application(
        title="Pipemend",
        version=pipemend.__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=_lifespan,
    )
    doors = Doors(services, _doors(services, settings))
    app.envelope = Envelope(super(Application, app).__call__, doors.find, [path[1:] for path in doors.doors])
    app.state.services, app.state.settings, app.state.worker = services, settings, worker
    app.state.doors, app.state.live = doors, Live(services.database, services.clock)
    app.state.choices = pages.Choices()
    app.state.single_sign_on = _single_sign_on(app, settings, services.callback_secret)
    for door in (health, api, figures, operations, metrics, tokens, callback):
        app.include_router(door.router, responses=PROBLEM)
    for part in (sockets.router, static_files.router, pages.router):
        app.include_router(part)
    app.add_api_route("/openapi.json", _openapi(app), include_in_schema=False)
    problems.install(app, pages.error_page)
    return app


def health_app(services: Services, worker: Worker) -> FastAPI:
    """How a worker without doors is, for probes: `/healthz` and `/readyz`, nothing else."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.state.services, app.state.worker = services, worker
    app.include_router(health.router)
    problems.install(app, lambda *_: None)
    return app


def metrics_app(services: Services) -> FastAPI:
    """What a worker without doors has measured: `/metrics` as a server shows it, without a token."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/metrics")
    async def shown() -> Response:
        return await metrics.page(services)

    problems.install(app, lambda *_: None)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    await app.state.live.close()


def _single_sign_on(app: FastAPI, settings: Settings, secret: str) -> object | None:
    """Its libraries are read only where it is configured."""
    if not settings.oidc_issuer:
        return None
    from pipemend.web import single_sign_on

    return single_sign_on.install(app, settings, secret)


def _doors(services: Services, settings: Settings) -> Mapping[str, Door]:
    """Every open door by its path. A door without its secret is not there at all."""
    found = [door for platform in services.platforms.values() for door in platform.doors]
    found += [door for notifier in services.notifiers.values() for door in notifier.doors]
    if settings.azure_monitor_secret and settings.azure_monitor_secret.get_secret_value():
        secret = settings.azure_monitor_secret.get_secret_value()
        found.append(azure_monitor.door(secret, services.platforms))
    return {door.path: door for door in found}


def _openapi(app: FastAPI) -> Any:
    async def openapi(_: Viewer) -> dict[str, Any]:
        return app.openapi()

    return openapi
