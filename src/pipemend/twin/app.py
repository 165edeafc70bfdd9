"""The application: every service behind one port."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import Mount

from .doors import (
    connections,
    control,
    databricks,
    gemini,
    heartbeat,
    hooks,
    identity,
    jira,
    logic_apps,
    openai,
    pagerduty,
    resource_manager,
    single_sign_on,
    slack,
    storage,
    teams,
    workflow_runs,
)
from .front import Front
from .operations import Operation
from .world import World

OPERATIONS: tuple[Operation, ...] = (
    *resource_manager.OPERATIONS,
    *connections.OPERATIONS,
    *workflow_runs.OPERATIONS,
    *databricks.OPERATIONS,
    *identity.OPERATIONS,
    *storage.OPERATIONS,
    *logic_apps.OPERATIONS,
    *slack.OPERATIONS,
    *jira.OPERATIONS,
    *gemini.OPERATIONS,
    *openai.OPERATIONS,
    *teams.OPERATIONS,
    *pagerduty.OPERATIONS,
    *hooks.OPERATIONS,
    *heartbeat.OPERATIONS,
    *single_sign_on.OPERATIONS,
    *control.OPERATIONS,
)


def create_app(world: World | None = None) -> Starlette:
    """The twin as an ASGI application; `serve` is needed for the faults that break connections."""
    place = world or World()

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await place.close()

    return Starlette(routes=[Mount("/", app=Front(place, OPERATIONS))], lifespan=lifespan)
