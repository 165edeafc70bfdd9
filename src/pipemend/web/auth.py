"""Who asks: an API token in the header, or a session in a cookie; one dependency for both."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Security
from fastapi.security import HTTPBearer
from starlette.requests import HTTPConnection

from pipemend.flows.services import Services
from pipemend.settings import Settings
from pipemend.store import access
from pipemend.web.problems import Refusal

SAFE = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True, slots=True)
class User:
    """A person, or a token's holder. `by_cookie`: a browser's session, whose requests may come from a foreign page."""

    name: str
    role: str
    by_cookie: bool
    person: bool = False

    def may(self, role: str) -> bool:
        return access.ROLES.index(self.role) >= access.ROLES.index(role)


def services_of(connection: HTTPConnection) -> Services:
    services: Services = connection.app.state.services
    return services


def settings_of(connection: HTTPConnection) -> Settings:
    settings: Settings = connection.app.state.settings
    return settings


async def who(connection: HTTPConnection) -> User | None:
    """The user behind a request or socket, by header else by cookie; a bad header is not saved by a good cookie."""
    header = connection.headers.get("authorization")
    return await _by_header(connection, header) if header is not None else await by_cookie(connection)


async def _by_header(connection: HTTPConnection, header: str) -> User | None:
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer":
        return None
    row = await services_of(connection).database.read(partial(access.by_token, token=token.strip()))
    return User(row.name, row.role, by_cookie=False) if row else None


async def by_cookie(connection: HTTPConnection) -> User | None:
    value = connection.cookies.get(cookie_name(connection))
    if not value:
        return None
    services = services_of(connection)
    row = await services.database.read(partial(access.by_session, value=value, now=services.clock.now()))
    return User(row.name, row.role, by_cookie=True, person=bool(row.user)) if row else None


async def current_user(
    connection: HTTPConnection, _: Annotated[object, Security(HTTPBearer(auto_error=False))] = None
) -> User:
    """Refuses strangers, and pages elsewhere that want to use a browser's session."""
    user = await who(connection)
    if user is None:
        raise Refusal(401, "sign in, or send an API token", headers={"WWW-Authenticate": 'Bearer realm="pipemend"'})
    if user.by_cookie and connection.scope["method"] not in SAFE and not same_origin(connection):
        raise Refusal(403, "this request came from another site")
    return user


CurrentUser = Annotated[User, Depends(current_user)]


def require(role: str) -> Callable[[User], Awaitable[User]]:
    """A dependency that lets in whoever has at least this role."""

    async def allowed(user: CurrentUser) -> User:
        if not user.may(role):
            raise Refusal(403, f"this needs the role {role}, {user.name} has {user.role}")
        return user

    return allowed


Viewer = Annotated[User, Depends(require("viewer"))]
Operator = Annotated[User, Depends(require("operator"))]
Admin = Annotated[User, Depends(require("admin"))]
Served = Annotated[Services, Depends(services_of)]
Configured = Annotated[Settings, Depends(settings_of)]


def same_origin(connection: HTTPConnection) -> bool:
    """Whether a browser says that our own page asks; programs say nothing, and need no such guard."""
    site = connection.headers.get("sec-fetch-site")
    return site in ("same-origin", "none") if site is not None else origin_is_ours(connection)


def origin_is_ours(connection: HTTPConnection) -> bool:
    origin = connection.headers.get("origin")
    if origin is None:
        return True
    public = urlsplit(settings_of(connection).public_url)
    ours = {connection.headers.get("host", "").lower(), public.netloc.lower()} - {""}
    return urlsplit(origin).netloc.lower() in ours


def secure(connection: HTTPConnection) -> bool:
    """Whether the browser reached us over https, directly or through the proxy of PUBLIC_URL."""
    if connection.url.scheme in ("https", "wss"):
        return True
    public = urlsplit(settings_of(connection).public_url)
    return public.scheme == "https" and public.netloc.lower() == connection.headers.get("host", "").lower()


def cookie_name(connection: HTTPConnection) -> str:
    """Over https the name itself forbids that another host or plain http sets the cookie."""
    return "__Host-pipemend" if secure(connection) else "pipemend"
