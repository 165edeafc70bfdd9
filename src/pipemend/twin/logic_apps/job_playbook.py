"""What a workflow does for Databricks: it readies the cluster as it is asked, then runs the job or repairs its run."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..clock import Timers, now, stamp
from ..databricks.clusters import Cluster
from ..databricks.reasons import Reason
from ..databricks.runs import Asked, JobRun
from ..databricks.workspace import Account, Workspace
from ..post import Postman
from .workflows import ACTIONS, Invocation, Workflow

PAUSES = (0.2, 0.5)
LOOK_SECONDS = 0.01
RETRY, RESTART, SCALE, REINSTALL, UPSTREAM = ACTIONS
STATUSES = {RESTART: "JobRestarted", SCALE: "JobRestarted", REINSTALL: "LibrariesReinstalled"}
MESSAGES = {
    RESTART: "Cluster restarted successfully and job submitted",
    SCALE: "Cluster scaled up and job submitted",
    REINSTALL: "Cluster restarted with libraries reinstalled and job submitted",
}


class Unsupported(ValueError):
    """The workflow does not know the action that is asked for."""


class JobPlaybook:
    """Acts on the failed run that a request names, in the workspace where that is."""

    def __init__(self, timers: Timers, account: Account, callbacks: Postman) -> None:
        self._timers = timers
        self._account = account
        self._callbacks = callbacks

    def find(self, body: dict[str, Any]) -> tuple[Workspace, JobRun] | None:
        """The run of a job that the request names, itself or by one of its repairs."""
        word = str(body.get("original_run_id", "")).partition(":")[0]
        run_id = int(word) if word.isdecimal() else 0
        places = self._account.workspaces.values()
        return next(((place, place.engine.runs[run_id]) for place in places if run_id in place.engine.runs), None)

    def start(self, workflow: Workflow, history: Invocation, workspace: Workspace, run: JobRun) -> str | None:
        """The id of the rerun; None when it starts later. Raises Unsupported."""
        action = str(history.body.get("remediation_action") or RETRY)
        if action not in workflow.behaviour.supports:
            raise Unsupported(action)
        known = workflow.started_before(history)
        if known:
            return known
        asked = Asked(f"logic_app:{workflow.name}", history.workflow_run_id)
        cluster = _cluster(workspace, run, history.body)
        errand = _Errand(workflow, history, workspace, run, asked, action)

        def begin() -> None:
            if cluster is None or action in (RETRY, UPSTREAM):
                self._rerun(errand)
            else:
                self._ready(errand, cluster)

        if workflow.behaviour.start_after:
            self._timers.after(workflow.behaviour.start_after, begin)
        else:
            begin()
        return history.run_id

    def _ready(self, errand: "_Errand", cluster: Cluster) -> None:
        """Prepares the cluster; the rerun follows when it is up."""
        fleet = errand.workspace.fleet
        gone = [one.library for one in cluster.libraries.failed()] if errand.action == REINSTALL else []
        for library in gone:
            cluster.libraries.drop(library)
        if errand.action == SCALE:
            fleet.edit(cluster, {**cluster.spec, **_bigger(cluster)})
        elif cluster.up:
            fleet.restart(cluster)
        if cluster.state in ("TERMINATED", "ERROR"):
            fleet.start(cluster)
        errand.workspace.acted(errand.action, errand.asked, cluster_id=cluster.id)

        def ready(failure: Reason | None) -> None:
            if failure is not None:
                self._tell(errand, {"status": "Failed", "success": False, "error_message": "Cluster failed to restart"})
                return
            for library in gone:
                cluster.libraries.ask(library, up=True)
            self._await(errand, cluster, gone)

        fleet.when_ready(cluster, ready)

    def _await(self, errand: "_Errand", cluster: Cluster, libraries: list[dict[str, Any]]) -> None:
        """The rerun follows when these libraries are installed, or are known not to be."""
        if cluster.libraries.settled(libraries):
            self._rerun(errand)
        else:
            self._timers.after(LOOK_SECONDS, lambda: self._await(errand, cluster, libraries))

    def _rerun(self, errand: "_Errand") -> None:
        """Runs the job anew, or repairs its run, as the workflow is told."""
        workspace, run = errand.workspace, errand.run
        failed = [one.task.key for one in run.current() if one.ending is not None and not one.ending.good]
        if errand.workflow.behaviour.rerun == "repair" and run.ended and failed:
            repair_id = workspace.engine.repair(run, failed)
            workspace.acted("repair", errand.asked, run_id=run.id, repair_id=repair_id, tasks=failed, key=errand.key)
            started = run
        else:
            started = workspace.run_now(run.job, errand.asked, key=errand.key, job_parameters=run.parameters)
        errand.history.run_id = str(started.id)
        if errand.action in STATUSES:
            message = MESSAGES[errand.action]
            self._tell(errand, {"status": STATUSES[errand.action], "success": True, "message": message})
        else:
            started.on_end.append(lambda ended: self._tell(errand, _end(ended)))

    def _tell(self, errand: "_Errand", how: dict[str, Any]) -> None:
        url = errand.history.body.get("callback_url")
        for _ in range(errand.workflow.behaviour.callbacks if url else 0):
            about = {"workflow": errand.workflow.name, "run_id": errand.history.run_id}
            self._callbacks.send(str(url), {}, {**errand.told(), **how}, about, PAUSES)


@dataclass(frozen=True)
class _Errand:
    """One request on its way: for whom, about which run, and what to do."""

    workflow: Workflow
    history: Invocation
    workspace: Workspace
    run: JobRun
    asked: Asked
    action: str

    @property
    def key(self) -> str | None:
        key = self.history.body.get("idempotency_key")
        return None if key is None else str(key)

    def told(self) -> dict[str, Any]:
        """What every callback says."""
        body = self.history.body
        return {
            "ticket_id": body.get("ticket_id"),
            "attempt_number": body.get("retry_attempt"),
            "remediation_run_id": self.history.run_id,
            "job_name": self.run.job.name,
            "cluster_id": body.get("cluster_id"),
            "original_run_id": body.get("original_run_id"),
            "error_type": body.get("error_type"),
            "timestamp": stamp(now()),
        }


def _cluster(workspace: Workspace, run: JobRun, body: dict[str, Any]) -> Cluster | None:
    """The cluster that is named, else the first on which the run was; those made for one run are not touched."""
    found = (workspace.fleet.clusters.get(cluster_id) for cluster_id in _ids(run, body))
    return next((one for one in found if one is not None and one.source != "JOB" and not one.deleted), None)


def _ids(run: JobRun, body: dict[str, Any]) -> Iterator[str]:
    yield str(body.get("cluster_id") or "")
    yield from (one.cluster_id for one in run.tasks if one.cluster_id)


def _bigger(cluster: Cluster) -> dict[str, Any]:
    scale = cluster.spec.get("autoscale")
    if scale:
        return {"autoscale": {**scale, "max_workers": scale["max_workers"] * 2}}
    return {"num_workers": max(cluster.workers * 2, 1)}


def _end(run: JobRun) -> dict[str, Any]:
    good = run.ending is not None and run.ending.good
    told: dict[str, Any] = {"status": "Succeeded" if good else "Failed", "success": good}
    return told if good or run.ending is None else {**told, "error_message": run.ending.message}
