"""Single sign-on by OpenID Connect: a code with PKCE, state and nonce; whom the provider means, and their role."""

import asyncio
import hashlib
import logging
import ssl
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx2
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.starlette_client import OAuth
from fastapi import FastAPI, Request
from joserfc.errors import JoseError
from starlette.middleware.sessions import SessionMiddleware
from starlette.responses import Response

from pipemend.core.errors import OutsideError
from pipemend.settings import Settings
from pipemend.store.access import ROLES

PATH = "/login/oidc"
SECONDS = 8.0  # for all calls of one step
UNFINISHED = 600  # seconds in which one has to come back
SIGNED = {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}  # not by our secret
NAMES = ("preferred_username", "email", "upn")
T = TypeVar("T")
log = logging.getLogger(__name__)


class Unbelievable(Exception):
    """What came back from the provider proves nobody's identity; the text may be shown."""


@dataclass(frozen=True, slots=True)
class Person:
    """Whom the provider has signed in. `role` is None where none of their groups has one here."""

    issuer: str
    subject: str
    name: str
    role: str | None


class Provider:
    """The one that is configured; there is never a second to be confused with it."""

    def __init__(self, settings: Settings) -> None:
        assert settings.oidc_client_secret is not None  # noqa: S101 - the settings come whole or not at all
        self.settings = settings
        oauth = OAuth()  # type: ignore[no-untyped-call]
        self.client = oauth.register(  # type: ignore[no-untyped-call]
            "oidc",
            client_id=settings.oidc_client_id,
            client_secret=settings.oidc_client_secret.get_secret_value(),
            server_metadata_url=f"{settings.oidc_issuer.rstrip('/')}/.well-known/openid-configuration",
            client_kwargs={
                "scope": "openid profile email",
                "code_challenge_method": "S256",
                "timeout": SECONDS,
                "verify": ssl.create_default_context(),  # reading it takes a while, so once
            },
        )

    async def send_off(self, request: Request) -> Response:
        """To the provider, with what proves later that it is the same browser that comes back. Raises OutsideError."""
        await self._introduced()
        answer: Response = await _in_time(
            self.client.authorize_redirect(request, f"{self.settings.public_url}{PATH}/done")
        )
        return answer

    async def welcome_back(self, request: Request) -> Person:
        """Whom it has signed in. Raises Unbelievable and OutsideError."""
        told = request.query_params.get("iss")
        if told is not None and told != self.settings.oidc_issuer:
            raise Unbelievable("this answer comes from another provider")
        await self._introduced()
        wanted = {
            "iss": {"essential": True, "values": [self.settings.oidc_issuer]},
            "aud": {"essential": True, "values": [self.settings.oidc_client_id]},
        }
        try:
            token = await _in_time(self.client.authorize_access_token(request, claims_options=wanted))
        except (AuthlibBaseError, JoseError) as error:
            log.warning("a sign-in was refused", extra={"error": type(error).__name__, "reason": str(error)[:300]})
            raise Unbelievable("the sign-in was refused, or took too long: please try again") from None
        claims = token.get("userinfo")
        if not claims or not claims.get("sub"):
            raise Unbelievable("the provider did not say who you are")
        return person_of(claims, self.settings)

    async def _introduced(self) -> None:
        """Its own description must say that it is the one we mean; it signs in a way that nobody else can."""
        known = await _in_time(self.client.load_server_metadata())
        if known.get("issuer") != self.settings.oidc_issuer:
            raise OutsideError(f"OIDC_ISSUER: the provider there calls itself {known.get('issuer')}", transient=False)
        kinds = SIGNED.intersection(known.get("id_token_signing_alg_values_supported") or ())
        known["id_token_signing_alg_values_supported"] = sorted(kinds) or ["RS256"]


def install(app: FastAPI, settings: Settings, secret: str) -> Provider | None:
    """The provider of the settings. What it needs to know again is in a signed cookie, for ten minutes."""
    if not settings.oidc_issuer:
        return None
    app.add_middleware(
        SessionMiddleware,
        secret_key=hashlib.sha256(f"single sign-on:{secret}".encode()).hexdigest(),
        session_cookie="pipemend-sso",
        max_age=UNFINISHED,
        path=PATH,
        same_site="lax",
        https_only=settings.public_url.startswith("https:"),
    )
    return Provider(settings)


def person_of(claims: Mapping[str, Any], settings: Settings) -> Person:
    """Raises Unbelievable when there is no name in it."""
    name = next((str(claims[claim]) for claim in NAMES if claims.get(claim)), None)
    if name is None:
        raise Unbelievable(f"the provider sent none of {', '.join(NAMES)}")
    return Person(settings.oidc_issuer, str(claims["sub"]), name, role_of(claims, settings))


def role_of(claims: Mapping[str, Any], settings: Settings) -> str | None:
    """The highest role that one of the groups has."""
    given = claims.get(settings.oidc_groups_claim) or ()
    held = {given} if isinstance(given, str) else {str(group) for group in given}
    wanted = settings.oidc_groups
    return next((role for role in reversed(ROLES) if "*" in wanted[role] or wanted[role] & held), None)


async def _in_time(work: Awaitable[T]) -> T:
    try:
        async with asyncio.timeout(SECONDS):
            return await work
    except (httpx2.HTTPError, TimeoutError, ValueError, RuntimeError) as error:
        if isinstance(error, JoseError | AuthlibBaseError):
            raise
        log.warning("the single sign-on did not answer", extra={"error": type(error).__name__})
        raise OutsideError("the single sign-on did not answer: please try again", transient=True) from None
