"""Whether a blob that a pipeline reads is there, asked with the identity of the pipeline's connection.

What the call looks like: https://learn.microsoft.com/rest/api/storageservices/get-blob-properties
"""

from collections.abc import Mapping

from pipemend import meters
from pipemend.clients.answers import read_again, refusal, retry_after, told
from pipemend.clients.http import Answer, Http
from pipemend.core.attempt import Attempt, Declined
from pipemend.core.errors import Missing, NotAllowed, OutsideError
from pipemend.core.ports import HasIdentity, Platform, Tokens

WHAT, ROLE = "Azure Storage", "Storage Blob Data Reader"
SCOPE, VERSION = "https://storage.azure.com/.default", "2021-12-02"
READ_SECONDS = 10.0
KEPT_OUT = "AuthorizationFailure"  # what the network rules of an account say; a missing role has another code


class Blobs:
    """Looks for blobs; how old they are is not asked."""

    def __init__(self, http: Http, platforms: Mapping[str, Platform]) -> None:
        self._http = http
        self._platforms = platforms

    async def awaited(self, attempt: Attempt, address: str) -> str | Declined:
        """Why the blob is waited for, nothing when it is there; Declined where waiting will not help."""
        platform = self._platforms[attempt.platform]
        identity = platform.identity(attempt.resource) if isinstance(platform, HasIdentity) else None
        if identity is None:
            why = f"{attempt.resource_name} has no identity in Azure with which to look for the blob {address}"
            return Declined(why, final=True)
        try:
            await self._look(identity, address)
        except Missing:
            return f"it waits for the blob {address}"
        except NotAllowed as error:
            why = f"{attempt.resource_name} may not look for the blob {address}, which is upstream of it: {error}"
            return Declined(why, final=True)
        except OutsideError as error:
            return f"nobody can say whether the blob {address} is there: {error}"
        return ""

    async def _look(self, identity: Tokens, address: str) -> None:
        """Raises OutsideError, within READ_SECONDS: Missing when it is not there."""
        await read_again(lambda: self._ask(identity, address), WHAT, READ_SECONDS)

    async def _ask(self, identity: Tokens, address: str) -> None:
        token = await identity.token(SCOPE)
        with meters.outside("storage", "head"):
            answer = await self._head(token, address)
            if answer.status == 401 and await identity.renew(token):
                answer = await self._head(await identity.token(SCOPE), address)
            if not answer.good:
                raise _refused(answer)

    async def _head(self, token: str, address: str) -> Answer:
        headers = {"Authorization": f"Bearer {token}", "x-ms-version": VERSION}
        return await self._http.send(WHAT, "HEAD", address, deadline=READ_SECONDS, headers=headers)


def _refused(answer: Answer) -> OutsideError:
    """An answer to HEAD has no body: the reason is in a header."""
    code = answer.headers.get("x-ms-error-code", "")
    if answer.status not in (401, 403):
        return refusal(answer.status, WHAT, code, retry_after=retry_after(answer.headers))
    happened = f"answered {answer.status} {code}".rstrip()
    lacks = f"its identity needs the role {ROLE} there"
    rules = ", and the network rules of the account have to let Pipemend in" if code == KEPT_OUT else ""
    return NotAllowed(told(WHAT, happened, f"{lacks}{rules}"), status=answer.status)
