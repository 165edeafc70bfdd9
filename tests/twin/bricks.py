"""A workspace of the twin, and the few things that tests do with it."""

from dataclasses import dataclass
from typing import Any

import httpx

from tests.twin.stage import Stage

WORKSPACE = "dbx-twin"
ENDED = ("TERMINATED", "INTERNAL_ERROR", "SKIPPED")


@dataclass
class Bricks:
    stage: Stage
    name: str = WORKSPACE
    url: str = ""
    token: str = f"dapi-twin-{WORKSPACE}"

    async def ask(self, method: str, path: str, token: str | None = None, **given: Any) -> httpx.Response:
        """One request to the API; what is given goes into the query of a GET, else into the body."""
        version = {"jobs": "2.2", "clusters": "2.1", "libraries": "2.0"}[path.partition("/")[0]]
        url = f"{self.url or self.stage.base_url}/api/{version}/{path}"
        headers = {"Authorization": f"Bearer {token or self.token}"}
        if method == "GET":
            return await self.stage.http.get(url, params=given, headers=headers)
        return await self.stage.http.post(url, json=given, headers=headers)

    async def read(self, path: str, **given: Any) -> dict[str, Any]:
        return dict((await self.ask("GET", path, **given)).raise_for_status().json())

    async def act(self, path: str, **given: Any) -> dict[str, Any]:
        return dict((await self.ask("POST", path, **given)).raise_for_status().json())

    async def job(self, name: str, *outcomes: Any, **plan: Any) -> int:
        body = {"duration": 0.02, "outcomes": list(outcomes), **plan} if "tasks" not in plan else plan
        return int((await self.stage.put(f"databricks/{self.name}/jobs/{name}", **body))["job_id"])

    async def cluster(self, name: str, **told: Any) -> str:
        told = {"start_seconds": 0.02, "stop_seconds": 0.01, **told}
        return str((await self.stage.put(f"databricks/{self.name}/clusters/{name}", **told))["cluster_id"])

    async def trigger(self, job: str, **body: Any) -> int:
        return int((await self.stage.post(f"databricks/{self.name}/jobs/{job}/trigger", **body))["run_id"])

    async def run(self, run_id: int, **given: Any) -> dict[str, Any]:
        return await self.read("jobs/runs/get", run_id=run_id, **given)

    async def ended(self, run_id: int, **given: Any) -> dict[str, Any]:
        def over(run: dict[str, Any]) -> bool:
            return run["state"]["life_cycle_state"] in ENDED

        return dict(await self.stage.until(over, lambda: self.run(run_id, **given)))

    async def running(self, run_id: int) -> None:
        """Waits until the first task of the run is at work."""

        def at_work(run: dict[str, Any]) -> bool:
            return any(one["state"]["life_cycle_state"] == "RUNNING" for one in run.get("tasks", []))

        await self.stage.until(at_work, lambda: self.run(run_id))

    async def settled(self, cluster_id: str, *states: str) -> dict[str, Any]:
        async def read() -> dict[str, Any]:
            return await self.read("clusters/get", cluster_id=cluster_id)

        return dict(await self.stage.until(lambda cluster: cluster["state"] in states, read))

    async def failed(self, job: str, *outcomes: Any, **plan: Any) -> dict[str, Any]:
        """A run of a new job that has just failed."""
        await self.job(job, *outcomes, **plan)
        run = await self.ended(await self.trigger(job), include_history="true")
        assert run["state"]["result_state"] == "FAILED", run["state"]
        return run


def result(run: dict[str, Any]) -> str:
    return str(run["state"]["result_state"])


def latest(run: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The newest attempt of each task."""
    return {task["task_key"]: task for task in sorted(run["tasks"], key=lambda task: task["attempt_number"])}
