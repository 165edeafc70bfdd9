"""Templates into pages."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlsplit

import sqlalchemy as sa
from fastapi import Request
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, RedirectResponse, Response

from pipemend.flows.services import Services
from pipemend.store import events
from pipemend.web import schemas, static_files
from pipemend.web.auth import User
from pipemend.web.operations import automation_in
from pipemend.web.pages import words

PAGES = ("/dashboard", "/login", "/logout", "/welcome")
ASKED_FOR = "HX-Request-Type"  # "partial": only what stands in <main>, and the banner

environment = Environment(
    loader=PackageLoader("pipemend.web.pages"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
environment.globals["static"] = static_files.address
environment.filters.update(words.FILTERS)


@dataclass(frozen=True, slots=True)
class Frame:
    """What is around every page: who reads it, whether automation runs, and the newest event that it shows."""

    user: User
    now: datetime
    automation: schemas.Automation
    event: int


def frame_in(db: sa.Connection, services: Services, user: User) -> Frame:
    """Asked before the page's own rows: an event that comes between is told again, never lost."""
    return Frame(user, services.clock.now(), automation_in(db, services), events.newest(db))


def show(request: Request, template: str, frame: Frame, status: int = 200, **context: Any) -> HTMLResponse:
    """A page; only what moves in it where our script asks for that."""
    layout = "part.html" if partial(request) else "page.html"
    answer = render(template, status, layout=layout, frame=frame, now=frame.now, **context)
    answer.headers["Vary"] = ASKED_FOR
    return answer


def partial(request: Request) -> bool:
    return request.headers.get(ASKED_FOR) == "partial"


def render(
    template: str, status: int = 200, /, headers: Mapping[str, str] | None = None, **context: Any
) -> HTMLResponse:
    return HTMLResponse(environment.get_template(template).render(**context), status, headers)


def error_page(request: Request, status: int, detail: str) -> Response | None:
    """What a person sees instead of a problem; None where no page was asked for."""
    path = request.url.path
    looked_for = status == 404 and "text/html" in request.headers.get("Accept", "")
    if not (path.startswith(PAGES) or looked_for):
        return None
    if partial(request):  # a part of a page is asked for, and must never become a sign-in form
        return Response(status_code=401, headers={"HX-Redirect": _to_the_form(request)}) if status == 401 else None
    if status == 401 and request.method == "GET":
        return RedirectResponse(_to_the_form(request), 303)
    return render("error.html", status, status=status, title=HTTPStatus(status).phrase, detail=detail)


def _to_the_form(request: Request) -> str:
    """The sign-in page, and back to where the reader is."""
    try:
        here = urlsplit(request.headers.get("HX-Current-URL") or str(request.url))
    except ValueError:  # no address at all
        return "/login"
    query = f"?{here.query}" if here.query else ""
    return f"/login?next={quote(here.path + query, safe='')}"
