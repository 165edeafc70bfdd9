"""The way to the provider of the single sign-on, and back."""

from functools import partial
from typing import TYPE_CHECKING

import sqlalchemy as sa
from fastapi import APIRouter, Request
from starlette.responses import Response

from pipemend.core.errors import Stale
from pipemend.flows import users
from pipemend.store import access
from pipemend.web.auth import Served
from pipemend.web.entry import enter, inside
from pipemend.web.pages.sign_in import form
from pipemend.web.problems import Refusal

if TYPE_CHECKING:
    from pipemend.web.single_sign_on import Provider

NEXT = "next"
router = APIRouter(prefix="/login/oidc")


@router.get("")
async def leave(request: Request, next: str = "") -> Response:
    """To the provider."""
    provider = _provider(request)
    answer = await provider.send_off(request)
    request.session[NEXT] = inside(next)
    return answer


@router.get("/done")
async def come_back(request: Request, services: Served) -> Response:
    """Opens a session for whom the provider has signed in; their role is that of their groups today."""
    from pipemend.web.single_sign_on import Unbelievable

    provider = _provider(request)
    try:
        person = await provider.welcome_back(request)
    except Unbelievable as error:
        return await form(request, services, "", _sentence(error), 401)
    next = request.session.pop(NEXT, "")
    now = services.clock.now()

    def unit(db: sa.Connection) -> str:
        access.forget_expired(db, now)
        return users.enter(db, person.issuer, person.subject, person.name, person.role, now)

    try:
        value = await services.database.write(unit)
    except Stale as error:
        await services.database.write(partial(users.stay_out, issuer=person.issuer, subject=person.subject))
        return await form(request, services, "", _sentence(error), 403)
    return await enter(request, services, value, access.SESSION, next)


def _sentence(error: Exception) -> str:
    return f"{str(error)[0].upper()}{str(error)[1:]}."


def _provider(request: Request) -> "Provider":
    provider: Provider | None = request.app.state.single_sign_on
    if provider is None:
        raise Refusal(404, "there is no single sign-on here")
    return provider
