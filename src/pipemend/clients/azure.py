"""Azure as our plug-ins speak it: one identity for the process, calls with a deadline, errors of ours.

The SDK itself is in `azure_sdk.py` and is loaded when it is first needed.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from functools import partial
from logging import getLogger
from typing import TYPE_CHECKING, TypeVar

from pipemend import meters
from pipemend.clients.answers import read_again, told
from pipemend.clients.pace import Pace
from pipemend.core.errors import NoAnswer, OutsideError, Throttled, Unreadable
from pipemend.settings import Settings

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

T = TypeVar("T")
log = getLogger(__name__)

WHAT = "Data Factory"
READ_SECONDS = 10.0
START_SECONDS = 30.0
TOKEN_SECONDS = 10.0
# What Resource Manager lets one identity read of one subscription: so many at once, then so many a second.
# https://learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling
PER_SECOND, AT_ONCE = 25.0, 250
RESTS = 1.0  # seconds without calls after a "slow down" that names no time
RENEW_PAUSE = 30.0  # a wrong identity is refused for every call: not each of them asks for a new token


class Identity:
    """One identity for all who call Azure, with its tokens.

    A token that Azure refuses is replaced once for all callers: the library hands out its cached one until it expires,
    so renewing means a new credential.
    """

    def __init__(self, make: Callable[[], "AsyncTokenCredential"]) -> None:
        self._make = make
        self._credential: AsyncTokenCredential | None = None
        self._retired: AsyncTokenCredential | None = None
        self._given: dict[str, str] = {}  # by scope, the latest token of the credential in use
        self._asking: dict[str, asyncio.Task[str]] = {}
        self._renewed_at = -RENEW_PAUSE
        self._renewing = asyncio.Lock()
        self.users = 0
        self._paces: dict[str, Pace] = {}

    def pace(self, subscription: str) -> Pace:
        """The budget of calls that this identity has in a subscription, shared by all who call with it."""
        return self._paces.setdefault(subscription.lower(), Pace(WHAT, per_second=PER_SECOND, at_once=AT_ONCE))

    async def token(self, scope: str) -> str:
        """A token for the scope. Raises OutsideError: NotAllowed, or Unreachable, for nothing was sent with it.

        All who ask at the same time share one request.
        """
        asking = self._asking.get(scope)
        if asking is None:
            asking = self._asking[scope] = asyncio.create_task(self._ask(scope))
            asking.add_done_callback(lambda task: self._answered(scope, task))
        return await asyncio.shield(asking)

    async def _ask(self, scope: str) -> str:
        from pipemend.clients.azure_sdk import without_token

        if self._credential is None:
            self._credential = self._make()
        credential = self._credential
        begun = time.perf_counter()
        try:
            async with asyncio.timeout(TOKEN_SECONDS):
                token = (await credential.get_token(scope)).token
        except Exception as error:  # the library lets KeyError and ValueError of odd answers through
            refused = without_token(error)
            meters.took("identity", "token", meters.word(refused), time.perf_counter() - begun)
            raise refused from None
        if token != self._given.get(scope):  # else the library had it still
            meters.took("identity", "token", "ok", time.perf_counter() - begun)
        if credential is self._credential:
            self._given[scope] = token
        return token

    def _answered(self, scope: str, task: "asyncio.Task[str]") -> None:
        if self._asking.get(scope) is task:
            del self._asking[scope]
        if not task.cancelled():
            task.exception()  # looked at: everybody who waited may have gone

    async def renew(self, refused: str) -> bool:
        """Gets a new credential because this token was refused; False when it would not help to ask again now."""
        async with self._renewing:
            if refused not in self._given.values():
                return True  # somebody else was faster
            now = asyncio.get_running_loop().time()
            if now - self._renewed_at < RENEW_PAUSE:
                return False
            log.warning("Azure refused the token: asking for a new one")
            # Calls may still be asking the old one, so it is closed a generation later.
            old, self._retired, self._credential = self._retired, self._credential, None
            self._given, self._asking, self._renewed_at = {}, {}, now
            if old is not None:
                await old.close()
            return True

    async def close(self) -> None:
        """Closes it when its last user does."""
        self.users -= 1
        if self.users > 0:
            return
        for key in [key for key, identity in _living.items() if identity is self]:
            del _living[key]
        for asking in list(self._asking.values()):
            asking.cancel()
        for credential in (self._credential, self._retired):
            if credential is not None:
                await credential.close()
        self._credential = self._retired = None


_living: dict[tuple[str, ...], Identity] = {}


def identity(settings: Settings) -> Identity:
    """The identity of these settings, shared by all who ask for it; each of them closes it once."""
    secret = settings.azure_client_secret
    key = (
        settings.azure_tenant_id,
        settings.azure_client_id,
        secret.get_secret_value() if secret else "",
        settings.azure_authority_host,
    )
    found = _living.get(key)
    if found is None:
        found = _living[key] = Identity(lambda: credential(settings))
    found.users += 1
    return found


def credential(settings: Settings) -> "AsyncTokenCredential":
    """A service principal where there is a secret, else the machine's own identity."""
    from pipemend.clients import azure_sdk

    if settings.azure_client_secret:
        return azure_sdk.service_principal(settings)
    show_endpoint(settings)
    return azure_sdk.managed_identity(settings)


