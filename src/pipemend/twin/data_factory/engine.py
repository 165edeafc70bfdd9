"""How runs live: queued, in progress, ended, each step after the other, children and recovery included."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import uuid4

from ..clock import Timers, now
from .failures import ActivityError, connection_failed
from .model import ActivityRun, InvokedBy, Pipeline, Run, Step

CANCELING_SECONDS = 0.05
CANCELLED = "The pipeline run was cancelled."
UNNAMED = ActivityError("2200", "The activity failed.")


@dataclass(frozen=True)
class Asked:
    """Who wanted a run, beyond what Data Factory shows."""

    by: str
    request_id: str | None = None


class Work(Protocol):
    """What an activity has started elsewhere: what it shows of it, and how to stop it."""

    @property
    def output(self) -> dict[str, Any]: ...

    @property
    def stop(self) -> Callable[[], None]: ...


Elsewhere = Callable[[Step, Run, Callable[[ActivityError | None], None]], Work]


class Engine:
    """Moves runs on. `tell` hears of every run that has ended; `elsewhere` starts the jobs of Databricks activities."""

    def __init__(self, timers: Timers, tell: Callable[[Run], None], elsewhere: Elsewhere) -> None:
        self._timers = timers
        self._tell = tell
        self._elsewhere = elsewhere

    def start(
        self,
        pipeline: Pipeline,
        asked: Asked,
        invoked_by: InvokedBy,
        parameters: dict[str, Any] | None = None,
        *,
        debug: bool = False,
    ) -> Run:
        """A fresh run in a group of its own."""
        run = _new(pipeline, asked, invoked_by, parameters or {})
        run.debug = debug
        return self._launch(run)

    def rerun(
        self,
        reference: Run,
        asked: Asked,
        *,
        recovery: bool = True,
        from_failure: bool = True,
        start_activity: str | None = None,
    ) -> Run:
        """A run with the reference's parameters; as a recovery it joins the group and may skip what had succeeded."""
        run = _new(reference.pipeline, asked, manual(), dict(reference.parameters))
        run.referenced = reference.id
        if recovery:
            run.group = reference.group
            run.todo = _remaining(run.todo, _done(reference, start_activity, from_failure))
        return self._launch(run)

    def cancel(self, run: Run, *, recursive: bool) -> None:
        self._timers.cancel(run.timer)
        run.status, run.last_updated = "Canceling", now()
        for activity in run.activities:
            if activity.stop and activity.end is None:
                activity.stop()
            child = run.pipeline.factory.runs.get(activity.child_run_id or "")
            if recursive and child and not child.ended:
                self.cancel(child, recursive=True)
        run.timer = self._timers.after(CANCELING_SECONDS, lambda: self.end(run, "Cancelled", CANCELLED))

    def end(self, run: Run, status: str, message: str = "") -> None:
        """Ends the run whatever it was doing; one that has ended stays as it is."""
        if run.ended:
            return
        self._timers.cancel(run.timer)
        run.status, run.message = status, message
        run.end = run.last_updated = now()
        for activity in run.activities:
            if activity.end is None:
                activity.end, activity.status = run.end, status
        self._tell(run)
        for hear in run.on_end:
            hear(run)

    def forget(self, run: Run) -> None:
        """The run is gone; what it was doing is never told."""
        self._timers.cancel(run.timer)
        run.pipeline.factory.forget(run)

    def _launch(self, run: Run) -> Run:
        run.pipeline.started += 1
        run.pipeline.factory.keep(run)
        run.timer = self._timers.after(run.pipeline.plan.queued, lambda: self._begin(run))
        return run

    def _begin(self, run: Run) -> None:
        run.status, run.last_updated = "InProgress", now()
        own = sum(1 for step in run.todo if step.own)
        planned = run.pipeline.plan.duration if run.outcome.duration is None else run.outcome.duration
        self._next(run, pause=planned / max(own, 1))

    def _next(self, run: Run, pause: float) -> None:
        """Starts the next step, or ends the run when none is left."""
        if run.ended or run.status == "Canceling":
            return
        if not run.todo:
            self.end(run, "Succeeded")
            return
        step = run.todo.pop(0)
        activity = ActivityRun(str(uuid4()), step, start=now())
        run.activities.append(activity)
        if step.child:
            self._start_child(run, activity, pause)
        elif step.job:
            self._start_job(run, activity, pause)
        else:
            run.timer = self._timers.after(pause, lambda: self._end_own(run, activity, pause))

    def _end_own(self, run: Run, activity: ActivityRun, pause: float) -> None:
        last = not any(step.own for step in run.todo)
        broken = run.pipeline.broken_connection()
        if last and broken:
            self._fail(run, activity, connection_failed(broken.name, broken.error))
        elif last and run.outcome.status != "Succeeded":
            self._fall(run, activity)
        else:
            self._succeed(run, activity, pause)

    def _succeed(self, run: Run, activity: ActivityRun, pause: float) -> None:
        activity.end, activity.status = now(), "Succeeded"
        run.last_updated = activity.end
        self._next(run, pause)

    def _fall(self, run: Run, activity: ActivityRun) -> None:
        """The run ends as its outcome says; one that is to stay in progress is left alone."""
        if run.outcome.status == "Failed" and run.pipeline.plan.handled:
            activity.error = run.outcome.error or UNNAMED
            activity.end, activity.status = now(), "Failed"
            self.end(run, "Succeeded")
        elif run.outcome.status == "Failed":
            self._fail(run, activity, run.outcome.error or UNNAMED)
        elif run.outcome.status == "Cancelled":
            self.end(run, "Cancelled", CANCELLED)

    def _fail(self, run: Run, activity: ActivityRun, error: ActivityError) -> None:
        activity.end, activity.status, activity.error = now(), "Failed", error
        target = error.target or activity.step.name
        self.end(run, "Failed", f"Operation on target {target} failed: {error.message}")

    def _start_job(self, run: Run, activity: ActivityRun, pause: float) -> None:
        work = self._elsewhere(activity.step, run, lambda error: self._job_ended(run, activity, error, pause))
        activity.output, activity.stop = dict(work.output), work.stop

    def _job_ended(self, run: Run, activity: ActivityRun, error: ActivityError | None, pause: float) -> None:
        if run.ended or run.status == "Canceling":
            return
        if error is None:
            self._succeed(run, activity, pause)
        else:
            self._fail(run, activity, error)

    def _start_child(self, run: Run, activity: ActivityRun, pause: float) -> None:
        child = run.pipeline.factory.define(activity.step.child or "")
        invoked_by = InvokedBy(activity.id, activity.step.name, "PipelineActivity", run.pipeline.name, run.id)
        started = self.start(child, Asked("parent"), invoked_by, debug=run.debug)
        started.on_end.append(lambda ended: self._child_ended(run, activity, ended, pause))
        activity.child_run_id = started.id

    def _child_ended(self, run: Run, activity: ActivityRun, child: Run, pause: float) -> None:
        if run.ended or run.status == "Canceling":
            return
        if child.status == "Succeeded":
            self._succeed(run, activity, pause)
        else:
            message = child.message or CANCELLED
            self._fail(run, activity, ActivityError("BadRequest", message, activity_type="ExecutePipeline"))


