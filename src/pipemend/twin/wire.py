"""What comes in and what goes out, as values: handlers see no web framework."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Call:
    """One request, read to its end. Header names are lower case."""

    id: str
    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    base_url: str = ""
    client: str | None = None
    port: int | None = None
    workspace: str | None = None
    params: Mapping[str, str] = field(default_factory=dict)

    def json(self) -> Any:
        """The body as JSON; an empty body is None. Raises ValueError."""
        return json.loads(self.body) if self.body.strip() else None

    def holds(self, text: str) -> bool:
        """Whether the address or the body has this text in it, as it was sent."""
        query = (f"{name}={value}" for name, value in self.query.items())
        return text in self.path or any(text in part for part in query) or text.encode() in self.body

    def fields(self) -> dict[str, Any]:
        """The body as a JSON object or a form; anything else is no fields."""
        if self.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            return dict(parse_qsl(self.body.decode("utf-8", "replace")))
        try:
            data = self.json()
        except ValueError:
            return {}
        return data if isinstance(data, dict) else {}


@dataclass(frozen=True)
class Answer:
    """One response. It is sent `delay` seconds after the work was done.

    With `instead` the work goes on: what that comes to is sent in its place.
    """

    status: int = 200
    body: bytes = b""
    headers: Headers = ()
    delay: float = 0.0
    instead: "Callable[[], Awaitable[Answer]] | None" = None


class Refused(Exception):
    """The request is answered without doing what it asks."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def json_answer(data: object, status: int = 200, headers: Headers = (), delay: float = 0.0) -> Answer:
    body = json.dumps(data, ensure_ascii=False).encode()
    return Answer(status, body, (("Content-Type", "application/json; charset=utf-8"), *headers), delay)


def text_answer(text: str, status: int = 200, headers: Headers = (), delay: float = 0.0) -> Answer:
    return Answer(status, text.encode(), (("Content-Type", "text/plain; charset=utf-8"), *headers), delay)


def html_answer(status: int = 200, headers: Headers = (), delay: float = 0.0) -> Answer:
    """The page of a proxy that stands in the way."""
    page = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body><h1>Please sign in</h1></body></html>"
    return Answer(status, page, (("Content-Type", "text/html; charset=utf-8"), *headers), delay)


def within(given: Any, name: str) -> dict[str, Any]:
    """The object of this name; whatever else stands there counts as none."""
    inner = given.get(name) if isinstance(given, dict) else None
    return inner if isinstance(inner, dict) else {}


def items(given: Any, name: str) -> list[dict[str, Any]]:
    """The objects in the list of this name."""
    inner = given.get(name) if isinstance(given, dict) else None
    return [item for item in inner if isinstance(item, dict)] if isinstance(inner, list) else []
