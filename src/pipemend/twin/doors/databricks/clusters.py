"""clusters/get, list, list-node-types, events, start, restart, edit, resize and delete."""

from typing import Any

from ...databricks.cluster_views import cluster_view, node_type_views
from ...databricks.clusters import Cluster
from ...databricks.reasons import USER
from ...databricks.runs import Asked
from ...wire import Answer
from .door import BY, Asking, bad, done, route

EVENTS_A_PAGE = 50
MOST_EVENTS = 500
REQUIRED = ("spark_version", "cluster_name")
TAKEN = (
    *("cluster_name", "spark_version", "node_type_id", "driver_node_type_id", "num_workers", "autoscale"),
    *("autotermination_minutes", "azure_attributes", "cluster_log_conf", "custom_tags", "data_security_mode"),
    *("docker_image", "driver_instance_pool_id", "enable_elastic_disk", "enable_local_disk_encryption"),
    *("init_scripts", "instance_pool_id", "is_single_node", "kind", "policy_id", "runtime_engine"),
    *("single_user_name", "spark_conf", "spark_env_vars", "ssh_public_keys", "use_ml_runtime", "workload_type"),
)


def get_cluster(asking: Asking) -> Answer:
    return done(**cluster_view(asking.cluster()))


def list_clusters(asking: Asking) -> Answer:
    found = [one for one in asking.workspace.fleet.clusters.values() if not one.deleted]
    return done(**({"clusters": [cluster_view(one, spec=False) for one in reversed(found)]} if found else {}))


def list_node_types(asking: Asking) -> Answer:
    return done(node_types=node_type_views())


def events(asking: Asking) -> Answer:
    """Newest first unless `order` says otherwise, with `next_page` as the next request."""
    cluster, kinds = asking.cluster(), asking.given.get("event_types") or []
    if not isinstance(kinds, list):
        raise bad("Could not parse request object: Expected 'event_types' to be a list.")
    earliest, latest = asking.number("start_time", 0) or 0, asking.number("end_time")
    found = [
        event
        for event in cluster.events
        if (not kinds or event["type"] in kinds)
        and event["timestamp"] >= earliest
        and (latest is None or event["timestamp"] <= latest)
    ]
    if asking.given.get("order", "DESC") != "ASC":
        found.reverse()
    size = min(asking.number("limit", EVENTS_A_PAGE) or EVENTS_A_PAGE, MOST_EVENTS)
    start = max(asking.number("offset", 0) or 0, 0)
    shown: dict[str, Any] = {"events": found[start : start + size], "total_count": len(found)}
    if start + size < len(found):
        shown["next_page"] = {**asking.given, "offset": start + size, "limit": size}
    return done(**shown)


def start(asking: Asking) -> Answer:
    cluster = asking.cluster()
    if cluster.state not in ("TERMINATED", "ERROR"):
        raise _unexpected(cluster)
    asking.workspace.fleet.start(cluster)
    return _acted(asking, "startCluster", cluster)


def restart(asking: Asking) -> Answer:
    cluster = asking.cluster()
    if not cluster.up:
        raise _unexpected(cluster)
    asking.workspace.fleet.restart(cluster)
    return _acted(asking, "restartCluster", cluster)


def edit(asking: Asking) -> Answer:
    """Replaces the specification as a whole, so what is not said is lost; what only get shows is not taken."""
    cluster = asking.cluster()
    _only_interactive(cluster)
    if cluster.state not in ("RUNNING", "TERMINATED"):
        raise _unexpected(cluster)
    spec = {name: value for name, value in asking.given.items() if name in TAKEN and value is not None}
    for name in REQUIRED:
        if not spec.get(name):
            raise bad(f"Missing required field: {name}")
    if not spec.get("node_type_id") and not spec.get("instance_pool_id"):
        raise bad("Missing required field: node_type_id")
    _check_size(spec)
    asking.workspace.fleet.edit(cluster, spec)
    return _acted(asking, "editCluster", cluster, workers=cluster.workers)


def resize(asking: Asking) -> Answer:
    cluster = asking.cluster()
    if cluster.state != "RUNNING":
        raise _unexpected(cluster)
    size = {name: asking.given[name] for name in ("num_workers", "autoscale") if asking.given.get(name) is not None}
    _check_size(size)
    asking.workspace.fleet.resize(cluster, size)
    return _acted(asking, "resizeCluster", cluster, workers=cluster.workers)


def terminate(asking: Asking) -> Answer:
    """Accepted whatever the cluster does."""
    cluster = asking.cluster()
    asking.workspace.fleet.terminate(cluster, USER)
    return _acted(asking, "deleteCluster", cluster)


def permanent_delete(asking: Asking) -> Answer:
    cluster = asking.cluster()
    asking.workspace.fleet.forget(cluster)
    return _acted(asking, "permanentDeleteCluster", cluster)


def _check_size(size: dict[str, Any]) -> None:
    if ("num_workers" in size) == ("autoscale" in size):
        raise bad("Exactly one of num_workers or autoscale must be specified.")
    scale = size.get("autoscale")
    ends = (
        (scale.get("min_workers"), scale.get("max_workers"))
        if isinstance(scale, dict)
        else (0, size.get("num_workers"))
    )
    low, high = ends
    if not isinstance(low, int) or not isinstance(high, int) or not 0 <= low <= high:
        raise bad("The number of workers is not valid.")


def _only_interactive(cluster: Cluster) -> None:
    if cluster.source == "JOB":
        raise bad(f"Cluster {cluster.id} was created by the job scheduler and cannot be edited.")


def _unexpected(cluster: Cluster) -> Exception:
    message = f"Cluster {cluster.id} is in unexpected state {cluster.state.capitalize()}."
    return bad(message, "INVALID_STATE")


def _acted(asking: Asking, act: str, cluster: Cluster, **more: Any) -> Answer:
    asking.workspace.acted(act, Asked(BY, asking.call.id), cluster_id=cluster.id, **more)
    return done()


OPERATIONS = (
    route("getCluster", "GET", "clusters/get", get_cluster),
    route("listClusters", "GET", "clusters/list", list_clusters),
    route("listNodeTypes", "GET", "clusters/list-node-types", list_node_types),
    route("clusterEvents", "POST", "clusters/events", events),
    route("startCluster", "POST", "clusters/start", start, acts=True),
    route("restartCluster", "POST", "clusters/restart", restart, acts=True),
    route("editCluster", "POST", "clusters/edit", edit, acts=True),
    route("resizeCluster", "POST", "clusters/resize", resize, acts=True),
    route("deleteCluster", "POST", "clusters/delete", terminate, acts=True),
    route("permanentDeleteCluster", "POST", "clusters/permanent-delete", permanent_delete, acts=True),
)
