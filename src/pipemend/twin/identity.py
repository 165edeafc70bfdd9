"""Managed identity of an App Service, and the tokens that Resource Manager and Databricks believe."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

HEADER_VALUE = "twin-identity"
AUDIENCES = (
    "https://management.core.windows.net/",
    "https://management.core.windows.net",
    "https://management.azure.com/",
    "https://management.azure.com",
)
_SECRET = b"not a secret: tokens of the twin are good for the twin alone"


@dataclass(frozen=True)
class Identity:
    """How long tokens live, and from which generation on they are believed."""

    expires_in: int = 86400
    generation: int = 0


class BadToken(Exception):
    """The token is not believed; the code is Resource Manager's word for why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def grant(identity: Identity, resource: str) -> tuple[str, int]:
    """A token for this resource, and when it expires."""
    expires_on = int(time.time()) + identity.expires_in
    return issue({"aud": resource, "exp": expires_on, "gen": identity.generation, "oid": "twin"}), expires_on


def issue(claims: dict[str, Any]) -> str:
    """A token in the form of a JWT."""
    head, body = _coded(b'{"alg":"HS256","typ":"JWT"}'), _coded(json.dumps(claims).encode())
    return f"{head}.{body}.{_signature(f'{head}.{body}')}"


def check(identity: Identity, authorization: str, audiences: Sequence[str] = AUDIENCES) -> None:
    """Raises BadToken unless the header holds a token that is ours, alive and meant for one of these audiences."""
    scheme, _, given = authorization.partition(" ")
    if scheme.casefold() != "bearer" or not given:
        raise BadToken("AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.")
    claims = _claims(given)
    if claims is None or claims.get("gen") != identity.generation:
        raise BadToken("InvalidAuthenticationToken", "The access token is invalid.")
    if claims["exp"] <= time.time():
        raise BadToken("ExpiredAuthenticationToken", "The access token expiry UTC time is earlier than current time.")
    if claims["aud"] not in audiences:
        allowed = ",".join(f"'{audience}'" for audience in audiences)
        message = (
            f"The access token has been obtained for wrong audience or resource '{claims['aud']}'. It should exactly "
            f"match with one of the allowed audiences {allowed}."
        )
        raise BadToken("InvalidAuthenticationTokenAudience", message)


def _claims(given: str) -> dict[str, Any] | None:
    signed, _, signature = given.rpartition(".")
    if not signed or not hmac.compare_digest(signature.encode(), _signature(signed).encode()):
        return None
    body = signed.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return claims if isinstance(claims, dict) else None


def _signature(text: str) -> str:
    return _coded(hmac.new(_SECRET, text.encode(), hashlib.sha256).digest())


def _coded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
