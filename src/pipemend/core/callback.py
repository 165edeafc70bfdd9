"""Callbacks of playbooks: the address that goes with a call, and the token that proves it was ours."""

import hashlib
import hmac
from urllib.parse import urlencode

PATH = "/api/remediation-callback"


def token(secret: str, key: str) -> str:
    """What only we and the playbook of this attempt can know."""
    return hmac.new(secret.encode(), key.encode(), hashlib.sha256).hexdigest()


def admits(secret: str, key: str, given: str) -> bool:
    """Whether the token belongs to the attempt; takes the same time either way."""
    return hmac.compare_digest(token(secret, key).encode(), given.encode())


def address(public_url: str, secret: str, key: str) -> str:
    """Where the playbook of this attempt reports its end."""
    return f"{public_url}{PATH}?{urlencode({'attempt': key, 'token': token(secret, key)})}"
