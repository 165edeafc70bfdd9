"""Every call to a Databricks workspace, made as it is made in production.

Each is about a job or a cluster of its own, and has a pace of its own: "slow down" is meant for the whole workspace.
"""

from datetime import UTC, datetime
from functools import partial
from typing import Any

from pipemend.core.attempt import Attempt, Lease, Stage
from pipemend.core.clock import WallClock
from pipemend.core.run import Resource, RunRef
from pipemend.platforms.databricks import Databricks
from pipemend.platforms.databricks.client import PersonalToken, Workspace
from pipemend.platforms.databricks.clusters import Prepared
from pipemend.platforms.databricks.remedies import RetryJob
from tests.clients.attempts import attempt
from tests.faults.faults import Fine
from tests.faults.outside import Outside, OutsideCall, Ready, at_once
from tests.twin.bricks import WORKSPACE, Bricks

LIBRARY = {"pypi": {"package": "pandas==2.2.3"}}
SIZES = {"was": {"num_workers": 2}, "wanted": {"num_workers": 4}}
NOBODYS = "1"  # no run has this id


class Place:
    """A workspace as the platform sees it, and the twin behind it."""

    def __init__(self, o: Outside) -> None:
        self.bricks, self.name = Bricks(o.twin), o.mark()
        self.resource = Resource("databricks", "127.0.0.1", WORKSPACE)
        workspace = Workspace(self.resource, o.twin.base_url, o.http, PersonalToken(self.bricks.token))
        self.platform = Databricks([workspace], WallClock())
        self.workspace = workspace
        self.rerun = RetryJob(self.platform.workspaces, WallClock(), at_once)

    async def failed(self) -> str:
        """A job of its own whose run has failed; the run's id."""
        run = await self.bricks.failed(self.name, "NotebookError", "Running")
        return str(run["run_id"])

    def attempt(self, run_id: str, **more: Any) -> Attempt:
        about = {"platform": "databricks", "resource": self.resource.id, "pipeline": self.name, "run_group_id": run_id}
        ids = {"original_run_id": run_id, "reference_run_id": run_id, "key": f"{self.name}1"}
        now = datetime.now(UTC)
        return attempt(**{**about, **ids, "created_at": now, "started_at": now, **more})

    async def reruns(self) -> int:
        """How many runs and repairs were started by others than the schedule."""
        runs = (await self.bricks.stage.get(f"databricks/{WORKSPACE}/runs", job=self.name))["runs"]
        return sum(len(run["repairs"]) + int(run["askedBy"] == "api") for run in runs)

    def prepared(self, action: str) -> Prepared:
        remedy = self.platform.remedies[action]
        assert isinstance(remedy, Prepared)
        return remedy


async def run(o: Outside) -> Ready:
    here = Place(o)
    run_id = await here.failed()
    return Ready("getRun", [run_id], lambda: here.platform.run(RunRef("databricks", here.resource.id, run_id)))


async def look(o: Outside) -> Ready:
    """The look for the run that a playbook may have started."""
    here = Place(o)
    run_id = await here.failed()
    job = str((await here.bricks.run(int(run_id)))["job_id"])
    return Ready("listRuns", [job], lambda: here.rerun.started(here.attempt(run_id, via="playbook")))


async def second_page(o: Outside) -> Ready:
    """Two runs on pages of one; the fault hits the question that brings the token of the first page."""
    here = Place(o)
    await o.twin.put(f"databricks/{WORKSPACE}", page_size=1)
    job = str((await here.bricks.run(int(await here.failed())))["job_id"])
    await here.bricks.trigger(here.name)
    return Ready("listRuns", [job, "page_token"], lambda: here.workspace.runs(job_id=job))


async def jobs(o: Outside) -> Ready:
    here = Place(o)
    await here.failed()
    return Ready("listJobs", [here.name], lambda: here.platform.latest(here.resource, here.name))


async def output(o: Outside) -> Ready:
    here = Place(o)
    failed = await here.platform.run(RunRef("databricks", here.resource.id, await here.failed()))
    assert failed
    task = (await here.bricks.run(int(failed.ref.run_id)))["tasks"][0]["run_id"]
    return Ready("getRunOutput", [str(task)], lambda: here.platform.failure(failed))