def manual() -> InvokedBy:
    return InvokedBy(uuid4().hex, "Manual", "Manual")


def _new(pipeline: Pipeline, asked: Asked, invoked_by: InvokedBy, parameters: dict[str, Any]) -> Run:
    run_id, started = str(uuid4()), now()
    return Run(
        id=run_id,
        pipeline=pipeline,
        group=run_id,
        invoked_by=invoked_by,
        outcome=pipeline.plan.outcome(pipeline.started),
        parameters=parameters,
        start=started,
        last_updated=started,
        asked_by=asked.by,
        request_id=asked.request_id,
        todo=pipeline.steps(),
    )


def _done(reference: Run, start_activity: str | None, from_failure: bool) -> set[str]:
    """The steps that a recovery does not do again; what an earlier recovery skipped stays skipped."""
    if start_activity:
        names = [step.name for step in reference.pipeline.steps()]
        return set(names[: names.index(start_activity)]) if start_activity in names else set()
    if not from_failure:
        return set()
    return {name for run in _chain(reference) for name in run.succeeded_steps()}


def _remaining(steps: list[Step], done: set[str]) -> list[Step]:
    """What is left to do; when nothing is left everything is done again."""
    return [step for step in steps if step.name not in done] or steps


def _chain(run: Run) -> list[Run]:
    """The run and those it recovered, newest first."""
    runs, found = run.pipeline.factory.runs, [run]
    while found[-1].referenced in runs:
        found.append(runs[found[-1].referenced or ""])
    return found
