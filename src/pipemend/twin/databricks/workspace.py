"""Workspaces: each with its own address, tokens, jobs, clusters and limits; and the account that holds them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from ..clock import Timers, now, stamp
from ..post import Delivery, Postman
from .clusters import Cluster, milliseconds
from .engine import Engine
from .fleet import Fleet
from .jobs import Job, Plan
from .limits import Meter
from .needs import Since
from .notifications import Notifications
from .runs import Asked, JobRun, number

Monitor = Callable[[str, str, Cluster], None]
AUDIENCES = ("2ff814a6-3304-4ab8-85cb-cd0e6f879c1d", "https://databricks.azure.net", "https://databricks.azure.net/")


@dataclass(frozen=True)
class Settings:
    """Who is let in, how the workspace tells of its runs, and how much it takes.

    `readers` are tokens that may not act. `limits` are requests a second by operation, "*" for all together.
    """

    tokens: tuple[str, ...] = ()
    readers: tuple[str, ...] = ()
    entra: bool = True
    state_shape: str = "both"
    page_size: int = 25
    visible_after: float = 0.0
    found_after: float = 0.0
    limits: Mapping[str, float] = field(default_factory=dict)
    retry_after: float | None = None


class Workspace:
    def __init__(self, name: str, timers: Timers, post: Postman, pipeline_succeeded: Since, monitor: Monitor) -> None:
        self.name = name
        self.id = str(10**15 + int(sha256(name.encode()).hexdigest()[:12], 16))
        self.settings = Settings(tokens=(f"dapi-twin-{name}",))
        self.meter = Meter()
        self.jobs: dict[int, Job] = {}
        self.acts: list[dict[str, Any]] = []
        self.started_with: dict[str, int] = {}
        self.notifications = Notifications(timers, post, name, self.id)
        self.fleet = Fleet(timers, self._hear_cluster)
        self._monitor = monitor
        self.engine = Engine(timers, self.fleet, self.notifications.hear, pipeline_succeeded)

    def _hear_cluster(self, event: str, cluster: Cluster) -> None:
        self.notifications.hear_cluster(event, cluster)
        self._monitor(event, self.name, cluster)

    def job(self, name_or_id: str | int) -> Job | None:
        by_name = (job for job in self.jobs.values() if job.name == name_or_id)
        found = self.jobs.get(int(name_or_id)) if str(name_or_id).isdecimal() else None
        return found or next(by_name, None)

    def define(self, name: str, plan: Plan) -> Job:
        """The job of this name with this plan, made if there is none."""
        job = next((job for job in self.jobs.values() if job.name == name), None)
        if job is None:
            job = Job(number(), name, created=milliseconds())
            self.jobs[job.id] = job
        job.tell(plan)
        return job

    def cluster(self, name_or_id: str) -> Cluster | None:
        return self.fleet.named(name_or_id)

    def acted(self, act: str, asked: Asked, **about: Any) -> None:
        """Writes down that something was started or changed, and at whose wish."""
        self.acts.append({"at": stamp(now()), "act": act, "by": asked.by, "requestId": asked.request_id, **about})

    def run_now(self, job: Job, asked: Asked, key: str | None = None, **given: Any) -> JobRun:
        """A run on demand; `key` is what whoever asks calls it."""
        run = self.engine.start(job, "ONE_TIME", asked, given.pop("job_parameters", {}), given)
        self.acted("runNow", asked, run_id=run.id, job=job.name, key=key)
        return run


class Account:
    """All workspaces."""

    def __init__(self, timers: Timers, post: Postman, pipeline_succeeded: Since, monitor: Monitor) -> None:
        self.post = post
        self._timers = timers
        self._pipeline_succeeded = pipeline_succeeded
        self._monitor = monitor
        self.workspaces: dict[str, Workspace] = {}

    def define(self, name: str) -> Workspace:
        """The workspace of this name, made if there is none."""
        if name not in self.workspaces:
            made = Workspace(name, self._timers, self.post, self._pipeline_succeeded, self._monitor)
            self.workspaces[name] = made
        return self.workspaces[name]

    def delivery(self, n: int) -> Delivery | None:
        return self.post.deliveries[n - 1] if 1 <= n <= len(self.post.deliveries) else None
