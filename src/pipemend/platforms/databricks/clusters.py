"""Remedies that get a cluster ready before the job's failed tasks run again.

A cluster that is made for each run is gone when the run has failed: there only the rerun is left. A shared one is
borrowed first, so that of many jobs that failed with it one attempt mends it and the others wait.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipemend.core.attempt import RERUN, Attempt, Declined, Lease, Progress, Stage, Wait
from pipemend.core.run import Rerun
from pipemend.platforms.databricks.client import Json, Rejected, Workspace, Workspaces
from pipemend.platforms.databricks.failures import cluster_of, failed_tasks, library_faults, library_name, termination
from pipemend.platforms.databricks.remedies import RetryJob
from pipemend.platforms.databricks.runs import at, repair_of, text

POLL, BUSY = 5.0, 60.0  # seconds until a cluster is looked at again, and until others may have left it
RISING, DOWN = ("PENDING", "RESTARTING", "RESIZING"), ("TERMINATED", "ERROR")
LOOK, RESTART, READY = "look", "restart", "ready"
UNINSTALL, INSTALL, INSTALLED = "uninstall", "install", "installed"
RUN, ENLARGE, ENLARGED = "run", "enlarge", "enlarged"
OWN_CLUSTER = "its cluster is made for each run: only the job is run again"


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster as it is now, and the workspace it is in."""

    workspace: Workspace
    raw: Json
    failed_at: datetime | None = None  # when the run failed that it is to be made ready for

    @property
    def id(self) -> str:
        return text(self.raw.get("cluster_id"))

    @property
    def name(self) -> str:
        return text(self.raw.get("cluster_name")) or self.id

    @property
    def state(self) -> str:
        return text(self.raw.get("state")).upper()

    @property
    def began(self) -> datetime | None:
        """When it was started or restarted last."""
        times = [at(self.raw.get(name)) for name in ("start_time", "last_restarted_time")]
        return max((time for time in times if time), default=None)

    @property
    def fresh(self) -> bool:
        """Whether it runs and has come up since the run failed."""
        since = self.failed_at
        return self.state == "RUNNING" and self.began is not None and since is not None and self.began >= since

    async def act(self, verb: str, **more: Any) -> None:
        await self.workspace.act(f"2.1/clusters/{verb}", {"cluster_id": self.id, **more})

    async def others(self) -> Sequence[str]:
        """The runs that are at work on it."""
        found = await self.workspace.runs(active_only="true", expand_tasks="true")
        return [text(row.get("run_name")) for row in found.rows if self.id in _clusters_of(row)]


Step = Callable[[Attempt, Cluster, Stage], Awaitable[Progress]]


class Prepared:
    """Gets the cluster of the failed tasks ready, stage by stage, then repairs the run. Stages before that look before
    they act, and may be gone through again."""

    via = "direct"
    first = Stage(LOOK)

    def __init__(self, workspaces: Workspaces, rerun: RetryJob) -> None:
        self._workspaces = workspaces
        self._rerun = rerun
        self._steps: Mapping[str, Step] = {}

    async def advance(self, attempt: Attempt, stage: Stage) -> Progress:
        if stage.starts:
            return await self._rerun.advance(attempt, stage)
        workspace = self._workspaces.of(attempt.resource)
        run = await workspace.run(repair_of(attempt.reference_run_id)[0]) or {}
        cluster_id = text(stage.terms.get("target")) or shared_cluster(run)
        if not cluster_id:
            return self._without_cluster()
        raw = await workspace.cluster(cluster_id)
        if raw is None:
            return Declined(f"the cluster {cluster_id} does not exist any more", final=True)
        return await self._steps[stage.name](attempt, Cluster(workspace, raw, at(run.get("end_time"))), stage)

    async def started(self, attempt: Attempt) -> Sequence[Rerun]:
        return await self._rerun.started(attempt)

    def _without_cluster(self) -> Progress:
        return Wait(0, RERUN, OWN_CLUSTER)

    async def _come_up(self, attempt: Attempt, cluster: Cluster, stage: Stage, then: str) -> Progress:
        """Starts the cluster where it is down; `then` once it runs."""
        if cluster.state in DOWN:
            await _unless_it_moves(cluster.act("start"))
            return Wait(POLL, stage.name, f"starting the cluster {cluster.name}")
        return Wait(0, then) if cluster.state == "RUNNING" else Wait(POLL, stage.name)

    async def _ready(self, attempt: Attempt, cluster: Cluster, stage: Stage, then: str) -> Progress:
        if cluster.state == "RUNNING":
            return Wait(0, then)
        if cluster.state in DOWN:
            reason = termination(cluster.raw, cluster.id)
            said = f": {reason.code} {reason.message}" if reason else ""
            return Declined(f"the cluster {cluster.name} did not come up{said}", final=False)
        return Wait(POLL, stage.name)

    async def _again(self, cluster: Cluster, stage: Stage) -> Progress:
        """Restarts a cluster that runs, starts one that is down. Nobody's work on it is cut off."""
        if cluster.state in RISING:
            return Wait(POLL, READY)
        if cluster.state in DOWN:
            await _unless_it_moves(cluster.act("start"))
            return Wait(POLL, READY, f"starting the cluster {cluster.name}")
        if cluster.state != "RUNNING":
            return Wait(POLL, stage.name)
        if others := await cluster.others():
            names = ", ".join(others[:3])
            return Wait(BUSY, stage.name, f"other jobs are at work on the cluster {cluster.name} ({names})")
        await _unless_it_moves(cluster.act("restart"))
        return Wait(POLL, READY, f"restarting the cluster {cluster.name}")


