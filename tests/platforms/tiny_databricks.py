"""A workspace of a few lines: jobs, runs and their repairs, clusters. Tests make trouble and odd answers with it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pipemend.clients.http import Http
from pipemend.clients.pace import Pace
from pipemend.core.clock import Clock, WallClock
from pipemend.core.run import Resource
from pipemend.platforms.databricks import Databricks
from pipemend.platforms.databricks.client import PersonalToken, Workspace
from tests.notifiers.serving import Vendor, serving

TOKEN = "tiny-token"
NODES = {
    "Standard_D4s_v3": 16,
    "Standard_D8s_v3": 32,
    "Standard_D16s_v3": 64,
    "Standard_E8s_v3": 64,
    "Standard_D64s_v3": 256,
    "Standard_D96s_v3": 384,
}
RESOURCE = Resource("databricks", "adb-1234567890.7.azuredatabricks.net", "adb-1234567890.7")


def ended(result: str, message: str = "") -> dict[str, Any]:
    cycle = "INTERNAL_ERROR" if result == "FAILED" else "TERMINATED"
    return {"life_cycle_state": cycle, "result_state": result, "state_message": message}


def running() -> dict[str, Any]:
    return {"life_cycle_state": "RUNNING", "state_message": ""}


class TinyDatabricks(Vendor):
    """`runs` are the run objects by id, as runs/get answers; a repair changes them as the real one does."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_795_500_000_000
        self.runs: dict[int, dict[str, Any]] = {}
        self.outputs: dict[int, dict[str, Any]] = {}
        self.clusters: dict[str, dict[str, Any]] = {}
        self.libraries: dict[str, list[dict[str, Any]]] = {}
        self.bodies: list[tuple[str, Mapping[str, Any]]] = []
        self.tokens: dict[str, int] = {}
        self.settings: dict[str, Any] = {"name": "nightly-load", "max_concurrent_runs": 1}
        self._ids = count(455644833)
        routes = [Route("/api/{path:path}", self.handle, methods=["GET", "POST"])]
        self.app = Starlette(routes=routes)

    # what happens there

    def begins(self, name: str = "nightly-load", *, job_id: int = 11223344, **more: Any) -> int:
        run_id = next(self._ids)
        task = {"task_key": "main", "run_id": run_id + 1_000_000, "notebook_task": {}, "state": running()}
        self.runs[run_id] = {
            "run_id": run_id,
            "job_id": job_id,
            "run_name": name,
            "trigger": "PERIODIC",
            "run_type": "JOB_RUN",
            "start_time": self.now,
            "end_time": 0,
            "state": running(),
            "tasks": [task],
            "run_page_url": f"https://adb-1234567890.7.azuredatabricks.net/jobs/{job_id}/runs/{run_id}",
            **more,
        }
        return run_id

    def ends(self, run_id: int, result: str, error: str = "") -> None:
        run = self.runs[run_id]
        run.update(state=ended(result, "Task main failed. See run output."), end_time=self.now)
        for task in run["tasks"]:
            task.update(state=ended(result, "Workload failed, see run output for details."), end_time=self.now)
            self.outputs[task["run_id"]] = {"error": error} if error else {}
        if run.get("repair_history"):
            run["repair_history"][-1].update(state=run["state"], end_time=self.now)

    def fails(self, name: str = "nightly-load", error: str = "504 Gateway Timeout", **more: Any) -> int:
        run_id = self.begins(name, **more)
        self.now += 1000
        self.ends(run_id, "FAILED", error)
        return run_id

    def repaired(self, run_id: int) -> int:
        """Somebody has the failed tasks run again; the repair's id."""
        run = self.runs[run_id]
        original = {"type": "ORIGINAL", "state": run["state"], "start_time": run["start_time"]}
        history = run.setdefault("repair_history", [{**original, "end_time": run["end_time"]}])
        repair_id = 9_000 + len(history)
        history.append({"type": "REPAIR", "id": repair_id, "start_time": self.now, "end_time": 0, "state": running()})
        run.update(state=running(), end_time=0)
        return repair_id

    # the API

    async def work(self, request: Request) -> Response:
        path = request.path_params["path"].partition("/")[2]
        body = await request.json() if request.method == "POST" else {}
        self.bodies.append((path, body or dict(request.query_params)))
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return _no(403, "PERMISSION_DENIED", "Invalid access token.")
        asked: Mapping[str, Any] = body or request.query_params
        answer: Response = getattr(self, f"_{path.replace('/', '_').replace('-', '_')}")(asked)
        return answer

    def sent(self, path: str) -> list[Mapping[str, Any]]:
        return [body for name, body in self.bodies if name == path]

    def _jobs_runs_get(self, asked: Mapping[str, Any]) -> Response:
        run_id = int(asked["run_id"])
        found = self.runs.get(run_id) or self._task(run_id)
        return JSONResponse(found) if found else _no(400, "INVALID_PARAMETER_VALUE", f"Run {run_id} does not exist.")

    def _task(self, run_id: int) -> dict[str, Any] | None:
        """A task has a run of its own, which names the job's."""
        found = ((run, task) for run in self.runs.values() for task in run.get("tasks", ()) if task["run_id"] == run_id)
        return next(({**task, "job_run_id": run["run_id"], "job_id": run["job_id"]} for run, task in found), None)

    def _jobs_get(self, asked: Mapping[str, Any]) -> Response:
        job_id = int(asked["job_id"])
        if job_id not in {run["job_id"] for run in self.runs.values()}:
            return _no(400, "INVALID_PARAMETER_VALUE", f"Job {job_id} does not exist.")
        return JSONResponse({"job_id": job_id, "settings": self.settings, "created_time": self.now})

    def _jobs_list(self, asked: Mapping[str, Any]) -> Response:
        ids = {run["job_id"] for run in self.runs.values() if run["run_name"] == asked["name"]}
        return JSONResponse({"jobs": [{"job_id": job_id} for job_id in ids]} if ids else {})

    def _jobs_runs_list(self, asked: Mapping[str, Any]) -> Response:
        rows = [{k: v for k, v in run.items() if k != "repair_history"} for run in self.runs.values()]
        if "active_only" in asked:
            rows = [row for row in rows if not row["end_time"]]
        if "completed_only" in asked:
            rows = [row for row in rows if row["end_time"]]
        if "job_id" in asked:
            rows = [row for row in rows if str(row["job_id"]) == asked["job_id"]]
        rows = [row for row in rows if row["start_time"] >= int(asked.get("start_time_from", 0))]
        return JSONResponse({"runs": sorted(rows, key=lambda row: -row["start_time"])} if rows else {})

    def _jobs_runs_get_output(self, asked: Mapping[str, Any]) -> Response:
        return JSONResponse(self.outputs.get(int(asked["run_id"]), {}))

    def _jobs_runs_repair(self, asked: Mapping[str, Any]) -> Response:
        run = self.runs[asked["run_id"]]
        latest = (run.get("repair_history") or [{}])[-1].get("id")
        if not run["end_time"]:
            return _no(400, "INVALID_STATE", "The run is active and cannot be repaired.")
        if latest != asked.get("latest_repair_id"):
            return _no(400, "INVALID_PARAMETER_VALUE", "latest_repair_id is not the id of the latest repair.")
        return JSONResponse({"repair_id": self.repaired(asked["run_id"])})

    def _jobs_run_now(self, asked: Mapping[str, Any]) -> Response:
        token = asked["idempotency_token"]
        if token not in self.tokens:
            self.tokens[token] = self.begins(job_id=asked["job_id"], trigger="ONE_TIME")
        return JSONResponse({"run_id": self.tokens[token], "number_in_job": 1})

    def _jobs_runs_cancel(self, asked: Mapping[str, Any]) -> Response:
        self.ends(asked["run_id"], "CANCELED")
        return JSONResponse({})

    def _clusters_get(self, asked: Mapping[str, Any]) -> Response:
        found = self.clusters.get(asked["cluster_id"])
        missing = f"Cluster {asked['cluster_id']} does not exist"
        return JSONResponse(found) if found else _no(400, "INVALID_PARAMETER_VALUE", missing)

    def _clusters_start(self, asked: Mapping[str, Any]) -> Response:
        return self._moves(asked, "TERMINATED", "PENDING")

    def _clusters_restart(self, asked: Mapping[str, Any]) -> Response:
        return self._moves(asked, "RUNNING", "RESTARTING")

    def _clusters_resize(self, asked: Mapping[str, Any]) -> Response:
        answer = self._moves(asked, "RUNNING", "RESIZING")
        size = {name: asked[name] for name in ("num_workers", "autoscale") if name in asked}
        self.clusters[asked["cluster_id"]].update(size)
        return answer

    def _clusters_edit(self, asked: Mapping[str, Any]) -> Response:
        """A cluster that runs is restarted by it."""
        cluster = self.clusters[asked["cluster_id"]]
        if cluster["state"] not in ("RUNNING", "TERMINATED"):
            return _no(400, "INVALID_STATE", f"Cluster is in unexpected state {cluster['state'].title()}.")
        cluster.update(asked, state="RESTARTING" if cluster["state"] == "RUNNING" else "TERMINATED")
        return JSONResponse({})

    def _clusters_list_node_types(self, asked: Mapping[str, Any]) -> Response:
        rows = [{"node_type_id": name, "memory_mb": gb * 1024} for name, gb in NODES.items()]
        return JSONResponse({"node_types": rows})

    def _moves(self, asked: Mapping[str, Any], was: str, becomes: str) -> Response:
        cluster = self.clusters[asked["cluster_id"]]
        if cluster["state"] != was:
            return _no(400, "INVALID_STATE", f"Cluster is in unexpected state {cluster['state'].title()}.")
        cluster["state"] = becomes
        return JSONResponse({})

    def comes_up(self, cluster_id: str) -> None:
        """The cluster has arrived where it was going. With a restart libraries that were taken off are gone."""
        cluster = self.clusters[cluster_id]
        if cluster["state"] != "RESIZING":
            cluster["start_time"] = cluster["last_restarted_time"] = self.now
            kept = [row for row in self.libraries.get(cluster_id, []) if row["status"] != "UNINSTALL_ON_RESTART"]
            self.libraries[cluster_id] = kept
        cluster["state"] = "RUNNING"

    def _libraries_uninstall(self, asked: Mapping[str, Any]) -> Response:
        for row in self.libraries[asked["cluster_id"]]:
            if row["library"] in asked["libraries"]:
                row["status"] = "UNINSTALL_ON_RESTART"
        return JSONResponse({})

    def _libraries_install(self, asked: Mapping[str, Any]) -> Response:
        rows = [{"library": library, "status": "INSTALLING"} for library in asked["libraries"]]
        self.libraries[asked["cluster_id"]] += rows
        return JSONResponse({})

    def _libraries_cluster_status(self, asked: Mapping[str, Any]) -> Response:
        return JSONResponse({"library_statuses": self.libraries.get(asked["cluster_id"], [])})


def _no(status: int, code: str, message: str) -> Response:
    return JSONResponse({"error_code": code, "message": message}, status)


@asynccontextmanager
async def connected(tiny: TinyDatabricks, token: str = TOKEN, clock: Clock | None = None) -> AsyncIterator[Databricks]:
    """The platform with this workspace at the other end. It tells no time: the platform goes by its own clock."""
    async with serving(tiny.app, date_header=False) as url:
        pace = Pace("Databricks", per_second=1000, at_once=20)
        platform = Databricks([Workspace(RESOURCE, url, Http(), PersonalToken(token), pace)], clock or WallClock())
        yield platform
        await platform.close()
