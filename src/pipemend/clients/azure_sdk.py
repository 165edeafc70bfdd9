"""The part of the Azure client that needs the vendor's libraries. Import it late: it takes most of a second."""

import ipaddress
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import urlsplit

import aiohttp
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    DecodeError,
    HttpResponseError,
    IncompleteReadError,
    ServiceRequestError,
    ServiceRequestTimeoutError,
)
from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import AsyncHTTPPolicy
from azure.core.pipeline.transport import AioHttpTransport
from azure.core.rest import AsyncHttpResponse, HttpRequest
from azure.identity.aio import ClientSecretCredential, ManagedIdentityCredential
from azure.mgmt.datafactory.aio import DataFactoryManagementClient

import pipemend
from pipemend.clients.answers import refusal, retry_after, told
from pipemend.clients.bounded import session
from pipemend.core.errors import NoAnswer, NotAllowed, OutsideError, Unreachable, Unreadable
from pipemend.core.ports import Tokens
from pipemend.settings import Settings

# The library lets these through when an answer is no JSON, or a list, or has a field of another type.
ODD = (AzureError, ValueError, TypeError, AttributeError, KeyError, LookupError, RecursionError, TimeoutError)
TIMEOUTS: Mapping[str, Any] = {"connection_timeout": 5, "read_timeout": 30}


def service_principal(settings: Settings) -> AsyncTokenCredential:
    secret = settings.azure_client_secret
    return ClientSecretCredential(
        settings.azure_tenant_id,
        settings.azure_client_id,
        secret.get_secret_value() if secret else "",
        authority=settings.azure_authority_host,
        retry_total=1,
        transport=BoundedTransport(**TIMEOUTS),
    )


def managed_identity(settings: Settings) -> AsyncTokenCredential:
    return ManagedIdentityCredential(
        client_id=settings.azure_client_id or None, retry_total=1, transport=BoundedTransport(**TIMEOUTS)
    )


def data_factory_client(identity: Tokens, subscription: str, base_url: str) -> DataFactoryManagementClient:
    """The client of one subscription. It repeats nothing by itself: what may be repeated is decided by us."""
    return DataFactoryManagementClient(
        cast(AsyncTokenCredential, identity),  # never asked: our own policy signs
        subscription,
        base_url=base_url,
        authentication_policy=Signed(identity, _scope(base_url), allow_http=on_this_machine(base_url)),
        retry_total=0,
        user_agent=f"pipemend/{pipemend.__version__}",
        transport=BoundedTransport(**TIMEOUTS),
    )


class BoundedTransport(AioHttpTransport):  # type: ignore[misc]  # it is loaded in a way that mypy cannot follow
    """The library's transport, over a session that reads no more than it should. The session is made when needed."""

    session: aiohttp.ClientSession | None

    async def open(self) -> None:
        if self.session is None:
            self.session = session()
        await super().open()


class Signed(AsyncHTTPPolicy[HttpRequest, AsyncHttpResponse]):
    """Puts the bearer token on every request, and a new one when the first was refused with 401.

    A 401 says that nothing was done, so sending again is safe for every call. Tokens go over http only to a server on
    this machine.
    """

    def __init__(self, identity: Tokens, scope: str, *, allow_http: bool = False) -> None:
        super().__init__()
        self._identity = identity
        self._scope = scope
        self._allow_http = allow_http

    async def send(self, request: PipelineRequest[HttpRequest]) -> PipelineResponse[HttpRequest, AsyncHttpResponse]:
        if not self._allow_http and urlsplit(request.http_request.url).scheme != "https":
            raise Unreachable("Azure cannot be reached: tokens are not sent over http")
        token = await self._identity.token(self._scope)
        answer = await self._with(token, request)
        if answer.http_response.status_code == 401 and await self._identity.renew(token):
            answer = await self._with(await self._identity.token(self._scope), request)
        return answer

    async def _with(
        self, token: str, request: PipelineRequest[HttpRequest]
    ) -> PipelineResponse[HttpRequest, AsyncHttpResponse]:
        request.http_request.headers["Authorization"] = f"Bearer {token}"
        return await self.next.send(request)


def on_this_machine(url: str) -> bool:
    """Whether an address is plain http to a loopback host."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        return parts.scheme == "http" and ipaddress.ip_address(host).is_loopback
    except ValueError:
        return parts.scheme == "http" and host == "localhost"


def _scope(base_url: str) -> str:
    return "https://management.azure.com/.default" if on_this_machine(base_url) else f"{base_url.rstrip('/')}/.default"


def without_token(error: Exception) -> OutsideError:
    """Why no token could be had. Whatever it was, nothing has been sent with it."""
    if isinstance(error, OutsideError) and not isinstance(error, Unreadable):
        return error
    # The library says "authentication failed" of a broken line too: only an answer that says no is one.
    if isinstance(error, ClientAuthenticationError) and _status(error) in (400, 401, 403, 404):
        return NotAllowed(told("Entra ID", "gives our identity no token", _message(error)), status=401)
    return Unreachable(told("Azure", "cannot be asked: there is no token", _message(error)))


def _status(error: BaseException) -> int | None:
    """The status of the answer that an error, or what caused it, is about."""
    status = getattr(error, "status_code", None)
    return status if isinstance(status, int) or error.__cause__ is None else _status(error.__cause__)


def translated(error: Exception, what: str, *, starts: bool) -> OutsideError:
    """The library's error as ours. `starts`: the call starts something, so a lost answer leaves the outcome unknown."""
    if isinstance(error, IncompleteReadError):
        return NoAnswer(told(what, "broke off its answer"))
    if isinstance(error, DecodeError):
        return Unreadable(told(what, "gave an answer that makes no sense"))
    if isinstance(error, HttpResponseError) and error.status_code is not None:
        wait = retry_after(_headers(error))
        return refusal(error.status_code, what, _message(error), retry_after=wait, starts=starts)
    if isinstance(error, ServiceRequestTimeoutError) or _never_connected(error):
        return Unreachable(told(what, "cannot be reached", _message(error)))
    if isinstance(error, AzureError | TimeoutError):
        # "Server disconnected" comes as a ServiceRequestError too, and then the request had been sent.
        return NoAnswer(told(what, "did not answer", _message(error)))
    return Unreadable(told(what, "gave an answer that makes no sense", type(error).__name__))


def _never_connected(error: Exception) -> bool:
    inner = getattr(error, "inner_exception", None)
    return isinstance(error, ServiceRequestError) and isinstance(inner, aiohttp.ClientConnectorError)


def _headers(error: HttpResponseError) -> dict[str, str]:
    headers = getattr(error.response, "headers", None) or {}
    return {str(name).lower(): str(value) for name, value in headers.items()}


def _message(error: Exception) -> str:
    """The vendor's code and sentence, without the copy of the answer that the library appends."""
    model = getattr(error, "error", None)
    code, sentence = getattr(model, "code", None), getattr(model, "message", None)
    if code or sentence:
        return " ".join(str(part) for part in (code, sentence) if part)
    return (str(getattr(error, "message", "") or "") or str(error) or type(error).__name__).partition("\n")[0]
