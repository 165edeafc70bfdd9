"""API tokens and one-time sign-in links."""

from functools import partial
from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Path, Request

from pipemend.core.errors import Stale
from pipemend.core.ticket import AI_USER, MERGED_USER, PIPELINE_USER, RECOVERED_USER
from pipemend.store import access, audit
from pipemend.web import asked, schemas, shapes
from pipemend.web.auth import Admin, Configured, Served, Viewer

router = APIRouter(prefix="/api", tags=["access"])
# Names that tickets and the audit trail keep for the machine.
OURS = {name.lower() for name in (AI_USER, PIPELINE_USER, RECOVERED_USER, MERGED_USER, "pipemend")}


@router.get("/tokens")
async def list_tokens(services: Served, _: Admin) -> schemas.Tokens:
    """Names and roles; never a token."""
    rows = await services.database.read(access.tokens)
    return schemas.Tokens(tokens=[schemas.TokenOut(**shapes.row_of(schemas.TokenOut, row)) for row in rows])


@router.post("/tokens", status_code=201)
async def add_token(services: Served, user: Admin, body: asked.TokenIn) -> schemas.NewToken:
    """Makes a token. The answer is the only place where it is ever shown."""
    if body.name.lower() in OURS:
        raise Stale(f"{body.name} is a name that Pipemend itself uses")
    now = services.clock.now()

    def unit(db: sa.Connection) -> str:
        token = access.add_token(db, body.name, body.role, now)
        audit.write(db, "token_added", at=now, user=user.name, details={"name": body.name, "role": body.role})
        return token

    return schemas.NewToken(name=body.name, role=body.role, token=await services.database.write(unit))


@router.delete("/tokens/{name}", status_code=204)
async def revoke_token(services: Served, user: Admin, name: Annotated[str, Path(max_length=200)]) -> None:
    """The token ends at once, and with it every session that came of it."""
    now = services.clock.now()

    def unit(db: sa.Connection) -> None:
        access.revoke_token(db, name, now)
        audit.write(db, "token_revoked", at=now, user=user.name, details={"name": name})

    await services.database.write(unit)


@router.post("/sign-in-links", status_code=201)
async def make_link(request: Request, services: Served, settings: Configured, user: Viewer) -> schemas.SignInLink:
    """A link that signs you in on a browser, once, within a quarter of an hour."""
    link = await services.database.write(partial(access.make_link, name=user.name, now=services.clock.now()))
    base = settings.public_url or str(request.base_url).rstrip("/")
    return schemas.SignInLink(url=f"{base}/login?link={link}")
