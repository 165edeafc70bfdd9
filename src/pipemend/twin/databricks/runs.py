"""Runs of jobs, and the runs of their tasks."""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .clusters import milliseconds
from .endings import Ending
from .jobs import Job, Task


def number() -> int:
    """An id as the vendor gives them: long, not in order, and still exact in JavaScript."""
    return secrets.randbelow(9 * 10**14) + 10**14


@dataclass
class TaskRun:
    """One attempt of one task. `phase` is one of the older life cycle states until there is an ending."""

    run: "JobRun"
    task: Task
    attempt: int = 0
    id: int = field(default_factory=number)
    phase: str = "BLOCKED"
    start: int = 0
    ready: int = 0
    end: int = 0
    ending: Ending | None = None
    output: str = ""
    cluster_id: str | None = None
    context: int | None = None
    timer: asyncio.TimerHandle | None = None
    retried: bool = False

    @property
    def ended(self) -> bool:
        return self.ending is not None


@dataclass
class Repair:
    """One stretch of a job run: the original one, or a repair of it."""

    start: int
    id: int | None = None
    end: int = 0
    ending: Ending | None = None
    task_runs: list[TaskRun] = field(default_factory=list)


@dataclass(frozen=True)
class Asked:
    """Who wanted a run, beyond what Databricks shows."""

    by: str
    request_id: str | None = None


@dataclass
class JobRun:
    """One run of a job. `asked` says who wanted it; the real thing does not tell."""

    job: Job
    trigger: str
    asked: Asked
    kind: str = "JOB_RUN"
    name: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    overriding: dict[str, Any] = field(default_factory=dict)
    id: int = field(default_factory=number)
    phase: str = "PENDING"
    start: int = field(default_factory=milliseconds)
    begun: int = 0
    end: int = 0
    ending: Ending | None = None
    stretches: list[Repair] = field(default_factory=list)
    tasks: list[TaskRun] = field(default_factory=list)
    clusters: list[str] = field(default_factory=list)
    timer: asyncio.TimerHandle | None = None
    on_end: list[Callable[["JobRun"], None]] = field(default_factory=list)

    @property
    def ended(self) -> bool:
        return self.ending is not None

    @property
    def repairs(self) -> list[Repair]:
        return [stretch for stretch in self.stretches if stretch.id is not None]

    def latest(self, key: str) -> TaskRun | None:
        """The newest attempt of a task."""
        return next((one for one in reversed(self.tasks) if one.task.key == key), None)

    def current(self) -> list[TaskRun]:
        """The newest attempt of every task."""
        return list({one.task.key: one for one in self.tasks}.values())
