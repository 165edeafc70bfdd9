"""An OpenID Connect provider at which one person is signed in: whoever comes by is sent back as them."""

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

CLIENT_ID = "pipemend"
CLIENT_SECRET = "twin-oidc-secret"  # noqa: S105 - good for the twin alone
LIVES = 300


@dataclass(frozen=True)
class Present:
    """Who is signed in at the provider. `claims` beat what an honest token says, `signed` is how it is signed."""

    subject: str = "u-0001"
    name: str = "ada@example.com"
    groups: tuple[str, ...] = ("data-platform",)
    claims: dict[str, Any] = field(default_factory=dict)
    signed: str = "RS256"  # or "stranger", "HS256", "none"
    calls_itself: str = ""  # another issuer in its own description


@dataclass(frozen=True)
class Code:
    """What an authorisation code stands for."""

    redirect_uri: str
    challenge: str
    nonce: str | None


class Provider:
    """Its key, and the codes that were not redeemed yet."""

    def __init__(self) -> None:
        self.present = Present()
        self._codes: dict[str, Code] = {}

    @cached_property
    def key(self) -> RSAKey:
        return RSAKey.generate_key(2048, {"kid": "twin", "use": "sig"}, private=True)

    def authorise(self, redirect_uri: str, challenge: str, nonce: str | None) -> str:
        code = secrets.token_urlsafe(16)
        self._codes[code] = Code(redirect_uri, challenge, nonce)
        return code

    def redeem(self, code: str, redirect_uri: str, verifier: str) -> Code | None:
        """What the code stands for; a code is good once, for whoever asked for it."""
        known = self._codes.pop(code, None)
        proof = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        fits = known is not None and known.redirect_uri == redirect_uri and known.challenge == proof
        return known if fits else None

    def id_token(self, issuer: str, nonce: str | None) -> str:
        now, who = int(time.time()), self.present
        honest: Mapping[str, Any] = {
            "iss": issuer,
            "sub": who.subject,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + LIVES,
            "nonce": nonce,
            "preferred_username": who.name,
            "groups": list(who.groups),
        }
        return self._signed({**honest, **who.claims})

    def _signed(self, claims: dict[str, Any]) -> str:
        kind = self.present.signed
        if kind == "none":
            return f"{_coded({'alg': 'none'})}.{_coded(claims)}."
        if kind == "HS256":  # with our client's own secret, which is no proof of whose word it is
            return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(CLIENT_SECRET))
        key = RSAKey.generate_key(2048) if kind == "stranger" else self.key
        return jwt.encode({"alg": "RS256", "kid": "twin"}, claims, key)


def _coded(part: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
