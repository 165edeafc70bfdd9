"""Signing in with name and password, an API token or a one-time link, and out."""

from functools import partial
from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from pipemend.flows.services import Services
from pipemend.store import access, people
from pipemend.web import passwords
from pipemend.web.auth import Served, by_cookie, cookie_name, secure
from pipemend.web.entry import WAIT, begin_try, enter, inside, refuse_other_sites
from pipemend.web.pages.rendering import render

router = APIRouter()
Field = Annotated[str, Form(max_length=2000, pattern=r"^[^\x00]*$")]


@router.get("/login")
async def login_page(request: Request, services: Served, link: str = "", next: str = "") -> Response:
    """The form; with a one-time link straight to the dashboard."""
    if link:
        return await _by_link(request, services, link, next)
    if await by_cookie(request):
        return RedirectResponse(inside(next), 303)
    return await form(request, services, next)


@router.post("/login")
async def login(
    request: Request, services: Served, name: Field = "", password: Field = "", token: Field = "", next: Field = ""
) -> Response:
    """Opens a session for the user of this name and password, or for the holder of the token."""
    refuse_other_sites(request)
    number = await begin_try(request, services, name)
    if number is None:
        return await _too_many(request, services, next)
    if token.strip():
        row = await services.database.read(partial(access.by_token, token=token.strip()))
        if row is None:
            return await form(request, services, next, "This token is not valid.", 401)
        return await _enter_as_holder(request, services, row.name, number, next)
    user = await services.database.read(partial(people.find, name=name))
    usable = user is not None and user.disabled_at is None
    if not await passwords.fits(password, user.password_hash if user is not None and usable else None):
        return await form(request, services, next, "Name and password do not fit.", 401)

    def unit(db: sa.Connection) -> str:
        people.forgive_try(db, number)
        now = services.clock.now()
        access.forget_expired(db, now)
        return people.sign_in(db, people.get(db, name).name, now)

    return await enter(request, services, await services.database.write(unit), people.SESSION, next)


@router.post("/logout")
async def logout(request: Request, services: Served) -> Response:
    """Ends the session of this browser."""
    refuse_other_sites(request)
    if value := request.cookies.get(cookie_name(request)):
        await services.database.write(partial(access.sign_out, value=value))
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(cookie_name(request), secure=secure(request), httponly=True, samesite="lax")
    return answer


async def form(request: Request, services: Services, next: str, why: str = "", status: int = 200) -> Response:
    """The page with every way in that there is here."""
    settings = request.app.state.settings
    return render(
        "login.html",
        status,
        next=next if inside(next) == next else "",
        why=why,
        users=await services.database.read(people.anybody),
        single_sign_on=settings.oidc_name if settings.oidc_issuer else "",
    )


async def _by_link(request: Request, services: Services, link: str, next: str) -> Response:
    number = await begin_try(request, services)
    if number is None:
        return await _too_many(request, services, next)
    name = await services.database.write(partial(access.use_link, value=link, now=services.clock.now()))
    if name is None:
        why = "This link was used already, or its time is over."
        return await form(request, services, next, why, 401)
    return await _enter_as_holder(request, services, name, number, next)


async def _enter_as_holder(request: Request, services: Services, name: str, number: int, next: str) -> Response:
    """A session for the holder of a token."""
    now = services.clock.now()

    def unit(db: sa.Connection) -> str:
        people.forgive_try(db, number)
        access.forget_expired(db, now)
        return access.sign_in(db, name, now)

    return await enter(request, services, await services.database.write(unit), access.SESSION, next)


async def _too_many(request: Request, services: Services, next: str) -> Response:
    answer = await form(request, services, next, "Too many failed attempts. Please wait a minute.", 429)
    answer.headers.update(WAIT)
    return answer
