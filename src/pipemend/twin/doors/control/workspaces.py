"""Databricks workspaces: where they answer and whom they let in, what they post, and what was done there."""

from dataclasses import asdict
from typing import Any

from ...databricks.run_views import SHAPES
from ...databricks.workspace import Workspace
from ...operations import operation
from ...wire import Answer, Call, json_answer
from ...world import WORKSPACE, World
from .reading import SERVICE, body, changed_by, not_there, refused

PLACE = "/twin/databricks/{workspace}"


def put_workspace(world: World, call: Call) -> Answer:
    """Makes the workspace if there is none. Each but the first has a port of its own; 0 is any that is free."""
    data, name = body(call), call.params["workspace"]
    port = data.pop("port", 0)
    if not isinstance(port, int) or isinstance(port, bool):
        raise refused("port: a whole number")
    workspace = world.databricks.define(name)
    nothing = [name for name, value in data.items() if value is None and name != "retry_after"]
    if nothing:
        raise refused(f"{nothing[0]}: something is due")
    settings = changed_by(workspace.settings, data)
    if settings.state_shape not in SHAPES:
        raise refused(f"state_shape: one of {', '.join(SHAPES)}")
    if not all(isinstance(limit, int | float) for limit in settings.limits.values()):
        raise refused("limits: a number of requests a second by operation")
    workspace.settings = settings
    if name != WORKSPACE:
        try:
            world.ports.port(name, port)
        except OSError as taken:
            raise refused(f"port {port}: {taken.strerror}", 409) from taken
    return json_answer(shown(world, workspace, call))


def shown(world: World, workspace: Workspace, call: Call) -> dict[str, Any]:
    return {
        "name": workspace.name,
        "url": world.ports.address(call.base_url, workspace.name),
        "workspace_id": workspace.id,
        **asdict(workspace.settings),
        "jobs": {job.name: job.id for job in workspace.jobs.values()},
        "clusters": {one.name: one.id for one in workspace.fleet.clusters.values() if one.source == "UI"},
    }


def workspaces(world: World, call: Call) -> Answer:
    return json_answer({"workspaces": [shown(world, one, call) for one in world.databricks.workspaces.values()]})


def put_destination(world: World, call: Call) -> Answer:
    notifications = workspace(world, call).notifications
    notifications.destination = changed_by(notifications.destination, body(call))
    return json_answer(asdict(notifications.destination))


def acts(world: World, call: Call) -> Answer:
    """Everything that was started or changed through the API, by playbooks, pipelines or people."""
    return json_answer({"acts": workspace(world, call).acts})


def webhooks(world: World, _: Call) -> Answer:
    return json_answer({"webhooks": [delivery.as_dict() for delivery in world.databricks.post.deliveries]})


def again(world: World, call: Call) -> Answer:
    number = call.params["n"]
    old = world.databricks.delivery(int(number)) if number.isdecimal() else None
    if old is None:
        raise not_there(f"webhook {number}")
    return json_answer({"n": world.databricks.workspaces[old.about["workspace"]].notifications.again(old).n})


def workspace(world: World, call: Call) -> Workspace:
    found = world.databricks.workspaces.get(call.params["workspace"])
    if found is None:
        raise not_there(f"workspace {call.params['workspace']}")
    return found


OPERATIONS = (
    operation(SERVICE, "workspaces", "GET", "/twin/databricks", workspaces),
    operation(SERVICE, "putWorkspace", "PUT", PLACE, put_workspace),
    operation(SERVICE, "putDestination", "PUT", PLACE + "/destination", put_destination),
    operation(SERVICE, "acts", "GET", PLACE + "/acts", acts),
    operation(SERVICE, "webhooks", "GET", "/twin/webhooks", webhooks),
    operation(SERVICE, "webhookAgain", "POST", "/twin/webhooks/{n}/again", again),
)
