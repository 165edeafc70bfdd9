"""Azure Storage, as far as it says whether a blob is there. An answer to HEAD has no body: headers say what is wrong.

https://learn.microsoft.com/rest/api/storageservices/get-blob-properties
"""

import re
from email.utils import format_datetime

from ..identity import BadToken, check
from ..operations import Operation
from ..wire import Answer, Call, Headers
from ..world import World

SERVICE = "storage"
AUDIENCES = ("https://storage.azure.com", "https://storage.azure.com/")
BLOB = r"/(?P<container>[^/]+)/(?P<blob>.+)"


def head_blob(world: World, call: Call) -> Answer:
    if "authorization" not in call.headers:
        return _refused(call, 401, "NoAuthenticationInformation")
    try:
        check(world.identity, call.headers["authorization"], AUDIENCES)
    except BadToken:
        return _refused(call, 401, "InvalidAuthenticationInfo")
    if "x-ms-version" not in call.headers:
        return _refused(call, 400, "MissingRequiredHeader")
    if not world.storage.rights.network:
        return _refused(call, 403, "AuthorizationFailure")
    if not world.storage.rights.role:
        return _refused(call, 403, "AuthorizationPermissionMismatch")
    there = world.storage.blobs.get(name_of(call))
    if there is None:
        known = any(name.startswith(f"{call.params['container']}/") for name in world.storage.blobs)
        return _refused(call, 404, "BlobNotFound" if known else "ContainerNotFound")
    changed = ("Last-Modified", format_datetime(there, usegmt=True))
    return Answer(200, headers=(changed, ("x-ms-blob-type", "BlockBlob"), *_usual(call)))


def name_of(call: Call) -> str:
    """The container and the path of a blob, as they are spelt: both know upper and lower case."""
    return f"{call.params['container']}/{call.params['blob']}"


def _refused(call: Call, status: int, code: str) -> Answer:
    return Answer(status, headers=(("x-ms-error-code", code), *_usual(call)))


def _usual(call: Call) -> Headers:
    return (("x-ms-request-id", call.id), ("x-ms-version", call.headers.get("x-ms-version", "2009-09-19")))


OPERATIONS = (Operation(SERVICE, "getBlobProperties", "HEAD", re.compile("/storage" + BLOB), head_blob),)
