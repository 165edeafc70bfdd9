"""Databricks as a platform."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from pipemend.clients.answers import fingerprint
from pipemend.core.alert import Alert, Door, Signal
from pipemend.core.attempt import Attempt
from pipemend.core.checkup import Chain
from pipemend.core.clock import Clock
from pipemend.core.ports import Remedy, Tokens
from pipemend.core.rca import Failure, Fault
from pipemend.core.run import Changes, Resource, Run, RunRef
from pipemend.platforms.databricks import alerts
from pipemend.platforms.databricks.checks import chain
from pipemend.platforms.databricks.client import Json, Workspace, Workspaces
from pipemend.platforms.databricks.clusters import RestartCluster
from pipemend.platforms.databricks.failures import Search, cluster_of, failed_tasks
from pipemend.platforms.databricks.feed import Feed
from pipemend.platforms.databricks.libraries import ReinstallLibraries
from pipemend.platforms.databricks.remedies import RetryJob, parameters
from pipemend.platforms.databricks.runs import MANUAL, named, repair_of, run_of, runs_of, starter, text
from pipemend.platforms.databricks.scaling import ScaleUpCluster
from pipemend.platforms.databricks.sizes import USUAL, Most

MARGIN = timedelta(minutes=10)
UNTIMED = timedelta(hours=1)
WEEK = timedelta(days=7)
RUN_IN_PAGE = re.compile(r"/runs?/(\d+)")
LONGEST_RUN = timedelta(days=1)


class Databricks:
    """Keeps the promises of `core.ports.Platform` for the workspaces it is given."""

    name = "databricks"
    resource_types: tuple[str, ...] = (alerts.WORKSPACES,)

    def __init__(
        self,
        workspaces: Sequence[Workspace],
        clock: Clock,
        webhook: tuple[str, str] | None = None,
        most: Most = USUAL,
    ) -> None:
        self.workspaces = Workspaces(workspaces)
        self.doors: tuple[Door, ...] = (alerts.door(*webhook, self.workspaces.named),) if webhook else ()
        self._clock = clock
        self._feeds = {workspace.resource.id: Feed(workspace, clock) for workspace in workspaces}
        self.connections: Sequence[Resource] = self.workspaces.resources
        rerun = RetryJob(self.workspaces, clock)
        self.remedies: Mapping[str, Remedy] = {
            "retry_job": rerun,
            "restart_cluster": RestartCluster(self.workspaces, rerun, clock),
            "reinstall_libraries": ReinstallLibraries(self.workspaces, rerun, clock),
            "scale_up_cluster": ScaleUpCluster(self.workspaces, rerun, clock, most),
        }

    def read(self, signal: Signal) -> Alert | None:
        return alerts.read(signal, self.workspaces.named)

    def identity(self, resource: str) -> Tokens | None:
        return self.workspaces.of(resource).identity

    async def run(self, ref: RunRef) -> Run | None:
        """The run, or its repair. Of a task's run the job's run that it belongs to."""
        workspace = self.workspaces.of(ref.resource)
        own, repair = repair_of(ref.run_id)
        raw = await workspace.run(own)
        whole = text(raw.get("job_run_id")) if raw else ""
        if raw is not None and whole and whole != own:
            raw = await workspace.run(whole)
            own = whole
        if raw is None:
            return None
        runs = runs_of(raw, workspace.resource, _parent(raw, workspace))
        return named(runs, ref.run_id) if repair else named(runs, own)

    async def find(self, alert: Alert) -> Sequence[Run]:
        """Failed runs that ended in the alert's window, widened by ten minutes: of its job, or on its cluster."""
        workspace = self.workspaces.of(alert.resource)
        after, before = self._window(alert)
        about_cluster = alert.activity_type == alerts.CLUSTER
        found = await workspace.runs(
            completed_only="true",
            start_time_from=str(int((after - LONGEST_RUN).timestamp() * 1000)),
            expand_tasks="true" if about_cluster else "false",
        )
        rows = [row for row in found.rows if not about_cluster or alert.activity in _clusters(row)]
        runs = [run for row in rows if (run := run_of(row, workspace.resource, _parent(row, workspace)))]
        return [
            run
            for run in runs
            if run.failed
            and (about_cluster or alert.pipeline in (None, run.pipeline))
            and after <= (run.ended_at or after) <= before
        ]

    async def changes(self, resource: Resource, since: datetime) -> Changes:
        return await self._feeds[self.workspaces.of(resource.id).resource.id].since(since)

    async def later(self, run: Run) -> Sequence[Run]:
        """Later repairs of the run, and somebody's own runs of a scheduled job with the same parameters."""
        workspace = self.workspaces.of(run.ref.resource)
        raw = await workspace.run(repair_of(run.ref.run_id)[0])
        if raw is None:
            return ()
        chain = runs_of(raw, workspace.resource)
        first = next((place for place, one in enumerate(chain) if one.ref == run.ref), 0)
        return (*chain[first + 1 :], *await self._run_by_hand(workspace, raw, run))

    async def _run_by_hand(self, workspace: Workspace, raw: Json, run: Run) -> Sequence[Run]:
        job_id = text(raw.get("job_id"))
        if not job_id or run.started_at is None or text(raw.get("trigger")) in (MANUAL, ""):
            return ()  # one started by hand or by a program is followed by others that have nothing to do with it
        since = str(int(run.started_at.timestamp() * 1000) + 1)
        found = await workspace.runs(job_id=job_id, start_time_from=since, pages=4)
        same = [row for row in found.rows if parameters(row) == parameters(raw)]
        runs = [other for row in same if (other := run_of(row, workspace.resource))]
        return sorted(
            (other for other in runs if other.manual), key=lambda other: other.started_at or self._clock.now()
        )

    async def definition(self, run: Run) -> str | None:
        """Of the job's settings as they are now."""
        workspace = self.workspaces.of(run.ref.resource)
        raw = await workspace.run(repair_of(run.ref.run_id)[0]) or {}
        job = await workspace.job(text(raw.get("job_id"))) if raw.get("job_id") else None
        settings = job.get("settings") if job else None
        return fingerprint(settings) if isinstance(settings, dict) else None

    async def latest(self, resource: Resource, pipeline: str) -> Run | None:
        """The run of a job that began last, or its latest repair."""
        workspace = self.workspaces.of(resource.id)
        job_id = await workspace.job_named(pipeline)
        since = str(int((self._clock.now() - WEEK).timestamp() * 1000))
        found = await workspace.runs(job_id=job_id, start_time_from=since, pages=1) if job_id else None
        raw = await workspace.run(text(found.rows[0].get("run_id"))) if found and found.rows else None
        chain = runs_of(raw, workspace.resource) if raw else ()
        return chain[-1] if chain else None

    async def failure(self, run: Run) -> Failure:
        faults = await Search(self.workspaces.of(run.ref.resource)).faults(run)
        return Failure(
            platform=self.name,
            pipeline=run.pipeline,
            run_id=run.ref.run_id,
            faults=faults,
            message=run.message,
            ended_at=run.ended_at,
        )

    async def masked(self, run: Run) -> Sequence[Fault]:
        """The tasks that failed in a run that says so of itself."""
        return await Search(self.workspaces.of(run.ref.resource)).faults(run) if run.masked else ()

    async def details(self, attempt: Attempt) -> Mapping[str, object]:
        """The job, and the cluster of the task that failed, if there is one."""
        raw = await self.workspaces.of(attempt.resource).run(repair_of(attempt.reference_run_id)[0]) or {}
        ids = [cluster_of(task) for task in failed_tasks(raw)]
        cluster = next(filter(None, ids), "")
        told = {"job_name": attempt.pipeline, "job_id": text(raw.get("job_id")), "cluster_id": cluster}
        return {name: value for name, value in told.items() if value}

    def run_at(self, page: str) -> RunRef | None:
        """The run is the last number of the address, whichever way it is written."""
        parts = urlsplit(page)
        numbers = RUN_IN_PAGE.findall(f"{parts.path}#{parts.fragment}")
        here = next((resource for resource in self.connections if resource.id == parts.netloc.lower()), None)
        return RunRef(self.name, here.id, numbers[-1]) if here and numbers else None

    async def cancel(self, ref: RunRef) -> None:
        await self.workspaces.of(ref.resource).cancel(repair_of(ref.run_id)[0])

    def checks(self) -> Sequence[Chain]:
        return [chain(workspace) for workspace in self.workspaces]

    async def close(self) -> None:
        for workspace in self.workspaces:
            await workspace.close()

    def _window(self, alert: Alert) -> tuple[datetime, datetime]:
        if alert.window:
            return alert.window[0] - MARGIN, alert.window[1] + MARGIN
        failed_at = alert.failed_at or self._clock.now()
        return failed_at - UNTIMED, failed_at + MARGIN


def _parent(raw: Json, workspace: Workspace) -> RunRef | None:
    by = starter(raw)
    return RunRef(workspace.resource.platform, workspace.resource.id, by) if by else None


def _clusters(row: Json) -> set[str]:
    tasks = row.get("tasks")
    return {cluster_of(task) for task in tasks if isinstance(task, dict)} if isinstance(tasks, list) else set()
