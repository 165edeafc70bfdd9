"""API tokens and one-time sign-in links."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Request

from pipemend.core.errors import Stale
from pipemend.flows import users
from pipemend.store import access
from pipemend.web import asked, schemas, shapes
from pipemend.web.auth import Admin, Configured, Served, Viewer

router = APIRouter(prefix="/api", tags=["access"])


@router.get("/tokens")
async def list_tokens(services: Served, _: Admin) -> schemas.Tokens:
    """Names and roles; never a token."""
    rows = await services.database.read(access.tokens)
    return schemas.Tokens(tokens=[schemas.TokenOut(**shapes.row_of(schemas.TokenOut, row)) for row in rows])


@router.post("/tokens", status_code=201)
async def add_token(services: Served, user: Admin, body: asked.TokenIn) -> schemas.NewToken:
    """Makes a token. The answer is the only place where it is ever shown."""
    made = partial(users.add_token, name=body.name, role=body.role, by=user.name, now=services.clock.now())
    return schemas.NewToken(name=body.name, role=body.role, token=await services.database.write(made))


@router.delete("/tokens/{name}", status_code=204)
async def revoke_token(services: Served, user: Admin, name: Annotated[str, Path(max_length=200)]) -> None:
    """The token ends at once, and with it every session that came of it."""
    await services.database.write(partial(users.end_token, name=name, by=user.name, now=services.clock.now()))


@router.post("/sign-in-links", status_code=201)
async def make_link(request: Request, services: Served, settings: Configured, user: Viewer) -> schemas.SignInLink:
    """A link that signs the holder of a token in on a browser, once, within a quarter of an hour."""
    if user.person:
        raise Stale("such links are for holders of API tokens; you sign in with your password")
    link = await services.database.write(partial(access.make_link, name=user.name, now=services.clock.now()))
    base = settings.public_url or str(request.base_url).rstrip("/")
    return schemas.SignInLink(url=f"{base}/login?link={link}")
