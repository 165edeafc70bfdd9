"""libraries/cluster-status, all-cluster-statuses, install and uninstall."""

from typing import Any

from ...databricks.clusters import Cluster
from ...databricks.libraries import BadLibrary, read_library
from ...databricks.runs import Asked
from ...wire import Answer
from .door import BY, Asking, bad, done, route


def cluster_status(asking: Asking) -> Answer:
    return done(**_statuses(asking.cluster()))


def all_cluster_statuses(asking: Asking) -> Answer:
    return done(statuses=[_statuses(one) for one in asking.workspace.fleet.clusters.values() if not one.deleted])


def install(asking: Asking) -> Answer:
    """Answers before anything is installed; a library that is there already stays as it is."""
    cluster, libraries = asking.cluster(), _libraries(asking)
    for library in libraries:
        cluster.libraries.ask(library, up=cluster.up)
    return _acted(asking, "installLibraries", cluster, libraries)


def uninstall(asking: Asking) -> Answer:
    """Takes effect when the cluster is restarted."""
    cluster, libraries = asking.cluster(), _libraries(asking)
    for library in libraries:
        cluster.libraries.drop(library)
    return _acted(asking, "uninstallLibraries", cluster, libraries)


def _statuses(cluster: Cluster) -> dict[str, Any]:
    found = cluster.libraries.listed()
    return {"cluster_id": cluster.id} | ({"library_statuses": found} if found else {})


def _libraries(asking: Asking) -> list[dict[str, Any]]:
    given = asking.given.get("libraries")
    if not isinstance(given, list) or not given:
        raise bad("Missing required field: libraries")
    try:
        return [read_library(item) for item in given if not isinstance(item, str)]
    except BadLibrary as wrong:
        raise bad(str(wrong)) from wrong


def _acted(asking: Asking, act: str, cluster: Cluster, libraries: list[dict[str, Any]]) -> Answer:
    asking.workspace.acted(act, Asked(BY, asking.call.id), cluster_id=cluster.id, libraries=libraries)
    return done()


OPERATIONS = (
    route("libraryStatus", "GET", "libraries/cluster-status", cluster_status),
    route("allLibraryStatuses", "GET", "libraries/all-cluster-statuses", all_cluster_statuses),
    route("installLibraries", "POST", "libraries/install", install, acts=True),
    route("uninstallLibraries", "POST", "libraries/uninstall", uninstall, acts=True),
)
