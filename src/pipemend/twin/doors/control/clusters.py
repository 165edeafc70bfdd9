"""Databricks clusters: what they are made of, how they start, and how they are broken."""

from typing import Any

from ...databricks.cluster_views import cluster_view
from ...databricks.clusters import Cluster
from ...databricks.libraries import BadLibrary, read_installs, read_library
from ...databricks.plans import BadPlan, read_habits
from ...databricks.reasons import USER, BadReason, read_reason
from ...databricks.workspace import Workspace
from ...operations import operation
from ...wire import Answer, Call, json_answer
from ...world import World
from .reading import SERVICE, body, done, not_there, refused
from .workspaces import PLACE, workspace

HABITS = ("starts", "start_seconds", "stop_seconds", "autostart", "ends_in")
SIZE = ("num_workers", "autoscale", "node_type_id", "driver_node_type_id")


def put_cluster(world: World, call: Call) -> Answer:
    """Makes the cluster if there is none; it is up unless `state` says TERMINATED. Starts are counted anew."""
    data, place = body(call, (*HABITS, *SIZE, "state", "libraries", "spec")), workspace(world, call)
    if data.get("state", "RUNNING") not in ("RUNNING", "TERMINATED") or not isinstance(data.get("spec", {}), dict):
        raise refused("state: RUNNING or TERMINATED; spec: an object")
    cluster = place.cluster(call.params["cluster"])
    new = cluster is None
    spec = {**data.get("spec", {}), **{name: data[name] for name in SIZE if name in data}}
    try:
        libraries = _libraries(data)
        if cluster is None:
            cluster = place.fleet.make(call.params["cluster"], spec)
        cluster.habits = read_habits(data, cluster.habits)
    except (BadPlan, BadLibrary, TypeError, ValueError) as wrong:
        raise refused(str(wrong)) from wrong
    if not new:
        cluster.spec |= spec
    for library, installs in libraries:
        cluster.libraries.tell(library, installs)
        cluster.libraries.ask(library, up=cluster.up)
    cluster.starts = 0
    if "state" in data or new:
        place.fleet.put(cluster, data.get("state", "RUNNING"))
    return json_answer({"cluster_id": cluster.id, "name": cluster.name, "state": cluster.state})


def _libraries(data: dict[str, Any]) -> list[tuple[dict[str, Any], Any]]:
    found = []
    for item in data.get("libraries") or ():
        told = item if isinstance(item, dict) and "library" in item else {"library": item}
        found.append((read_library(told["library"]), read_installs(told)))
    return found


def break_cluster(world: World, call: Call) -> Answer:
    """Takes it down for a reason, or with `stays_up` makes it useless until it is restarted."""
    data, place = body(call, ("reason", "stays_up")), workspace(world, call)
    cluster = _cluster(place, call)
    try:
        reason = read_reason(data.get("reason", "DRIVER_NOT_RESPONDING"))
    except BadReason as wrong:
        raise refused(str(wrong)) from wrong
    if data.get("stays_up"):
        place.fleet.sicken(cluster, reason)
    else:
        place.fleet.terminate(cluster, reason, told=True)
    return done()


def act(world: World, call: Call) -> Answer:
    """A person starts, restarts or terminates it."""
    place = workspace(world, call)
    cluster, what = _cluster(place, call), str(body(call, ("act",)).get("act"))
    fits = {"start": not cluster.up and not cluster.on_the_way, "restart": cluster.up, "terminate": True}
    if what not in fits:
        raise refused(f"act: one of {', '.join(fits)}")
    if not fits[what]:
        raise refused(f"the cluster is {cluster.state}", 409)
    if what == "terminate":
        place.fleet.terminate(cluster, USER)
    else:
        (place.fleet.start if what == "start" else place.fleet.restart)(cluster)
    return done()


def clusters(world: World, call: Call) -> Answer:
    place = workspace(world, call)
    shown = [
        {
            **cluster_view(one),
            "starts": one.starts,
            "libraries": [lib.as_dict() for lib in one.libraries.libraries.values()],
        }
        for one in place.fleet.clusters.values()
    ]
    return json_answer({"clusters": shown})


def _cluster(place: Workspace, call: Call) -> Cluster:
    cluster = place.cluster(call.params["cluster"])
    if cluster is None:
        raise not_there(f"cluster {call.params['cluster']}")
    return cluster


OPERATIONS = (
    operation(SERVICE, "putCluster", "PUT", PLACE + "/clusters/{cluster}", put_cluster),
    operation(SERVICE, "breakCluster", "POST", PLACE + "/clusters/{cluster}/break", break_cluster),
    operation(SERVICE, "actOnCluster", "POST", PLACE + "/clusters/{cluster}/act", act),
    operation(SERVICE, "clusters", "GET", PLACE + "/clusters", clusters),
)
