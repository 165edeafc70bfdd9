"""Templates into pages."""

from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from fastapi import Request
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, RedirectResponse, Response

from pipemend.web import static_files
from pipemend.web.pages import words

PAGES = ("/dashboard", "/login", "/logout")

environment = Environment(
    loader=PackageLoader("pipemend.web.pages"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
environment.globals["static"] = static_files.address
environment.filters.update(words.FILTERS)


def render(template: str, status: int = 200, /, **context: Any) -> HTMLResponse:
    return HTMLResponse(environment.get_template(template).render(**context), status)


def error_page(request: Request, status: int, detail: str) -> Response | None:
    """What a person sees instead of a problem; None where no page was asked for."""
    path = request.url.path
    if not path.startswith(PAGES):
        return None
    if request.headers.get("x-pipemend-fragment"):
        return None  # our script asks for a part of a page, and must never get a sign-in form in its place
    if status == 401 and request.method == "GET":
        query = f"?{request.url.query}" if request.url.query else ""
        return RedirectResponse(f"/login?next={quote(path + query, safe='')}", 303)
    return render("error.html", status, status=status, title=HTTPStatus(status).phrase, detail=detail)
