"""API tokens and one-time sign-in links."""

from functools import partial
from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Path, Request

from pipemend.core.errors import Stale
from pipemend.flows.services import Services
from pipemend.store import access, audit
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
    return schemas.NewToken(name=body.name, role=body.role, token=await make_token(services, user.name, body))


async def make_token(services: Services, by: str, body: asked.TokenIn) -> str:
    """The token itself. Raises Stale when its name is taken, or the machine's."""
    now = services.clock.now()

    def unit(db: sa.Connection) -> str:
        token = access.add_token(db, body.name, body.role, now)
        audit.write(db, "token_added", at=now, user=by, details={"name": body.name, "role": body.role})
        return token

    return await services.database.write(unit)


async def end_token(services: Services, by: str, name: str) -> None:
    """It ends at once, and with it every session that came of it. Raises NotFound."""
    now = services.clock.now()

    def unit(db: sa.Connection) -> None:
        access.revoke_token(db, name, now)
        audit.write(db, "token_revoked", at=now, user=by, details={"name": name})

    await services.database.write(unit)


@router.delete("/tokens/{name}", status_code=204)
async def revoke_token(services: Served, user: Admin, name: Annotated[str, Path(max_length=200)]) -> None:
    """The token ends at once, and with it every session that came of it."""
    await end_token(services, user.name, name)


@router.post("/sign-in-links", status_code=201)
async def make_link(request: Request, services: Served, settings: Configured, user: Viewer) -> schemas.SignInLink:
    """A link that signs the holder of a token in on a browser, once, within a quarter of an hour."""
    if user.person:
        raise Stale("such links are for holders of API tokens; you sign in with your password")
    link = await services.database.write(partial(access.make_link, name=user.name, now=services.clock.now()))
    base = settings.public_url or str(request.base_url).rstrip("/")
    return schemas.SignInLink(url=f"{base}/login?link={link}")
