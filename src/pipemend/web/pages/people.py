"""Who may come in: users and API tokens. Links and tokens are shown once, in the answer to whoever made them."""

from functools import partial
from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from pipemend.flows import users
from pipemend.flows.services import Services
from pipemend.store import access, people
from pipemend.web.asked import TokenIn
from pipemend.web.auth import Admin, Served, User, settings_of
from pipemend.web.pages.rendering import frame_in, show

HOME = "/dashboard/people"
router = APIRouter(prefix=HOME)
Name = Annotated[str, Form(max_length=100, pattern=r"^[^\x00]*$")]
Role = Annotated[str, Form(max_length=20)]


@router.get("")
async def who_may(request: Request, services: Served, user: Admin) -> Response:
    return await _page(request, services, user)


@router.post("/users")
async def add(request: Request, services: Served, user: Admin, name: Name, role: Role) -> Response:
    """Makes a user, and the link that sets their password."""
    unit = partial(users.add, name=name, role=role, by=user.name, now=services.clock.now())
    return await _page(request, services, user, name, _address(request, await services.database.write(unit)))


@router.post("/users/{name}/reset")
async def reset(request: Request, services: Served, user: Admin, name: str) -> Response:
    """Ends password and sessions, and makes the link for another password."""
    unit = partial(users.reset, name=name, by=user.name, now=services.clock.now())
    return await _page(request, services, user, name, _address(request, await services.database.write(unit)))


@router.post("/users/{name}/role")
async def give_role(services: Served, user: Admin, name: str, role: Role) -> Response:
    unit = partial(users.give_role, name=name, role=role, by=user.name, now=services.clock.now())
    await services.database.write(unit)
    return RedirectResponse(HOME, 303)


@router.post("/users/{name}/disable")
async def disable(services: Served, user: Admin, name: str) -> Response:
    await services.database.write(partial(users.disable, name=name, by=user.name, now=services.clock.now()))
    return RedirectResponse(HOME, 303)


@router.post("/users/{name}/enable")
async def enable(services: Served, user: Admin, name: str) -> Response:
    await services.database.write(partial(users.enable, name=name, by=user.name, now=services.clock.now()))
    return RedirectResponse(HOME, 303)


@router.post("/tokens")
async def add_token(request: Request, services: Served, user: Admin, form: Annotated[TokenIn, Form()]) -> Response:
    """Makes an API token."""
    token = await services.database.write(
        partial(users.add_token, name=form.name, role=form.role, by=user.name, now=services.clock.now())
    )
    return await _page(request, services, user, form.name, token)


@router.post("/tokens/{name}/revoke")
async def revoke(services: Served, user: Admin, name: str) -> Response:
    """Ends the token, and every session that came of it."""
    await services.database.write(partial(users.end_token, name=name, by=user.name, now=services.clock.now()))
    return RedirectResponse(f"{HOME}#tokens", 303)


def _address(request: Request, link: str) -> str:
    base = settings_of(request).public_url or str(request.base_url).rstrip("/")
    return f"{base}/welcome?link={link}"


async def _page(request: Request, services: Services, user: User, made_for: str = "", made: str = "") -> Response:
    def ask(db: sa.Connection) -> Response:
        frame = frame_in(db, services, user)
        return show(
            request,
            "people.html",
            frame,
            users=people.all_of(db),
            tokens=access.tokens(db),
            roles=access.ROLES,
            made_for=made_for,
            made=made,
        )

    return await services.database.read(ask)
