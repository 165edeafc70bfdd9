"""A one-time link that sets a user's password, or makes the first admin. Looking at it does not use it up."""

from functools import partial
from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from pipemend.core.errors import Stale
from pipemend.flows.services import Services
from pipemend.store import audit, people
from pipemend.store.rows import Row
from pipemend.web import passwords
from pipemend.web.auth import Served
from pipemend.web.entry import HOME, WAIT, begin_try, enter, refuse_other_sites
from pipemend.web.pages.rendering import render

OVER = "This link was used already, or its time is over."
router = APIRouter()
Field = Annotated[str, Form(max_length=2000, pattern=r"^[^\x00]*$")]


@router.get("/welcome")
async def welcome(request: Request, services: Served, link: str = "") -> Response:
    """Asks for a password, and for a name where there is none yet."""
    found = await _look(request, services, link)
    return found if isinstance(found, Response) else _form(link, found.name)


@router.post("/welcome")
async def take_up(
    request: Request, services: Served, link: Field = "", name: Field = "", password: Field = "", again: Field = ""
) -> Response:
    """Sets the password, uses the link up, and signs in."""
    refuse_other_sites(request)
    found = await _look(request, services, link)
    if isinstance(found, Response):
        return found
    called = found.name or name.strip().lower()
    why = passwords.objection(password, called) or ("The two passwords differ." if password != again else None)
    if why:
        return _form(link, found.name, called, why)
    known, now = await passwords.hashed(password), services.clock.now()

    def unit(db: sa.Connection) -> str | None:
        row = people.use_link(db, link, now)
        if row is None:
            return None
        if row.name is None:
            people.add(db, called, "admin", now)
            audit.write(db, "user_added", at=now, user=called, details={"name": called, "role": "admin"})
        people.set_password(db, called, known)
        audit.write(db, "password_set", at=now, user=called, details={"name": called})
        return people.sign_in(db, called, now)

    try:
        value = await services.database.write(unit)
    except Stale as error:  # the name; the link is good still
        return _form(link, found.name, called, f"{str(error)[0].upper()}{str(error)[1:]}.")
    return render("gone.html", 401, why=OVER) if value is None else await _enter(request, services, value)


async def _enter(request: Request, services: Services, value: str) -> Response:
    return await enter(request, services, value, people.SESSION, HOME)


async def _look(request: Request, services: Services, link: str) -> Row | Response:
    """For whom the link is, or the page that says why it is for nobody."""
    number = await begin_try(request, services)
    if number is None:
        return render("gone.html", 429, why="Too many failed attempts. Please wait a minute.", headers=WAIT)
    row = await services.database.read(partial(people.linked, value=link, now=services.clock.now()))
    if row is None:
        return render("gone.html", 401, why=OVER)
    await services.database.write(partial(people.forgive_try, number=number))
    return row


def _form(link: str, name: str | None, given: str = "", why: str = "") -> Response:
    return render(
        "welcome.html", 422 if why else 200, link=link, name=name, given=given, why=why, least=passwords.LEAST
    )
