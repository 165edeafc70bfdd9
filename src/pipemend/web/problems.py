"""Every error as a problem (RFC 9457). Here, and only here, our exceptions get their HTTP codes."""

import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import sqlalchemy as sa
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from pipemend.core.errors import BadDelivery, MoveRefused, NotFound, OutsideError, Overtaken, Stale
from pipemend.store.database import transient

MEDIA_TYPE = "application/problem+json"
SOON = {"Retry-After": "5"}
MISTAKE = "something went wrong here; the log says what"
log = logging.getLogger(__name__)

# Shows a problem as a page, or None where the caller is no browser.
Page = Callable[[Request, int, str], Response | None]


class Refusal(HTTPException):
    """A request that is answered with a problem; `field` is the part of it that is wrong."""

    def __init__(
        self, status: int, detail: str, *, field: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, detail, dict(headers) if headers else None)
        self.field = field


def problem(
    status: int,
    detail: str,
    *,
    field: str | None = None,
    errors: Sequence[Mapping[str, str]] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The answer that tells what went wrong, for a program and a person alike."""
    told: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if field is not None:
        told["field"] = field
    if errors:
        told["errors"] = errors
    return Response(json.dumps(told, ensure_ascii=False), status, headers, MEDIA_TYPE)


def unavailable(detail: str = "the database does not answer, please repeat") -> Response:
    return problem(503, detail, headers=SOON)


def install(app: FastAPI, page: Page) -> None:
    """From now on every error of `app` is a problem, or a page where a browser asked for one."""

    def answer(request: Request, status: int, detail: str, **more: Any) -> Response:
        return page(request, status, detail) or problem(status, detail, **more)

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - as it is registered below
        field = getattr(error, "field", None)
        return answer(request, error.status_code, str(error.detail), field=field, headers=error.headers)

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - as it is registered below
        if NOT_JSON & {e["type"] for e in error.errors()} and not _is_json(request):
            return answer(request, 415, "send the body with 'Content-Type: application/json'", field="body")
        errors = [{"field": _field(e["loc"]), "detail": str(e["msg"])} for e in error.errors()]
        first = errors[0]
        return answer(request, 422, f"{first['field']}: {first['detail']}", field=first["field"], errors=errors)

    async def away(request: Request, error: Exception) -> Response:
        if isinstance(error, sa.exc.SQLAlchemyError) and not transient(error):
            return await mistake(request, error)
        log.warning("the database did not answer", extra={"error": type(error).__name__})
        return answer(request, 503, "the database does not answer, please repeat", headers=SOON)

    async def mistake(request: Request, error: Exception) -> Response:
        return answer(request, 500, MISTAKE)

    app.add_exception_handler(Exception, mistake)
    for kind, status in STATUSES.items():
        app.add_exception_handler(kind, _named(status, answer))
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, invalid)
    for kind in (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError, TimeoutError):
        app.add_exception_handler(kind, away)


NOT_JSON = {"model_attributes_type", "dict_type", "json_invalid"}  # what a body is called that was not read as JSON


def _is_json(request: Request) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"


STATUSES: Mapping[type[Exception], int] = {
    NotFound: 404,
    Stale: 409,
    Overtaken: 409,
    MoveRefused: 409,
    BadDelivery: 400,
    OutsideError: 502,
}


def _named(status: int, answer: Callable[..., Response]) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def handle(request: Request, error: Exception) -> Response:
        text = f"somebody else changed it first ({error})" if isinstance(error, Overtaken) else str(error)
        return answer(request, status, text, field=getattr(error, "field", None))

    return handle


def _field(place: Sequence[object]) -> str:
    """`("query", "page")` is the field `page`; a whole body that makes no sense is `body`."""
    names = [str(part) for part in place if not isinstance(part, int)]
    return ".".join(names[1:]) or names[0]
