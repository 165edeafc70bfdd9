"""What all ways in have in common: how often one may try, the cookie, and where one goes then."""

from datetime import timedelta
from functools import partial
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

from fastapi import Request
from starlette.responses import RedirectResponse

from pipemend.flows.services import Services
from pipemend.store import access, people
from pipemend.web.auth import cookie_name, same_origin, secure
from pipemend.web.problems import Refusal

HOME = "/dashboard"
WAIT = {"Retry-After": "60"}


def refuse_other_sites(request: Request) -> None:
    """Nobody is signed in or out by a foreign page."""
    if not same_origin(request):
        raise Refusal(403, "this request came from another site")


async def begin_try(request: Request, services: Services, name: str = "") -> int | None:
    """The number of the try, to be forgiven when it succeeds; None where there were too many."""
    now = services.clock.now()
    unit = partial(people.begin_try, name=name.strip().lower()[:100], address=_address(request), now=now)
    return await services.database.write(unit)


def _address(request: Request) -> str:
    """Whom a try is counted for. Whoever has one IPv6 address has the 64 bits behind it too."""
    host = request.client.host if request.client else ""
    try:
        known = ip_address(host)
    except ValueError:
        return host
    return ":".join(known.exploded.split(":")[:4]) if isinstance(known, IPv6Address) else host


async def enter(request: Request, services: Services, value: str, lasts: timedelta, next: str) -> RedirectResponse:
    """Hands over the new session, always another one than the browser had, and leads to the pages."""
    if was := request.cookies.get(cookie_name(request)):
        await services.database.write(partial(access.sign_out, value=was))
    answer = RedirectResponse(inside(next), 303)
    answer.set_cookie(
        cookie_name(request),
        value,
        max_age=int(lasts.total_seconds()),
        secure=secure(request),
        httponly=True,
        samesite="lax",
    )
    return answer


def inside(next: str) -> str:
    """Where to go after signing in: an address of our own pages, never another site's."""
    try:
        parts = urlsplit(next)
    except ValueError:
        return HOME
    ours = not parts.scheme and not parts.netloc and parts.path.split("/")[1:2] == ["dashboard"]
    return next if ours and next.isprintable() and "\\" not in next else HOME
