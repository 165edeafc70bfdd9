"""The remedy for clusters that are too small. What a cluster is given is for one attempt, and given back."""

from pipemend.core.attempt import RERUN, Attempt, Declined, Lease, Progress, Stage, Wait
from pipemend.core.clock import Clock
from pipemend.platforms.databricks.client import Json, Workspace, Workspaces
from pipemend.platforms.databricks.clusters import LOOK, READY, SOONEST, Cluster, Prepared, lease_of
from pipemend.platforms.databricks.failures import failed_tasks
from pipemend.platforms.databricks.remedies import RetryJob
from pipemend.platforms.databricks.runs import text
from pipemend.platforms.databricks.sizes import WORKER, Most, Size, in_words, next_size, same_fields, specification

ENLARGE, RUN = "enlarge", "run"


class ScaleUpCluster(Prepared):
    """Gives the cluster machines with more memory, or more workers, up to a cap; repairs the run; and makes the cluster
    as it was when the attempt has ended."""

    def __init__(self, workspaces: Workspaces, rerun: RetryJob, clock: Clock, most: Most) -> None:
        super().__init__(workspaces, rerun, clock)
        self._most = most
        self._steps = {LOOK: self._look, ENLARGE: self._enlarge, RUN: self._come_up, READY: self._is_large}

    async def _without_cluster(self, attempt: Attempt, workspace: Workspace, run: Json) -> Progress:
        """A repair takes no other cluster than the job's definition says: that is for people to change."""
        made = made_for(run)
        size = await self._next(attempt, workspace, made) if made else "nothing is known of it"
        what = "more memory or workers" if isinstance(size, str) else in_words(size)
        why = f" ({size})" if isinstance(size, str) else ""
        return Declined(
            f"its cluster is made for each run{why}: give it {what} in the definition of the job or linked service",
            final=True,
        )

    async def _look(self, attempt: Attempt, cluster: Cluster, stage: Stage) -> Progress:
        wanted = await self._next(attempt, cluster.workspace, cluster.raw)
        if isinstance(wanted, str):
            return Declined(f"the cluster {cluster.name} cannot be enlarged: {wanted}", final=True)
        return Wait(0, ENLARGE, lease=lease_of(cluster, was=same_fields(cluster.raw, wanted), wanted=wanted))

    async def _next(self, attempt: Attempt, workspace: Workspace, raw: Json) -> Size | str:
        return next_size(attempt.error_type, raw, await workspace.node_types(), self._most)

    async def _enlarge(self, attempt: Attempt, cluster: Cluster, stage: Stage) -> Progress:
        wanted: Size = stage.terms["wanted"]
        present = same_fields(cluster.raw, wanted)
        if present == wanted:
            return Wait(0, RUN)
        if present != stage.terms["was"]:
            return Wait(0, RUN, f"somebody has changed the cluster {cluster.name} meanwhile: it is left as it is")
        if cluster.state == "ERROR":
            return await self._ready(attempt, cluster, stage, RUN)
        if why := await _resized(cluster, wanted):
            return Wait(self._soon(attempt), stage.name, why)
        return Wait(SOONEST, stage.name, f"giving the cluster {cluster.name} {in_words(wanted)}")

    async def _is_large(self, attempt: Attempt, cluster: Cluster, stage: Stage) -> Progress:
        """One that has come up as it was before is enlarged again."""
        if cluster.state == "RUNNING" and same_fields(cluster.raw, stage.terms["wanted"]) == stage.terms["was"]:
            return Wait(0, ENLARGE)
        return await self._ready(attempt, cluster, stage, RERUN)

    async def give_back(self, resource: str, lease: Lease) -> str:
        """A cluster that somebody has changed meanwhile is left as it is."""
        workspace, was, wanted = self._workspaces.of(resource), lease.terms["was"], lease.terms["wanted"]
        raw = await workspace.cluster(lease.target)
        if raw is None or same_fields(raw, wanted) != wanted:
            return ""
        return await _resized(Cluster(workspace, raw), was)


async def _resized(cluster: Cluster, size: Size) -> str:
    """Asks for a size; why that has to wait, or nothing. Another kind of machine restarts a cluster that runs, so that
    nobody may be at work on it."""
    running = cluster.state == "RUNNING"
    if running and WORKER not in size:
        taken = await cluster.act("resize", **size)
    elif running and (others := await cluster.others()):
        return others
    elif running or cluster.state == "TERMINATED":
        taken = await cluster.act("edit", **specification(cluster.raw, size))
    else:
        taken = False
    return "" if taken else f"the cluster {cluster.name} is on its way ({cluster.state.lower()})"


def made_for(run: Json) -> Json:
    """The definition of the cluster that the failed task's run makes for itself; empty where it is not told."""
    shared = run.get("job_clusters")
    named = [row for row in shared if isinstance(row, dict)] if isinstance(shared, list) else []
    by_key = {text(row.get("job_cluster_key")): row.get("new_cluster") for row in named}
    found = (task.get("new_cluster") or by_key.get(text(task.get("job_cluster_key"))) for task in failed_tasks(run))
    return next((made for made in found if isinstance(made, dict)), {})