class RestartCluster(Prepared):
    """Restarts the cluster, or starts it where it is down, then repairs the run."""

    def __init__(self, workspaces: Workspaces, rerun: RetryJob) -> None:
        super().__init__(workspaces, rerun)
        self._steps = {LOOK: self._look, RESTART: self._restart, READY: self._is_ready}

    async def _look(self, attempt: Attempt, cluster: Cluster, stage: Stage) -> Progress:
        if cluster.fresh:
            return Wait(0, RERUN, f"the cluster {cluster.name} has been restarted already")
        return Wait(0, RESTART, lease=Lease(cluster.id))

    async def _restart(self, attempt: Attempt, cluster: Cluster, stage: Stage) -> Progress:
        return Wait(0, RERUN) if cluster.fresh else await self._again(cluster, stage)

    async def _is_ready(self, attempt: Attempt, cluster: Cluster, stage: Stage) -> Progress:
        return await self._ready(attempt, cluster, stage, RERUN)

    async def give_back(self, resource: str, lease: Lease) -> None:
        """A restart leaves nothing to undo."""


class ReinstallLibraries(Prepared):
    """Takes the failed libraries off the cluster, restarts it, and installs them again, then repairs the run."""

    def __init__(self, workspaces: Workspaces, rerun: RetryJob) -> None:
        super().__init__(workspaces, rerun)
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
        terms = {"libraries": failed}
        return Wait(0, UNINSTALL, f"reinstalling {names} on the cluster {cluster.name}", Lease(cluster.id, terms))

    async def _uninstall(self, attempt: Attempt, cluster: Cluster, stage: Stage) -> Progress:
        await _libraries(cluster, "uninstall", stage)
        return Wait(0, RESTART)

    async def _restart(self, attempt: Attempt, cluster: Cluster, stage: Stage) -> Progress:
        """A library goes when the cluster restarts: what is not listed any more is gone."""
        listed = [row.get("library") for row in await cluster.workspace.libraries(cluster.id)]
        gone = not any(library in listed for library in stage.terms["libraries"])
        return Wait(0, READY) if gone and cluster.state not in DOWN else await self._again(cluster, stage)

    async def _is_ready(self, attempt: Attempt, cluster: Cluster, stage: Stage) -> Progress:
        return await self._ready(attempt, cluster, stage, INSTALL)

    async def _install(self, attempt: Attempt, cluster: Cluster, stage: Stage) -> Progress:
        await _libraries(cluster, "install", stage)
        return Wait(POLL, INSTALLED)

    async def _installed(self, attempt: Attempt, cluster: Cluster, stage: Stage) -> Progress:
        wanted = stage.terms["libraries"]
        rows = [row for row in await cluster.workspace.libraries(cluster.id) if row.get("library") in wanted]
        if faults := library_faults(rows, cluster.id):
            return Declined(faults[0].message, final=False)
        done = len(rows) == len(wanted) and all(text(row.get("status")) == "INSTALLED" for row in rows)
        return Wait(0, RERUN) if done else Wait(POLL, stage.name)

    async def give_back(self, resource: str, lease: Lease) -> None:
        """Libraries that were taken off and are not back are installed; the cluster does so once it runs."""
        workspace = self._workspaces.of(resource)
        listed = [row.get("library") for row in await workspace.libraries(lease.target)]
        missing = [library for library in lease.terms.get("libraries", ()) if library not in listed]
        if missing:
            await workspace.act("2.0/libraries/install", {"cluster_id": lease.target, "libraries": missing})


