"""The factories, their pipelines and runs: the state behind Resource Manager."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..clock import now
from .failures import ActivityError
from .plans import Outcome, Plan


@dataclass(frozen=True)
class InvokedBy:
    """Who started a run, as Data Factory shows it."""

    id: str
    name: str
    type: str
    pipeline: str | None = None
    run_id: str | None = None


@dataclass(frozen=True)
class Step:
    """One activity of a pipeline; with a child it is an Execute Pipeline activity, with a job one of Databricks."""

    name: str
    type: str
    child: str | None = None
    job: str | None = None

    @property
    def own(self) -> bool:
        """Whether it does its work by itself."""
        return self.child is None and self.job is None


@dataclass
class ActivityRun:
    id: str
    step: Step
    start: datetime
    end: datetime | None = None
    status: str = "InProgress"
    error: ActivityError | None = None
    child_run_id: str | None = None
    output: dict[str, Any] = field(default_factory=dict)
    stop: Callable[[], None] | None = None

    @property
    def last_updated(self) -> datetime:
        return self.end or self.start


@dataclass
class Run:
    """One run of a pipeline. `asked_by` and `request_id` say who wanted it; the real thing does not tell."""

    id: str
    pipeline: "Pipeline"
    group: str
    invoked_by: InvokedBy
    outcome: Outcome
    parameters: dict[str, Any]
    start: datetime
    last_updated: datetime
    asked_by: str
    request_id: str | None = None
    referenced: str | None = None
    debug: bool = False
    status: str = "Queued"
    message: str = ""
    end: datetime | None = None
    latest: bool = True
    todo: list[Step] = field(default_factory=list)
    activities: list[ActivityRun] = field(default_factory=list)
    timer: asyncio.TimerHandle | None = None
    on_end: list[Callable[["Run"], None]] = field(default_factory=list)

    @property
    def ended(self) -> bool:
        return self.end is not None

    @property
    def failed_activity(self) -> ActivityRun | None:
        return next((activity for activity in reversed(self.activities) if activity.status == "Failed"), None)

    def succeeded_steps(self) -> set[str]:
        return {activity.step.name for activity in self.activities if activity.status == "Succeeded"}


@dataclass
class LinkedService:
    """A connection of a factory. While it does not work, testing it and the runs that use it fail with `error`."""

    name: str
    type: str = "AzureSqlDatabase"
    works: bool = True
    error: str = "The server 'sql-twin.database.windows.net' does not answer, database 'sales', user 'loader'."
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass
class Pipeline:
    factory: "Factory"
    name: str
    plan: Plan = field(default_factory=Plan)
    started: int = 0

    def steps(self) -> list[Step]:
        """Own activities first, then the jobs, then the children; the last own one is the one that may fail."""
        own = [Step(f"Copy data{n}", "Copy") for n in range(1, self.plan.activities + 1)]
        usual = self.plan.usual_error()
        if own and usual:
            own[-1] = Step(usual.target or own[-1].name, usual.activity_type)
        jobs = [Step(f"Run {job.partition('/')[2]}", self.plan.job_activity, job=job) for job in self.plan.jobs]
        return own + jobs + [Step(f"Execute {child}", "ExecutePipeline", child) for child in self.plan.children]

    def broken_connection(self) -> LinkedService | None:
        """The first of its linked services that does not work."""
        used = (self.factory.linked_services.get(name.casefold()) for name in self.plan.linked_services)
        return next((service for service in used if service and not service.works), None)


@dataclass(frozen=True)
class Place:
    """Where a factory lies."""

    subscription: str = "00000000-0000-4000-8000-00000000adf0"
    resource_group: str = "rg-twin"


@dataclass
class Factory:
    """A factory lies where it is first looked for, unless it was told where."""

    name: str
    created: datetime
    place: Place | None = None
    pipelines: dict[str, Pipeline] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)
    groups: dict[str, list[Run]] = field(default_factory=dict)
    linked_services: dict[str, LinkedService] = field(default_factory=dict)

    def pipeline(self, name: str) -> Pipeline | None:
        return self.pipelines.get(name.casefold())

    def define(self, name: str) -> Pipeline:
        """The pipeline of this name, made if there is none."""
        return self.pipelines.setdefault(name.casefold(), Pipeline(self, name))

    def keep(self, run: Run) -> None:
        """Adds the run; it is the latest of its group from now on."""
        for other in self.groups.setdefault(run.group, []):
            other.latest = False
        self.groups[run.group].append(run)
        self.runs[run.id] = run

    def forget(self, run: Run) -> None:
        """From now on nobody finds the run, as when its history is over."""
        del self.runs[run.id]
        self.groups[run.group].remove(run)


@dataclass(frozen=True)
class Settings:
    """Where all factories lie, if that is to be fixed; how late and in what portions they tell of their runs."""

    subscription: str = ""
    resource_group: str = ""
    page_size: int = 100
    visible_after: float = 0.0
    found_after: float = 0.0


class Estate:
    """All factories of the subscription."""

    def __init__(self) -> None:
        self.settings = Settings()
        self.factories: dict[str, Factory] = {}

    def factory(self, name: str) -> Factory | None:
        return self.factories.get(name.casefold())

    def define(self, name: str) -> Factory:
        """The factory of this name, made if there is none."""
        return self.factories.setdefault(name.casefold(), Factory(name, now()))

    def run(self, run_id: str) -> Run | None:
        return next((f.runs[run_id] for f in self.factories.values() if run_id in f.runs), None)

    def succeeded_since(self, pipeline: str, since: float) -> bool:
        """Whether a run of `factory/pipeline` has ended well since this moment (seconds since 1970)."""
        factory, _, name = pipeline.rpartition("/")
        return any(
            run.status == "Succeeded" and run.end is not None and run.end.timestamp() >= since
            for run in self.runs()
            if run.pipeline.name.casefold() == name.casefold()
            and factory.casefold() in ("", run.pipeline.factory.name.casefold())
        )

    def runs(self) -> list[Run]:
        return [run for factory in self.factories.values() for run in factory.runs.values()]

    def place(self, factory: Factory) -> Place:
        known = factory.place or Place()
        subscription = self.settings.subscription or known.subscription
        return Place(subscription, self.settings.resource_group or known.resource_group)

    def resource_id(self, factory: Factory) -> str:
        place = self.place(factory)
        group = f"/subscriptions/{place.subscription}/resourceGroups/{place.resource_group}"
        return f"{group}/providers/Microsoft.DataFactory/factories/{factory.name}"
