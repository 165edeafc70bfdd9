"""A Jira of a few lines: issues, comments, and a workflow that a test can draw."""

from base64 import b64encode
from collections.abc import Iterator
from itertools import count
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.notifiers.serving import Vendor

EMAIL, TOKEN = "twin@example.com", "twin-jira-token"
BASIC = "Basic " + b64encode(f"{EMAIL}:{TOKEN}".encode()).decode()
CATEGORIES = {
    "To Do": "new",
    "In Progress": "indeterminate",
    "In Review": "indeterminate",
    "Done": "done",
    "Gone": "done",
}
SIMPLE = {"To Do": ["In Progress", "Done"], "In Progress": ["To Do", "Done"], "Done": ["To Do"]}


class TinyJira(Vendor):
    """`workflow` says which status leads where; `screens` are statuses that are entered with a resolution only."""

    def __init__(self) -> None:
        super().__init__()
        self.issues: dict[str, dict[str, Any]] = {}
        self.workflow = SIMPLE
        self.screens: dict[str, list[str]] = {}
        self.search_sees = True
        self._numbers = count(1)
        paths = ("/issue", "/search/jql", "/issue/{key}", "/issue/{key}/comment", "/issue/{key}/transitions")
        verbs = ["GET", "POST", "PUT"]
        self.app = Starlette(routes=[Route(f"/rest/api/3{path}", self.handle, methods=verbs) for path in paths])

    async def work(self, request: Request) -> Response:
        if request.headers.get("authorization") != BASIC:
            return refusal(401, "Client must be authenticated to access this resource.")
        body = await request.json() if request.method in ("POST", "PUT") else {}
        if problem := next(empty_texts(body), None):
            return refusal(400, problem)
        what = request.url.path.rsplit("/", 1)[-1]
        if what == "issue":
            return self._create(body["fields"])
        if what == "jql":
            found = [issue for issue in self.issues.values() if f'"{issue["labels"][0]}"' in body["jql"]]
            shown = [{"id": issue["id"], "key": issue["key"], "fields": _fields(issue)} for issue in found[:1]]
            return JSONResponse({"issues": shown if self.search_sees else [], "isLast": True})
        issue = self.issues.get(request.path_params["key"])
        return self._about(request.method, what, issue, body) if issue else refusal(404, "Issue does not exist.")

    @property
    def issue(self) -> dict[str, Any]:
        return next(iter(self.issues.values()))

    def comments(self) -> list[str]:
        return [as_read(comment["body"]) for comment in self.issue["comments"]]

    def _create(self, fields: dict[str, Any]) -> Response:
        if "\n" in fields["summary"] or not 0 < len(fields["summary"].encode("utf-16-le")) // 2 <= 255:
            return refusal(400, summary="The summary is invalid because it contains newline characters.")
        if len(as_read(fields["description"])) > 32_767:
            return refusal(400, description="The entered text is too long.")
        key = f"{fields['project']['key']}-{next(self._numbers)}"
        self.issues[key] = {
            "id": f"100{key[-1]}",
            "key": key,
            **fields,
            "status": "To Do",
            "comments": [],
            "created": 1,
            "updated": 1,
        }
        return JSONResponse({"id": f"100{key[-1]}", "key": key, "self": "…"}, 201)

    def _about(self, method: str, what: str, issue: dict[str, Any], body: dict[str, Any]) -> Response:
        match method, what:
            case "GET", "comment":
                return JSONResponse({"comments": issue["comments"][::-1], "total": len(issue["comments"])})
            case "POST", "comment":
                issue["comments"].append(body)
                return JSONResponse({"id": "1"}, 201)
            case "GET", "transitions":
                return JSONResponse({"transitions": [self._offer(name) for name in self.workflow[issue["status"]]]})
            case "POST", "transitions":
                return self._move(issue, body)
            case "PUT", _:
                issue.update(body["fields"], updated=2)
                return Response(status_code=204)
        return JSONResponse({"key": issue["key"], "fields": _fields(issue)})

    def _offer(self, name: str) -> dict[str, Any]:
        """Named after anything but where it leads, as in real life."""
        allowed = [{"name": value} for value in self.screens.get(name, ())]
        fields = {"resolution": {"required": True, "allowedValues": allowed}} if allowed else {}
        return {
            "id": str(10 * list(CATEGORIES).index(name) + 1),
            "name": "Close Issue" if name != "Done" else "Ship it",
            "hasScreen": name in self.screens,
            "to": _status(name),
            "fields": fields,
        }

    def _move(self, issue: dict[str, Any], body: dict[str, Any]) -> Response:
        offered = {self._offer(name)["id"]: name for name in self.workflow[issue["status"]]}
        name = offered.get(body["transition"]["id"])
        if name is None:
            return refusal(400, "It seems that you have tried to perform a workflow operation that is not valid.")
        resolution = body.get("fields", {}).get("resolution", {}).get("name")
        if name in self.screens and resolution not in self.screens[name]:
            return refusal(400, resolution="Resolution is required.")
        issue.update(status=name, resolution=resolution)
        return Response(status_code=204)


def _fields(issue: dict[str, Any]) -> dict[str, Any]:
    told = {name: issue[name] for name in ("summary", "description", "created", "updated")}
    return {"status": _status(issue["status"]), **told}


def refusal(status: int, *messages: str, **errors: str) -> Response:
    return JSONResponse({"errorMessages": list(messages), "errors": errors}, status)


def empty_texts(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if node.get("type") == "text" and not node.get("text"):
            yield "INVALID_INPUT"
        node = list(node.values())
    for part in node if isinstance(node, list) else ():
        yield from empty_texts(part)


def as_read(node: Any) -> str:
    """A document as a person reads it."""
    if node.get("type") == "text":
        return str(node["text"])
    inner = "".join(as_read(part) for part in node.get("content", ()))
    return "\n" if node["type"] == "hardBreak" else f"{inner}\n" if node["type"] in BREAKS else inner


BREAKS = ("paragraph", "heading", "codeBlock")


def _status(name: str) -> dict[str, Any]:
    return {"name": name, "statusCategory": {"key": CATEGORIES[name]}}
