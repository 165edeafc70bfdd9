"""How each service says no when nothing more is known than a status."""

from collections.abc import Callable
from http import HTTPStatus

from .wire import Answer, json_answer

ARM_CODES = {
    400: "BadRequest",
    401: "InvalidAuthenticationToken",
    403: "AuthorizationFailed",
    404: "ResourceNotFound",
    409: "Conflict",
    429: "TooManyRequests",
    500: "InternalServerError",
    502: "BadGateway",
    503: "ServiceUnavailable",
    504: "GatewayTimeout",
}
DATABRICKS_CODES = {
    400: "INVALID_PARAMETER_VALUE",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "RESOURCE_DOES_NOT_EXIST",
    409: "RESOURCE_CONFLICT",
    429: "REQUEST_LIMIT_EXCEEDED",
    500: "INTERNAL_ERROR",
    503: "TEMPORARILY_UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
GOOGLE_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
SLACK_ERRORS = {
    400: "invalid_arguments",
    401: "invalid_auth",
    403: "missing_scope",
    404: "channel_not_found",
    429: "ratelimited",
}


def refusal(service: str, status: int) -> Answer:
    """An error answer of this status in the service's own form."""
    return _FORMS.get(service, _azure)(status)


def arm_error(code: str, message: str, status: int, target: str | None = None) -> Answer:
    error: dict[str, object] = {"code": code, "message": message}
    if target is not None:
        error |= {"target": target, "details": None}
    return json_answer({"error": error}, status)


def jira_error(status: int, *messages: str, errors: dict[str, str] | None = None) -> Answer:
    return json_answer({"errorMessages": list(messages), "errors": errors or {}}, status)


def google_error(status: int, word: str, message: str, details: list[dict[str, object]] | None = None) -> Answer:
    error: dict[str, object] = {"code": status, "message": message, "status": word}
    if details:
        error["details"] = details
    return json_answer({"error": error}, status)


def databricks_error(code: str, message: str, status: int = 400) -> Answer:
    return json_answer({"error_code": code, "message": message}, status)


def slack_error(word: str, status: int = 200, **more: object) -> Answer:
    return json_answer({"ok": False, "error": word, **more}, status)


def pagerduty_error(status: int, *errors: str) -> Answer:
    word = "invalid event" if status == 400 else _phrase(status)
    return json_answer({"status": word, "message": "Event object is invalid", "errors": list(errors)}, status)


def _azure(status: int) -> Answer:
    return arm_error(ARM_CODES.get(status, "Error"), f"The request failed: {_phrase(status)}.", status)


def _identity(status: int) -> Answer:
    return json_answer({"statusCode": status, "message": _phrase(status), "correlationId": None}, status)


def _databricks(status: int) -> Answer:
    return databricks_error(DATABRICKS_CODES.get(status, "UNKNOWN"), f"{_phrase(status)}.", status)


def _slack(status: int) -> Answer:
    return slack_error(SLACK_ERRORS.get(status, "internal_error"), status)


def _jira(status: int) -> Answer:
    return jira_error(status, _phrase(status))


def _gemini(status: int) -> Answer:
    return google_error(status, GOOGLE_STATUSES.get(status, "UNKNOWN"), _phrase(status))


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else str(status)


_FORMS: dict[str, Callable[[int], Answer]] = {
    "identity": _identity,
    "databricks": _databricks,
    "slack": _slack,
    "jira": _jira,
    "pagerduty": pagerduty_error,
    "gemini": _gemini,
}