class ScaleUpCluster(Prepared):
    """Gives the cluster more workers, up to a cap, repairs the run, and gives them back when the attempt has ended."""

    def __init__(self, workspaces: Workspaces, rerun: RetryJob, most_workers: int) -> None:
        super().__init__(workspaces, rerun)
        self._most = most_workers
        self._steps = {LOOK: self._look, RUN: self._run, ENLARGE: self._enlarge, ENLARGED: self._is_large}

    def _without_cluster(self) -> Progress:
        advice = "its cluster is made for each run: give it more memory or workers in the definition of the job"
        return Declined(advice, final=True)

    async def _look(self, attempt: Attempt, cluster: Cluster, stage: Stage) -> Progress:
        size = size_of(cluster.raw)
        if size is None:
            return Declined(f"the cluster {cluster.name} has one node: it needs a larger one", final=True)
        if workers(size) >= self._most:
            most = f"{workers(size)} workers; no more than {self._most} are allowed (DATABRICKS_MOST_WORKERS)"
            return Declined(f"the cluster {cluster.name} has {most}", final=True)
        return Wait(0, RUN, lease=Lease(cluster.id, {"size": size}))

    async def _run(self, attempt: Attempt, cluster: Cluster, stage: Stage) -> Progress:
        return await self._come_up(attempt, cluster, stage, ENLARGE)

    async def _enlarge(self, attempt: Attempt, cluster: Cluster, stage: Stage) -> Progress:
        wanted = larger(stage.terms["size"], self._most)
        if size_of(cluster.raw) != wanted:
            await _unless_it_moves(cluster.act("resize", **wanted))
        return Wait(POLL, ENLARGED, f"giving the cluster {cluster.name} {workers(wanted)} workers")

    async def _is_large(self, attempt: Attempt, cluster: Cluster, stage: Stage) -> Progress:
        if cluster.state == "RUNNING" and size_of(cluster.raw) != larger(stage.terms["size"], self._most):
            return Wait(0, ENLARGE)
        return await self._ready(attempt, cluster, stage, RERUN)

    async def give_back(self, resource: str, lease: Lease) -> None:
        workspace = self._workspaces.of(resource)
        raw = await workspace.cluster(lease.target)
        size = lease.terms.get("size")
        if raw is None or not size or size_of(raw) == size:
            return
        cluster = Cluster(workspace, raw)
        if cluster.state in DOWN:
            await workspace.act("2.1/clusters/edit", {**specification(raw), **size})
        else:
            await cluster.act("resize", **size)


def shared_cluster(run: Json) -> str:
    """The cluster of the failed tasks that is there beside the run; empty where each run makes its own."""
    return next((found for task in failed_tasks(run) if (found := text(task.get("existing_cluster_id")))), "")


async def _unless_it_moves(acts: Awaitable[None]) -> None:
    """An act that comes too late, for the cluster is on its way already, is no failure: it is looked at again."""
    try:
        await acts
    except Rejected as error:
        if error.code != "INVALID_STATE":
            raise


async def _libraries(cluster: Cluster, verb: str, stage: Stage) -> None:
    body = {"cluster_id": cluster.id, "libraries": stage.terms["libraries"]}
    await cluster.workspace.act(f"2.0/libraries/{verb}", body)


def size_of(raw: Json) -> dict[str, Any] | None:
    """How many workers a cluster may have, in the form in which they are asked for; None for a single node."""
    scale = raw.get("autoscale")
    if isinstance(scale, dict):
        return {"autoscale": {name: int(scale.get(name) or 0) for name in ("min_workers", "max_workers")}}
    count = raw.get("num_workers")
    return {"num_workers": count} if isinstance(count, int) and count > 0 else None


def workers(size: Mapping[str, Any]) -> int:
    scale = size.get("autoscale")
    return int(scale["max_workers"]) if scale else int(size["num_workers"])


def larger(size: Mapping[str, Any], most: int) -> dict[str, Any]:
    """Twice as many workers, and no more than `most`."""
    count = min(workers(size) * 2, most)
    scale = size.get("autoscale")
    return {"autoscale": {**scale, "max_workers": count}} if scale else {"num_workers": count}


# What `clusters/get` tells beside what `clusters/edit` takes.
OBSERVED = frozenset(
    {
        *("state", "state_message", "start_time", "terminated_time", "last_state_loss_time", "last_activity_time"),
        *("last_restarted_time", "driver", "executors", "spark_context_id", "jdbc_port", "cluster_memory_mb"),
        *("cluster_cores", "default_tags", "creator_user_name", "cluster_source", "disk_spec", "driver_healthy"),
        *("termination_reason", "init_scripts_safe_mode", "spec", "effective_spark_version", "release_version"),
        *("instance_source", "driver_instance_source", "assigned_principal", "cluster_log_status", "num_workers"),
        *("autoscale", "enable_local_disk_encryption_status"),
    }
)


def specification(raw: Json) -> dict[str, Any]:
    """The whole definition of a cluster without its size: an edit replaces all of it."""
    return {name: value for name, value in raw.items() if name not in OBSERVED and value is not None}


def _clusters_of(row: Json) -> set[str]:
    tasks = row.get("tasks")
    return {cluster_of(task) for task in tasks if isinstance(task, dict)} if isinstance(tasks, list) else set()
