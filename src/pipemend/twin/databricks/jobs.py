"""Jobs and their tasks: what each is, what it is told to do, and what it needs to do well."""

import time
from dataclasses import dataclass, field
from typing import Any

from .endings import SUCCESS, Ending

RUN_IFS = ("ALL_SUCCESS", "ALL_DONE", "NONE_FAILED", "AT_LEAST_ONE_SUCCESS", "AT_LEAST_ONE_FAILED", "ALL_FAILED")


@dataclass(frozen=True)
class Outcome:
    """How one execution of a task ends. Without an ending it never does by itself."""

    ending: Ending | None = SUCCESS
    duration: float | None = None
    output: str = ""


@dataclass(frozen=True)
class Needs:
    """What must hold when a task runs, or it fails in the way that fits.

    `workers` and `memory_mb` are the least size of its cluster; `restarted` wants the cluster to have started since the
    job was told; `libraries` wants all of the cluster's installed; `pipeline` wants a run of this Data Factory pipeline
    to have succeeded since; `job` the same of a job of this workspace. `error` replaces the fitting failure.
    """

    workers: int | None = None
    memory_mb: int | None = None
    restarted: bool = False
    libraries: bool = False
    pipeline: str | None = None
    job: str | None = None
    error: Ending | None = None


@dataclass(frozen=True)
class Task:
    """One task of a job. `cluster` names a cluster of the workspace; None is a new one for each run.

    `inputs` makes it a for-each task over as many.
    """

    key: str
    depends_on: tuple[str, ...] = ()
    run_if: str = "ALL_SUCCESS"
    outcomes: tuple[Outcome, ...] = (Outcome(),)
    duration: float = 0.1
    cluster: str | None = None
    libraries: tuple[dict[str, Any], ...] = ()
    max_retries: int = 0
    retry_seconds: float = 0.05
    needs: Needs = Needs()
    inputs: int = 0

    def outcome(self, number: int) -> Outcome:
        """Of the execution with this number, counted from 0; the last repeats."""
        return self.outcomes[min(number, len(self.outcomes) - 1)]


@dataclass(frozen=True)
class Tell:
    """Which webhooks a job's runs post, and how well they travel.

    `ids` are "text" or "number"; `shape` is "plain", as the vendor posts, or another that was seen. Of each, `copies`
    are sent, `delay` seconds late; the first `lost` never leave.
    """

    on: tuple[str, ...] = ("on_failure",)
    tasks: bool = False
    ids: str = "text"
    shape: str = "plain"
    copies: int = 1
    delay: float = 0.0
    lost: int = 0


@dataclass(frozen=True)
class Plan:
    """What the runs of a job do."""

    tasks: tuple[Task, ...] = (Task("main"),)
    queued: float = 0.0
    max_concurrent_runs: int = 1
    queue: bool = False
    tell: Tell = Tell(on=())
    parameters: dict[str, str] = field(default_factory=dict)
    spec: dict[str, Any] = field(default_factory=dict)
    starts: tuple[Any, ...] = (None,)
    start_seconds: float = 0.02

    def task(self, key: str) -> Task | None:
        return next((task for task in self.tasks if task.key == key), None)

    def leaves(self) -> set[str]:
        """The tasks on which no other depends: they decide how a run ends."""
        return {task.key for task in self.tasks} - {key for task in self.tasks for key in task.depends_on}

    def after(self, keys: set[str]) -> set[str]:
        """All tasks that depend on these, however far down."""
        found: set[str] = set()
        while more := {t.key for t in self.tasks if set(t.depends_on) & (keys | found)} - found:
            found |= more
        return found


@dataclass
class Job:
    id: int
    name: str
    plan: Plan = field(default_factory=Plan)
    created: int = 0
    told_at: float = field(default_factory=time.time)
    executed: dict[str, int] = field(default_factory=dict)
    cluster_starts: int = 0
    silent: int = 0

    def tell(self, plan: Plan) -> None:
        """A new plan; everything is counted anew."""
        self.plan, self.told_at = plan, time.time()
        self.executed, self.cluster_starts, self.silent = {}, 0, 0

    def execute(self, task: Task) -> Outcome:
        """The outcome of the execution that begins now."""
        number = self.executed.get(task.key, 0)
        self.executed[task.key] = number + 1
        return task.outcome(number)
