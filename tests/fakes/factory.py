"""A Data Factory in memory: runs with groups and parents, reruns, and answers that get lost."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from pipemend.core.alert import Alert, Door, Signal
from pipemend.core.attempt import Attempt, Declined, Progress, Running, Stage, Unknown
from pipemend.core.clock import Clock
from pipemend.core.errors import NoAnswer, Unreachable
from pipemend.core.ports import Remedy
from pipemend.core.rca import Failure, Fault
from pipemend.core.run import Changes, Rerun, Resource, Run, RunRef, RunStatus

FACTORY = Resource("data_factory", "/subscriptions/s/factories/adf-night", "adf-night")
GATEWAY = "The remote server returned an error: (504) Gateway Timeout."


class FakeFactory:
    """Keeps the port's promise of a platform, for one factory."""

    name = "data_factory"
    connections: Sequence[Resource] = (FACTORY,)
    resource_types: tuple[str, ...] = ("microsoft.datafactory/factories",)
    doors: tuple[Door, ...] = ()

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.runs: dict[str, Run] = {}
        self.errors: dict[str, str] = {}
        self.pages: dict[str, tuple[str, ...]] = {}  # of runs elsewhere that a run has started
        self.changed: dict[str, datetime] = {}
        self.hidden: set[str] = set()
        self.masks: dict[str, Fault] = {}  # what failed in runs that went well
        self.looked_at: list[str] = []  # those of which somebody asked
        self.definitions: dict[str, str | Exception] = {}
        self.down: Exception | None = None
        self.numbers = itertools.count(1)
        self.cancelled: list[str] = []
        self.rerun = FakeRerun(self)
        self.remedies: Mapping[str, Remedy] = {"retry_pipeline": self.rerun}

    def ref(self, run_id: str) -> RunRef:
        return RunRef(self.name, FACTORY.id, run_id)

    # what happens there

    def begins(
        self, pipeline: str, *, parent: str | None = None, group: str | None = None, manual: bool = False
    ) -> str:
        run_id = f"run-{next(self.numbers)}"
        self.runs[run_id] = Run(
            ref=self.ref(run_id),
            pipeline=pipeline,
            status=RunStatus.IN_PROGRESS,
            group_id=group or run_id,
            parent=self.ref(parent) if parent else None,
            started_at=self.clock.now(),
            manual=manual,
        )
        self.changed[run_id] = self.clock.now()
        return run_id

    def ends(self, run_id: str, status: RunStatus, error: str = "") -> None:
        now = self.clock.now()
        self.runs[run_id] = replace(self.runs[run_id], status=status, ended_at=now)
        self.errors[run_id] = error
        self.changed[run_id] = now

    def fails(self, pipeline: str, error: str = "GatewayTimeout", **how: str) -> str:
        run_id = self.begins(pipeline, parent=how.get("parent"), group=how.get("group"))
        self.ends(run_id, RunStatus.FAILED, error)
        return run_id

    # the port

    async def run(self, ref: RunRef) -> Run | None:
        self._answer()
        return None if ref.run_id in self.hidden else self.runs.get(ref.run_id)

    async def definition(self, run: Run) -> str | None:
        self._answer()
        found = self.definitions.get(run.pipeline)
        if isinstance(found, Exception):
            raise found
        return found

    async def find(self, alert: Alert) -> Sequence[Run]:
        self._answer()
        return [r for r in self.runs.values() if r.failed and r.pipeline == alert.pipeline]

    async def changes(self, resource: Resource, since: datetime) -> Changes:
        self._answer()
        after = since - timedelta(minutes=2)
        seen = [run for run_id, run in self.runs.items() if self.changed[run_id] >= after and run_id not in self.hidden]
        return Changes(tuple(seen), self.clock.now())

    async def later(self, run: Run) -> Sequence[Run]:
        self._answer()
        return [r for r in self.runs.values() if r.group_id == run.group_id and r.ref != run.ref]

    async def latest(self, resource: Resource, pipeline: str) -> Run | None:
        self._answer()
        return next((run for run in reversed(self.runs.values()) if run.pipeline == pipeline), None)

    async def failure(self, run: Run) -> Failure:
        self._answer()
        code = self.errors.get(run.ref.run_id, "")
        fault = Fault("Copy data1", "Copy", code, GATEWAY if code == "GatewayTimeout" else f"it broke: {code}", "")
        pages = self.pages.get(run.ref.run_id, ())
        return Failure(platform=self.name, pipeline=run.pipeline, run_id=run.ref.run_id, faults=(fault,), pages=pages)

    async def masked(self, run: Run) -> Sequence[Fault]:
        self._answer()
        self.looked_at.append(run.ref.run_id)
        return (self.masks[run.ref.run_id],) if run.ref.run_id in self.masks else ()

    def read(self, signal: Signal) -> Alert | None:
        return None

    async def cancel(self, ref: RunRef) -> None:
        self.cancelled.append(ref.run_id)

    async def close(self) -> None:
        return None

    def _answer(self) -> None:
        if self.down is not None:
            raise self.down


class FakeRerun:
    """Starts a rerun in the group of the reference; a playbook may start it elsewhere (`in_group`).

    `next_answers`: lost_before, lost_after, refused, final, accepted, unreachable, misnamed.
    """

    via = "direct"
    first = Stage()

    def __init__(self, factory: FakeFactory) -> None:
        self.factory = factory
        self.calls: list[Attempt] = []
        self.started_runs: list[str] = []
        self.next_answers: list[str] = []
        self.in_group = True
        self.answered: list[tuple[Attempt, str]] = []

    async def advance(self, attempt: Attempt, stage: Stage) -> Progress:
        self.calls.append(attempt)
        answer = self.next_answers.pop(0) if self.next_answers else "runs"
        self.answered.append((attempt, answer))
        if answer == "lost_before":
            return Unknown("no answer within 30 s")
        if answer == "refused":
            return Declined("the playbook said failed", final=False)
        if answer == "final":
            return Declined("404: the workflow does not exist", final=True)
        if answer == "unreachable":
            raise Unreachable("connection refused")
        run_id = self._start(attempt)
        if answer == "misnamed":
            return Running(Rerun(f"workflow-{len(self.calls)}"))
        if answer == "lost_after":
            return Unknown("no answer within 30 s")
        if answer == "accepted":
            return Unknown("202 without a run id", accepted=True)
        return Running(Rerun(run_id), answer='{"runId": "…"}')

    async def started(self, attempt: Attempt) -> Sequence[Rerun]:
        if self.factory.down:
            raise NoAnswer("silence")
        return [
            Rerun(run.ref.run_id, run.status, run.started_at, same_group=run.group_id == attempt.run_group_id)
            for run in self.factory.runs.values()
            if run.manual
            and run.pipeline == attempt.pipeline
            and (run.group_id == attempt.run_group_id or self.via == "playbook")
            and run.started_at
            and run.started_at >= attempt.created_at
            and run.ref.run_id not in self.factory.hidden
        ]

    def _start(self, attempt: Attempt) -> str:
        reference = self.factory.runs[attempt.reference_run_id]
        group = reference.group_id if self.in_group else None
        run_id = self.factory.begins(reference.pipeline, group=group, manual=True)
        self.started_runs.append(run_id)
        return run_id
