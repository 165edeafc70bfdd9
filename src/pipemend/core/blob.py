"""A blob of Azure Storage that a pipeline reads, as a rule names it: by its address."""

import re
from urllib.parse import urlsplit

KINDS = frozenset({"blob", "dfs"})  # the second label of a storage account's hosts, in every cloud
SCHEME = re.compile(r"\s*[a-z][a-z0-9+.-]*://", re.IGNORECASE)
FORM = "https://account.blob.core.windows.net/container/path"


def is_address(upstream: str) -> bool:
    """Whether an upstream is meant as an address, well or badly written, and not as a `factory/pipeline`."""
    return bool(SCHEME.match(upstream)) or _of_storage(upstream.partition("/")[0])


def mistake(address: str) -> str | None:
    """What is wrong with a blob's address, or nothing. The address is never quoted: it may hold a secret."""
    if "?" in address or "#" in address:
        return "a blob's address ends with its path: a SAS is a secret, and the identity of the connection is used"
    try:
        parts = urlsplit(address)
        host, container, _, path = parts.hostname or "", *parts.path.lstrip("/").partition("/")
    except ValueError:
        return f"is no web address like {FORM}"
    # Plain http is for a twin on this machine; which hosts may be called is asked elsewhere.
    good = (parts.scheme == "https" and _of_storage(host)) or parts.scheme == "http"
    if not (good and container and path) or "@" in parts.netloc or any(sign.isspace() for sign in address):
        return f"a blob is named like {FORM}, with %20 for a space"
    return None


def _of_storage(host: str) -> bool:
    return not KINDS.isdisjoint(host.lower().split(".")[1:])
