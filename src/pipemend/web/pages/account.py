"""One's own account: the password, and signing out everywhere."""

from functools import partial
from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from pipemend.core.errors import Stale
from pipemend.flows.services import Services
from pipemend.store import access, audit, people
from pipemend.web import passwords
from pipemend.web.auth import Served, User, Viewer
from pipemend.web.entry import begin_try, enter
from pipemend.web.pages.rendering import frame_in, show

HOME = "/dashboard/account"
router = APIRouter(prefix=HOME)
Field = Annotated[str, Form(max_length=2000, pattern=r"^[^\x00]*$")]


@router.get("")
async def account(request: Request, services: Served, user: Viewer) -> Response:
    return await _page(request, services, user)


@router.post("/password")
async def change_password(
    request: Request, services: Served, user: Viewer, current: Field = "", password: Field = "", again: Field = ""
) -> Response:
    """Sets another password and ends every other session. It asks for the present one first."""
    known = await services.database.read(partial(people.find, name=user.name)) if user.person else None
    if known is None or known.issuer:
        raise Stale("you have no password here")
    number = await begin_try(request, services, user.name)
    if number is None:
        return await _page(request, services, user, 429, "Too many failed attempts. Please wait a minute.")
    if not await passwords.fits(current, known.password_hash):
        return await _page(request, services, user, 422, "The present password is another one.")
    why = passwords.objection(password, user.name) or ("The two passwords differ." if password != again else None)
    if why:
        return await _page(request, services, user, 422, why)
    fresh, now = await passwords.hashed(password), services.clock.now()

    def unit(db: sa.Connection) -> str:
        people.forgive_try(db, number)
        people.set_password(db, user.name, fresh)
        audit.write(db, "password_set", at=now, user=user.name, details={"name": user.name})
        return people.sign_in(db, user.name, now)

    value = await services.database.write(unit)
    return await enter(request, services, value, people.SESSION, f"{HOME}?changed=1")


@router.post("/sign-out-everywhere")
async def sign_out_everywhere(services: Served, user: Viewer) -> Response:
    """Ends every session of this name, this one too."""
    now = services.clock.now()

    def unit(db: sa.Connection) -> None:
        number = people.end_sessions(db, user.name) if user.person else access.end_sessions(db, user.name)
        audit.write(db, "signed_out_everywhere", at=now, user=user.name, details={"sessions": number})

    await services.database.write(unit)
    return RedirectResponse("/login", 303)


async def _page(request: Request, services: Services, user: User, status: int = 200, why: str = "") -> Response:
    def ask(db: sa.Connection) -> Response:
        return show(
            request,
            "account.html",
            frame_in(db, services, user),
            status,
            known=people.find(db, user.name) if user.person else None,
            why=why,
            changed="changed" in request.query_params,
            least=passwords.LEAST,
        )

    return await services.database.read(ask)