async def repair(o: Outside) -> Ready:
    here = Place(o)
    run_id = await here.failed()
    return Ready("repairRun", [run_id], lambda: here.rerun.advance(here.attempt(run_id), Stage()), here.reruns)


async def run_now(o: Outside) -> Ready:
    """A run that was cancelled has no task that failed: the whole job is run again."""
    here = Place(o)
    await here.bricks.job(here.name, "Running")
    run_id = await here.bricks.trigger(here.name)
    await here.bricks.running(run_id)
    await here.bricks.act("jobs/runs/cancel", run_id=run_id)
    await here.bricks.ended(run_id)
    wanted = here.attempt(str(run_id))
    return Ready("runNow", [wanted.key], lambda: here.rerun.advance(wanted, Stage()), here.reruns)


async def cancel(o: Outside) -> Ready:
    here = Place(o)
    await here.bricks.job(here.name, "Running")
    run_id = str(await here.bricks.trigger(here.name))
    return Ready("cancelRun", [run_id], lambda: here.platform.cancel(RunRef("databricks", here.resource.id, run_id)))


# What prepares a rerun: each stage of a remedy reads the run and the cluster, and then acts.


async def cluster(o: Outside) -> Ready:
    return await _stage(o, "getCluster", "restart_cluster", "ready")


async def restart(o: Outside) -> Ready:
    return await _stage(o, "restartCluster", "restart_cluster", "restart")


async def start(o: Outside) -> Ready:
    return await _stage(o, "startCluster", "restart_cluster", "restart", state="TERMINATED")


async def resize(o: Outside) -> Ready:
    return await _stage(o, "resizeCluster", "scale_up_cluster", "enlarge")


async def libraries(o: Outside) -> Ready:
    return await _stage(o, "libraryStatus", "reinstall_libraries", "look", libraries=[LIBRARY])


async def uninstall(o: Outside) -> Ready:
    return await _stage(o, "uninstallLibraries", "reinstall_libraries", "uninstall", libraries=[LIBRARY])


async def install(o: Outside) -> Ready:
    return await _stage(o, "installLibraries", "reinstall_libraries", "install")


async def edit(o: Outside) -> Ready:
    """A cluster that is down is given back its size by a new definition."""
    here = Place(o)
    cluster_id = await here.bricks.cluster(here.name, num_workers=4, state="TERMINATED")
    lease = Lease(cluster_id, SIZES)
    give_back = here.prepared("scale_up_cluster").give_back  # type: ignore[attr-defined]
    return Ready("editCluster", [cluster_id], partial(give_back, here.resource.id, lease))


async def _stage(o: Outside, operation: str, action: str, stage: str, **told: Any) -> Ready:
    here = Place(o)
    cluster_id = await here.bricks.cluster(here.name, **{"num_workers": 2, **told})
    terms = {"target": cluster_id, "libraries": [LIBRARY], **SIZES}
    remedy, wanted = here.prepared(action), here.attempt(NOBODYS)
    return Ready(operation, [cluster_id], lambda: remedy.advance(wanted, Stage(stage, terms)))


CALLS = (
    OutsideCall("Databricks: run", "databricks", run, most=3),
    OutsideCall("Databricks: look", "databricks", look, most=3),
    OutsideCall("Databricks: second page", "databricks", second_page, most=3),
    OutsideCall("Databricks: job by name", "databricks", jobs, most=3),
    OutsideCall("Databricks: output", "databricks", output, most=3, refused=(Fine,)),
    OutsideCall("Databricks: repair", "databricks", repair, most=3, deadlines=3, starts=True),
    OutsideCall("Databricks: run now", "databricks", run_now, most=9, deadlines=3, starts=True),
    OutsideCall("Databricks: cancel", "databricks", cancel),
    OutsideCall("Databricks: cluster", "databricks", cluster, most=3),
    OutsideCall("Databricks: restart", "databricks", restart),
    OutsideCall("Databricks: start", "databricks", start),
    OutsideCall("Databricks: resize", "databricks", resize),
    OutsideCall("Databricks: edit", "databricks", edit),
    OutsideCall("Databricks: libraries", "databricks", libraries, most=3),
    OutsideCall("Databricks: uninstall", "databricks", uninstall),
    OutsideCall("Databricks: install", "databricks", install),
)
