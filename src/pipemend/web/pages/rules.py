"""What may be done: the playbooks in force, and each pipeline with its past."""

from datetime import timedelta
from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Request
from fastapi import Query as InQuery
from starlette.responses import Response

from pipemend.core.playbook import DEFAULT_RULE
from pipemend.flows.services import Services
from pipemend.store import pipelines as found
from pipemend.web.asked import Query, Words
from pipemend.web.auth import Served, Viewer
from pipemend.web.pages.addresses import pages_of
from pipemend.web.pages.rendering import frame_in, show

PIPELINES, DAYS = "/dashboard/pipelines", 30
RERUNS = {"auto": "by itself", "ask": "after a yes", "never": "never"}
router = APIRouter()


class PipelinesQuery(Query):
    q: Words = ""


@router.get(PIPELINES)
async def pipelines(
    request: Request, services: Served, user: Viewer, query: Annotated[PipelinesQuery, InQuery()]
) -> Response:
    """Who has failed in the last days, and what may be done about it."""
    books = services.playbooks

    def ask(db: sa.Connection) -> Response:
        frame = frame_in(db, services, user)
        since = frame.now - timedelta(days=DAYS)
        total, page = found.failing(db, since, query.q, offset=query.offset, limit=query.page_size)
        return show(
            request,
            "pipelines.html",
            frame,
            pipelines=[(one, books.rule_for(one.connection, one.name)) for one in page],
            paused={pause.pipeline.lower() for pause in frame.automation.paused},
            total=total,
            query=query,
            days=DAYS,
            reruns=RERUNS,
            pages=pages_of(PIPELINES, query, total),
        )

    return await services.database.read(ask)


@router.get("/dashboard/playbooks")
async def playbooks(request: Request, services: Served, user: Viewer) -> Response:
    """The table in force, and where each value comes from."""
    books = services.playbooks

    def ask(db: sa.Connection) -> Response:
        keys = sorted(books.entries, key=lambda key: (key[0], key[1] or ""))
        return show(
            request,
            "playbooks.html",
            frame_in(db, services, user),
            entries=[(books.entries[key], key[1], books.origins.get(key, {})) for key in keys],
            ways={book.action: ways_of(services, book.action) for book in books.entries.values()},
            rules=(*books.pipelines, DEFAULT_RULE),
            reruns=RERUNS,
        )

    return await services.database.read(ask)


def ways_of(services: Services, action: str) -> dict[str, str]:
    """How an action is done on each platform that knows it: `direct`, or by a `playbook` of Logic Apps."""
    known = ((name, platform.remedies.get(action)) for name, platform in services.platforms.items())
    return {name: remedy.via for name, remedy in known if remedy is not None}
