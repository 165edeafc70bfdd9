"""Remedies that get a cluster ready before the job's failed tasks run again.

A cluster that is made for each run is gone when the run has failed: there only the rerun is left. A shared one is
borrowed first, so that of many jobs that failed with it one attempt mends it and the others wait.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipemend.core.attempt import RERUN, Attempt, Declined, Lease, Progress, Stage, Wait
from pipemend.core.clock import Clock
from pipemend.core.run import Rerun
from pipemend.platforms.databricks.client import Json, Rejected, Workspace, Workspaces
from pipemend.platforms.databricks.failures import cluster_of, failed_tasks, termination
from pipemend.platforms.databricks.remedies import RetryJob
from pipemend.platforms.databricks.runs import at, repair_of, text

SOONEST, BUSY = 5.0, 60.0  # seconds until a cluster is looked at again, and until others may have left it
RISING, DOWN = ("PENDING", "RESTARTING", "RESIZING"), ("TERMINATED", "ERROR")
LOOK, RESTART, READY = "look", "restart", "ready"
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

    async def act(self, verb: str, **more: Any) -> bool:
        """Whether it was taken. What comes too late, for the cluster is on its way already, is not, and no failure: it
        is looked at again."""
        try:
            await self.workspace.act(f"2.1/clusters/{verb}", {"cluster_id": self.id, **more})
        except Rejected as error:
            if error.code != "INVALID_STATE":
                raise
            return False
        return True

    async def others(self) -> str:
        """Whose runs are at work on it, in words; empty when nobody's are."""
        found = await self.workspace.runs(active_only="true", expand_tasks="true", run_type=None)
        names = [text(row.get("run_name")) for row in found.rows if self.id in _clusters_of(row)]
        return f"other jobs are at work on the cluster {self.name} ({', '.join(names[:3])})" if names else ""


Step = Callable[[Attempt, Cluster, Stage], Awaitable[Progress]]


class Prepared:
    """Gets the cluster of the failed tasks ready, stage by stage, then repairs the run. Stages before that look before
    they act, and may be gone through again."""

    via = "direct"
    first = Stage(LOOK)

    def __init__(self, workspaces: Workspaces, rerun: RetryJob, clock: Clock) -> None:
        self._workspaces = workspaces
        self._rerun = rerun
        self._clock = clock
        self._steps: Mapping[str, Step] = {}

    async def advance(self, attempt: Attempt, stage: Stage) -> Progress:
        if stage.starts:
            return await self._rerun.advance(attempt, stage)
        workspace = self._workspaces.of(attempt.resource)
        borrowed, failed_at = text(stage.terms.get("target")), stage.terms.get("failed_at")
        if not borrowed:
            run = await workspace.run(repair_of(attempt.reference_run_id)[0]) or {}
            borrowed, failed_at = shared_cluster(run), run.get("end_time")
            if not borrowed:
                return await self._without_cluster(attempt, workspace, run)
        raw = await workspace.cluster(borrowed)
        if raw is None:
            return Declined(f"the cluster {borrowed} does not exist any more", final=True)
        return await self._steps[stage.name](attempt, Cluster(workspace, raw, at(failed_at)), stage)

    async def started(self, attempt: Attempt) -> Sequence[Rerun]:
        return await self._rerun.started(attempt)

    async def _without_cluster(self, attempt: Attempt, workspace: Workspace, run: Json) -> Progress:
        return Wait(0, RERUN, OWN_CLUSTER)

    def _soon(self, attempt: Attempt) -> float:
        """Seconds until something slow is looked at again: a quarter of what it has taken so far."""
        taken = (self._clock.now() - attempt.started_at).total_seconds()
        return min(max(taken / 4, SOONEST), BUSY)

    async def _come_up(self, attempt: Attempt, cluster: Cluster, stage: Stage) -> Progress:
        """Starts the cluster where it is down."""
        if cluster.state in DOWN:
            await cluster.act("start")
            return Wait(SOONEST, READY, f"starting the cluster {cluster.name}")
        if cluster.state == "RUNNING":
            return Wait(0, READY)
        return Wait(self._soon(attempt), READY if cluster.state in RISING else stage.name)

    async def _ready(self, attempt: Attempt, cluster: Cluster, stage: Stage, then: str) -> Progress:
        if cluster.state == "RUNNING":
            return Wait(0, then)
        if cluster.state in DOWN:
            reason = termination(cluster.raw, cluster.id)
            said = f": {reason.code} {reason.message}" if reason else ""
            return Declined(f"the cluster {cluster.name} did not come up{said}", final=False)
        return Wait(self._soon(attempt), stage.name)

    async def _again(self, attempt: Attempt, cluster: Cluster, stage: Stage) -> Progress:
        """Restarts a cluster that runs, starts one that is down. Nobody's work on it is cut off."""
        if cluster.state != "RUNNING":
            return await self._come_up(attempt, cluster, stage)
        if others := await cluster.others():
            return Wait(BUSY, stage.name, others)
        await cluster.act("restart")
        return Wait(SOONEST, READY, f"restarting the cluster {cluster.name}")


class RestartCluster(Prepared):
    """Restarts the cluster, or starts it where it is down, then repairs the run."""

    def __init__(self, workspaces: Workspaces, rerun: RetryJob, clock: Clock) -> None:
        super().__init__(workspaces, rerun, clock)
        self._steps = {LOOK: self._look, RESTART: self._restart, READY: self._is_ready}

    async def _look(self, attempt: Attempt, cluster: Cluster, stage: Stage) -> Progress:
        if cluster.fresh:
            return Wait(0, RERUN, f"the cluster {cluster.name} has been restarted already")
        return Wait(0, RESTART, lease=lease_of(cluster))

    async def _restart(self, attempt: Attempt, cluster: Cluster, stage: Stage) -> Progress:
        return Wait(0, RERUN) if cluster.fresh else await self._again(attempt, cluster, stage)

    async def _is_ready(self, attempt: Attempt, cluster: Cluster, stage: Stage) -> Progress:
        return await self._ready(attempt, cluster, stage, RERUN)

    async def give_back(self, resource: str, lease: Lease) -> str:
        """A restart leaves nothing to undo."""
        return ""


def lease_of(cluster: Cluster, **terms: Any) -> Lease:
    """The cluster, for one attempt alone."""
    failed_at = int(cluster.failed_at.timestamp() * 1000) if cluster.failed_at else None
    return Lease(cluster.id, {"failed_at": failed_at, **terms})


def shared_cluster(run: Json) -> str:
    """The cluster of the failed tasks that is there beside the run; empty where each run makes its own."""
    return next((found for task in failed_tasks(run) if (found := text(task.get("existing_cluster_id")))), "")


def _clusters_of(row: Json) -> set[str]:
    tasks = row.get("tasks")
    return {cluster_of(task) for task in tasks if isinstance(task, dict)} if isinstance(tasks, list) else set()
