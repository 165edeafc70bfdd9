"""The door of a workspace: which one is meant, who is let in, how much it takes, and what a request says."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from ...databricks.clusters import Cluster
from ...databricks.paging import BadToken
from ...databricks.workspace import AUDIENCES, Workspace
from ...identity import BadToken as NotBelieved
from ...identity import check
from ...operations import Operation, operation
from ...refusals import databricks_error
from ...wire import Answer, Call, Refused, json_answer
from ...world import World

SERVICE = "databricks"
VERSIONS = {"jobs": ("2.0", "2.1", "2.2"), "clusters": ("2.0", "2.1"), "libraries": ("2.0",)}
BY = "api"


@dataclass(frozen=True)
class Asking:
    """One admitted request: its workspace and what it says, from the query of a GET or the body of a POST."""

    workspace: Workspace
    call: Call
    base_url: str
    given: dict[str, Any]

    def whole(self, name: str) -> int:
        """A whole number that has to be there, in digits or as a number."""
        value = self.number(name)
        if value is None:
            raise bad(f"Missing required field: {name}")
        return value

    def number(self, name: str, usual: int | None = None) -> int | None:
        value = self.given.get(name)
        if value is None:
            return usual
        if isinstance(value, bool) or not str(value).lstrip("-").isdecimal():
            raise bad(f"Could not parse request object: Expected '{name}' to be a whole number, got '{value}' instead.")
        return int(value)

    def text(self, name: str) -> str:
        value = self.given.get(name)
        if not isinstance(value, str) or not value:
            raise bad(f"Missing required field: {name}")
        return value

    def cluster(self) -> Cluster:
        """The cluster that the request names."""
        cluster_id = self.text("cluster_id")
        cluster = self.workspace.fleet.clusters.get(cluster_id)
        if cluster is None or cluster.deleted:
            raise bad(f"Cluster {cluster_id} does not exist")
        return cluster

    def flag(self, name: str) -> bool:
        return str(self.given.get(name, "")).casefold() == "true"


Handle = Callable[[Asking], Answer]


def bad(message: str, code: str = "INVALID_PARAMETER_VALUE", status: int = 400) -> Refused:
    return Refused(databricks_error(code, message, status))


def route(name: str, method: str, path: str, handle: Handle, *, acts: bool = False) -> Operation:
    """An operation below `/api/2.x/`. `acts` closes it to tokens that may only read."""
    group = path.partition("/")[0]

    def answer(world: World, call: Call) -> Answer:
        workspace = world.databricks.workspaces.get(call.workspace or "")
        if workspace is None or call.params["version"] not in VERSIONS[group]:
            raise bad(f"No API found for '{method} {call.path}'", "ENDPOINT_NOT_FOUND", 404)
        _admit(world, workspace, call, acts=acts)
        if not workspace.meter.allows(name, workspace.settings.limits):
            raise _too_many(workspace, name)
        base_url = world.ports.address(call.base_url, workspace.name)
        try:
            return handle(Asking(workspace, call, base_url, _given(call)))
        except BadToken as wrong:
            raise bad(f"Invalid page token: {wrong}") from wrong

    return operation(SERVICE, name, method, f"/api/{{version}}/{path}", answer)


def done(**given: Any) -> Answer:
    return json_answer(given)


def _admit(world: World, workspace: Workspace, call: Call, *, acts: bool) -> None:
    authorization, settings = call.headers.get("authorization", ""), workspace.settings
    scheme, _, token = authorization.partition(" ")
    if scheme.casefold() != "bearer" or not token:
        message = "Credential was not sent or was of an unsupported type for this API."
        raise bad(f"{message} [ReqId: {call.id}]", "401", 401)
    if token in settings.tokens:
        return
    if token in settings.readers:
        if acts:
            raise bad("User does not have the permission to perform this action.", "PERMISSION_DENIED", 403)
        return
    if not settings.entra or token.count(".") != 2:
        raise bad(f"Invalid access token. [ReqId: {call.id}]", "403", 403)
    try:
        check(world.identity, authorization, AUDIENCES)
    except NotBelieved as wrong:
        raise bad(f"{wrong} [ReqId: {call.id}]", "401", 401) from wrong


def _too_many(workspace: Workspace, name: str) -> Refused:
    message = f"Current request has to be retried later: the rate limit of {name} in this workspace is exceeded."
    answer = databricks_error("REQUEST_LIMIT_EXCEEDED", message, 429)
    wait = workspace.settings.retry_after
    headers = () if wait is None else (("Retry-After", f"{wait:g}"),)
    return Refused(replace(answer, headers=(*answer.headers, *headers)))


def _given(call: Call) -> dict[str, Any]:
    if call.method == "GET":
        return dict(call.query)
    try:
        data = call.json()
    except ValueError as wrong:
        raise bad(f"Invalid JSON given in the body of the request - {wrong}", "MALFORMED_REQUEST") from wrong
    if data is not None and not isinstance(data, dict):
        raise bad("Invalid JSON given in the body of the request - expected a map", "MALFORMED_REQUEST")
    return data or {}
