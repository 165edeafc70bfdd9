"""The remedy for libraries that could not be installed on a cluster."""

from collections.abc import Sequence

from pipemend.core.attempt import RERUN, Attempt, Declined, Lease, Progress, Stage, Wait
from pipemend.core.clock import Clock
from pipemend.platforms.databricks.client import Json, Workspaces
from pipemend.platforms.databricks.clusters import DOWN, LOOK, READY, RESTART, SOONEST, Cluster, Prepared, lease_of
from pipemend.platforms.databricks.failures import library_faults, library_name
from pipemend.platforms.databricks.remedies import RetryJob
from pipemend.platforms.databricks.runs import text

UNINSTALL, INSTALL, INSTALLED = "uninstall", "install", "installed"


class ReinstallLibraries(Prepared):
    """Takes the failed libraries off the cluster, restarts it, and installs them again, then repairs the run."""

    def __init__(self, workspaces: Workspaces, rerun: RetryJob, clock: Clock) -> None:
        super().__init__(workspaces, rerun, clock)
        self._steps = {
            LOOK: self._look,
            UNINSTALL: self._uninstall,
            RESTART: self._restart,
            READY: self._is_ready,
            INSTALL: self._install,
            INSTALLED: self._installed,
        }

    async def _look(self, attempt: Attempt, cluster: Cluster, stage: Stage) -> Progress:
        rows = await cluster.workspace.libraries(cluster.id)
        failed = [row["library"] for row in rows if text(row.get("status")) == "FAILED" and row.get("library")]
        if not failed:
            return Wait(0, RERUN, f"no library of the cluster {cluster.name} has failed now")
        names = ", ".join(library_name(library) for library in failed[:5])
        why = f"reinstalling {names} on the cluster {cluster.name}"
        return Wait(0, UNINSTALL, why, lease_of(cluster, libraries=failed))

    async def _uninstall(self, attempt: Attempt, cluster: Cluster, stage: Stage) -> Progress:
        await _libraries(cluster, "uninstall", stage)
        return Wait(0, RESTART)

    async def _restart(self, attempt: Attempt, cluster: Cluster, stage: Stage) -> Progress:
        """A library goes when the cluster restarts: what is not listed any more is gone."""
        listed = [row.get("library") for row in await cluster.workspace.libraries(cluster.id)]
        gone = not any(library in listed for library in stage.terms["libraries"])
        if gone and cluster.state not in DOWN:
            return Wait(0, READY)
        return await self._again(attempt, cluster, stage)

    async def _is_ready(self, attempt: Attempt, cluster: Cluster, stage: Stage) -> Progress:
        return await self._ready(attempt, cluster, stage, INSTALL)

    async def _install(self, attempt: Attempt, cluster: Cluster, stage: Stage) -> Progress:
        await _libraries(cluster, "install", stage)
        return Wait(SOONEST, INSTALLED)

    async def _installed(self, attempt: Attempt, cluster: Cluster, stage: Stage) -> Progress:
        wanted = stage.terms["libraries"]
        rows = [row for row in await cluster.workspace.libraries(cluster.id) if row.get("library") in wanted]
        if faults := library_faults(rows, cluster.id):
            return Declined(faults[0].message, final=False)
        waiting = [library for library in wanted if not _is_installed(library, rows)]
        if not waiting:
            return Wait(0, RERUN)
        names = ", ".join(library_name(library) for library in waiting[:5])
        return Wait(
            self._soon(attempt), stage.name, f"waiting until {names} is installed on the cluster {cluster.name}"
        )

    async def give_back(self, resource: str, lease: Lease) -> str:
        """Libraries that were taken off and are not back are installed; the cluster does so once it runs."""
        workspace = self._workspaces.of(resource)
        if await workspace.cluster(lease.target) is None:
            return ""
        rows = await workspace.libraries(lease.target)
        staying = [row.get("library") for row in rows if text(row.get("status")) != "UNINSTALL_ON_RESTART"]
        missing = [library for library in lease.terms.get("libraries", ()) if library not in staying]
        if missing:
            await workspace.act("2.0/libraries/install", {"cluster_id": lease.target, "libraries": missing})
        return ""


def _is_installed(library: object, rows: Sequence[Json]) -> bool:
    return any(row.get("library") == library and text(row.get("status")) == "INSTALLED" for row in rows)


async def _libraries(cluster: Cluster, verb: str, stage: Stage) -> None:
    body = {"cluster_id": cluster.id, "libraries": stage.terms["libraries"]}
    await cluster.workspace.act(f"2.0/libraries/{verb}", body)
