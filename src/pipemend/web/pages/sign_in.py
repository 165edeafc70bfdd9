"""Signing in with an API token or a one-time link, and out."""

from functools import partial
from typing import Annotated
from urllib.parse import urlsplit

import sqlalchemy as sa
from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from pipemend.flows.services import Services
from pipemend.store import access
from pipemend.web.auth import Patience, Served, by_cookie, cookie_name, same_origin, secure
from pipemend.web.pages.rendering import render
from pipemend.web.problems import Refusal

HOME = "/dashboard"
router = APIRouter()
Field = Annotated[str, Form(max_length=2000)]


@router.get("/login")
async def login_page(request: Request, services: Served, link: str = "", next: str = "") -> Response:
    """The form; with a one-time link straight to the dashboard."""
    if link:
        return await _by_link(request, services, link, next)
    if await by_cookie(request):
        return RedirectResponse(_inside(next), 303)
    return _form(next)


@router.post("/login")
async def login(request: Request, services: Served, token: Field = "", next: Field = "") -> Response:
    """Opens a session for the holder of the token."""
    if not same_origin(request):
        raise Refusal(403, "this request came from another site")
    if refusal := _too_many(request, services, next):
        return refusal
    row = await services.database.read(partial(access.by_token, token=token.strip()))
    if row is None:
        return _failed(request, services, next, "This token is not valid.")
    return await _signed_in(request, services, row.name, next)


@router.post("/logout")
async def logout(request: Request, services: Served) -> Response:
    """Ends the session of this browser."""
    if not same_origin(request):
        raise Refusal(403, "this request came from another site")
    if value := request.cookies.get(cookie_name(request)):
        await services.database.write(partial(access.sign_out, value=value))
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(cookie_name(request), secure=secure(request), httponly=True, samesite="lax")
    return answer


async def _by_link(request: Request, services: Services, link: str, next: str) -> Response:
    if refusal := _too_many(request, services, next):
        return refusal
    name = await services.database.write(partial(access.use_link, value=link, now=services.clock.now()))
    if name is None:
        return _failed(request, services, next, "This link was used already, or its time is over.")
    return await _signed_in(request, services, name, next)


async def _signed_in(request: Request, services: Services, name: str, next: str) -> Response:
    now = services.clock.now()

    def unit(db: sa.Connection) -> str:
        access.forget_expired(db, now)
        return access.sign_in(db, name, now)

    value = await services.database.write(unit)
    answer = RedirectResponse(_inside(next), 303)
    answer.set_cookie(
        cookie_name(request),
        value,
        max_age=int(access.SESSION.total_seconds()),
        secure=secure(request),
        httponly=True,
        samesite="lax",
    )
    return answer


def _too_many(request: Request, services: Services, next: str) -> Response | None:
    patience: Patience = request.app.state.patience
    if patience.allows(_address(request), services.clock.now()):
        return None
    answer = _form(next, "Too many failed attempts. Please wait a minute.", 429)
    answer.headers["Retry-After"] = "60"
    return answer


def _failed(request: Request, services: Services, next: str, why: str) -> Response:
    patience: Patience = request.app.state.patience
    patience.failed(_address(request), services.clock.now())
    return _form(next, why, 401)


def _form(next: str, why: str = "", status: int = 200) -> Response:
    return render("login.html", status, next=next if _inside(next) == next else "", why=why)


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _inside(next: str) -> str:
    """Where to go after signing in: an address of our own pages, never another site's."""
    parts = urlsplit(next)
    ours = not parts.scheme and not parts.netloc and parts.path.startswith("/dashboard")
    return next if ours and next.isprintable() and "\\" not in next else HOME