def show_endpoint(settings: Settings) -> None:
    """Puts an App Service's identity where azure-identity looks for it; MSI_* are its old names."""
    endpoint, secret = settings.identity_endpoint, settings.identity_header
    if not endpoint and settings.msi_endpoint:
        log.warning("MSI_ENDPOINT and MSI_SECRET are old names: set IDENTITY_ENDPOINT and IDENTITY_HEADER")
        endpoint, secret = settings.msi_endpoint, settings.msi_secret
    if endpoint and not os.environ.get("IDENTITY_ENDPOINT"):
        os.environ["IDENTITY_ENDPOINT"] = endpoint
        os.environ["IDENTITY_HEADER"] = secret.get_secret_value() if secret else ""


async def read(operation: str, ask: Callable[[], Awaitable[T]], pace: Pace, seconds: float | None = None) -> T:
    """Asks Data Factory something that may be asked again. Raises OutsideError, within `seconds` or READ_SECONDS."""
    return await read_again(lambda: _in_turn(operation, ask, pace, starts=False), WHAT, seconds or READ_SECONDS)


async def start(operation: str, send: Callable[[], Awaitable[T]], pace: Pace) -> T:
    """Sends Data Factory something that starts work, once. Unreachable, Throttled, NotAllowed, Missing and Refused say
    that nothing was started; after NoAnswer and Unreadable it is unknown."""
    return await _in_turn(operation, partial(_sent, send), pace, starts=True)


async def _sent(send: Callable[[], Awaitable[T]]) -> T:
    try:
        async with asyncio.timeout(START_SECONDS):
            return await send()
    except TimeoutError:
        raise NoAnswer(told(WHAT, f"did not answer within {START_SECONDS:g} s")) from None


async def _in_turn(operation: str, call: Callable[[], Awaitable[T]], pace: Pace, *, starts: bool) -> T:
    """Waits for its turn, and keeps all who call with the same budget quiet when Azure asks for it."""
    await pace.turn()
    try:
        return await _translated(operation, call, starts=starts)
    except Throttled as error:
        if error.status == 429 or error.retry_after:  # a bare 503 is the word of one factory, or of a line to it
            pace.rest(error.retry_after or RESTS)
        raise


async def _translated(operation: str, call: Callable[[], Awaitable[T]], *, starts: bool) -> T:
    from pipemend.clients import azure_sdk

    with meters.outside("data_factory", operation):
        try:
            return await call()
        except Unreadable as error:
            said = told(WHAT, "gave an answer that makes no sense", str(error))
            raise Unreadable(said, status=error.status) from None
        except OutsideError:
            raise
        except azure_sdk.ODD as error:
            raise azure_sdk.translated(error, WHAT, starts=starts) from None
