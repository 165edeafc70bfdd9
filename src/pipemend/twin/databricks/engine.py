"""How runs live: queued, pending, running, ended; repaired in the same run; each task after those it depends on."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from ..clock import Timers
from . import reasons
from .clusters import Cluster, Habits, milliseconds
from .endings import CANCELLED, TOO_MANY, Ending, ending
from .failures import on_cluster
from .fleet import Fleet
from .jobs import Job, Task
from .needs import Ground, Since, missing
from .runs import Asked, JobRun, Repair, TaskRun, number
from .verdicts import may_start, verdict

CANCELING_SECONDS = 0.05
LOOK_SECONDS = 0.01

Hear = Callable[[str, JobRun, TaskRun | None], None]


class Engine:
    """Moves the runs of one workspace on. `tell` hears of every start and end, of job runs and of tasks."""

    def __init__(self, timers: Timers, fleet: Fleet, tell: Hear, pipeline_succeeded: Since) -> None:
        self._timers = timers
        self._fleet = fleet
        self._tell = tell
        self._pipeline_succeeded = pipeline_succeeded
        self._active: dict[int, list[JobRun]] = defaultdict(list)
        self.runs: dict[int, JobRun] = {}
        self.tasks: dict[int, TaskRun] = {}

    def start(
        self, job: Job, trigger: str, asked: Asked, parameters: dict[str, Any], overriding: dict[str, Any]
    ) -> JobRun:
        """A new run; beyond the job's limit it is queued, or skipped at once."""
        run = JobRun(job, trigger, asked, parameters={**job.plan.parameters, **parameters}, overriding=overriding)
        active = len(self._active[job.id])
        self.runs[run.id] = run
        self._active[job.id].append(run)
        if active < job.plan.max_concurrent_runs:
            run.timer = self._timers.after(job.plan.queued, lambda: self._begin(run))
        elif job.plan.queue:
            run.phase = "QUEUED"
        else:
            self.end(run, TOO_MANY)
        return run

    def repair(self, run: JobRun, keys: Iterable[str]) -> int:
        """Runs these tasks again in the run, which is no longer ended; the id of the repair."""
        repair = Repair(start=milliseconds(), id=number())
        run.ending, run.end, run.phase = None, 0, "RUNNING"
        run.stretches.append(repair)
        self._active[run.job.id].append(run)
        for key in keys:
            last = run.latest(key)
            self._add(run, run.job.plan.task(key) or _known(run, key), last.attempt + 1 if last else 0)
        self._timers.after(0, lambda: self._advance(run))
        return repair.id or 0

    def cancel(self, run: JobRun) -> None:
        self._timers.cancel(run.timer)
        run.phase = "TERMINATING"
        for one in run.current():
            if not one.ended:
                self._timers.cancel(one.timer)
                one.phase = "TERMINATING"
        run.timer = self._timers.after(CANCELING_SECONDS, lambda: self.end(run, CANCELLED))

    def end(self, run: JobRun, how: Ending) -> None:
        """Ends the run and whatever tasks still run; one that has ended stays as it is."""
        if run.ended:
            return
        self._timers.cancel(run.timer)
        run.ending, run.end = how, milliseconds()
        for one in run.current():
            self._close(one, how)
        if run.stretches:
            run.stretches[-1].ending, run.stretches[-1].end = how, run.end
        self._let_go(run)
        self._tell("on_success" if how.good else "on_failure", run, None)
        hooks, run.on_end = run.on_end, []
        for hear in hooks:
            hear(run)
        self._next_queued(run.job)

    def forget(self, run: JobRun) -> None:
        """Deletes a run that has ended."""
        del self.runs[run.id]
        for one in run.tasks:
            del self.tasks[one.id]

    def succeeded_since(self, job_name: str, since: float) -> bool:
        runs = (run for run in self.runs.values() if run.job.name == job_name)
        return any(run.ending is not None and run.ending.good and run.end >= since * 1000 for run in runs)

    def _next_queued(self, job: Job) -> None:
        active = self._active[job.id]
        waiting = [run for run in active if run.phase == "QUEUED"]
        if waiting and len(active) - len(waiting) < job.plan.max_concurrent_runs:
            waiting[0].phase = "PENDING"
            waiting[0].timer = self._timers.after(0, lambda: self._begin(waiting[0]))

    def _let_go(self, run: JobRun) -> None:
        self._active[run.job.id].remove(run)
        for cluster_id in run.clusters:
            self._fleet.terminate(self._fleet.clusters[cluster_id], reasons.JOB_FINISHED)

    def _begin(self, run: JobRun) -> None:
        if run.ended or run.phase == "TERMINATING":
            return
        run.phase, run.begun = "RUNNING", milliseconds()
        run.stretches.append(Repair(start=run.start))
        for task in run.job.plan.tasks:
            self._add(run, task, 0)
        self._tell("on_start", run, None)
        self._advance(run)

    def _add(self, run: JobRun, task: Task, attempt: int) -> TaskRun:
        one = TaskRun(run, task, attempt)
        run.tasks.append(one)
        self.tasks[one.id] = one
        run.stretches[-1].task_runs.append(one)
        return one

    def _advance(self, run: JobRun) -> None:
        """Starts what can be started, skips what cannot, and ends the run when nothing is left."""
        if run.ended or run.phase == "TERMINATING":
            return
        moved = True
        while moved:
            moved = False
            for one in run.current():
                upstream = [up for key in one.task.depends_on if (up := run.latest(key))]
                if one.phase != "BLOCKED" or one.ended or not all(up.ended for up in upstream):
                    continue
                moved = True
                skipped = may_start(one.task, upstream)
                if skipped is None:
                    self._start_task(one)
                else:
                    one.ending, one.end = skipped, milliseconds()
        if all(one.ended for one in run.current()):
            self.end(run, verdict(run))

    def _start_task(self, one: TaskRun) -> None:
        one.phase, one.start = "PENDING", milliseconds()
        cluster = self._cluster(one)
        if cluster is None:
            self._end_soon(one, ending("INVALID_CLUSTER_REQUEST", f"Cluster {one.task.cluster} does not exist"))
            return
        one.cluster_id = cluster.id
        self._fleet.when_ready(cluster, lambda reason: self._on_cluster(one, cluster, reason))

    def _end_soon(self, one: TaskRun, how: Ending) -> None:
        one.timer = self._timers.after(0, lambda: self._end_task(one, how))

    def _cluster(self, one: TaskRun) -> Cluster | None:
        if one.task.cluster is not None:
            return self._fleet.named(one.task.cluster)
        run, plan = one.run, one.run.job.plan
        own = self._fleet.clusters.get(run.clusters[-1]) if run.clusters else None
        if own is not None and own.state in ("PENDING", "RUNNING"):
            return own
        return self._new_cluster(run, plan.starts, plan.start_seconds)

    def _new_cluster(self, run: JobRun, starts: tuple[Any, ...], seconds: float) -> Cluster:
        job = run.job
        name = f"job-{job.id}-run-{run.id}-Job_cluster"
        cluster = self._fleet.make(name, {"autotermination_minutes": 0, **job.plan.spec}, "JOB")
        cluster.habits = Habits(starts=(starts[min(job.cluster_starts, len(starts) - 1)],), start_seconds=seconds)
        cluster.tags = {"JobId": str(job.id), "RunName": job.name}
        job.cluster_starts += 1
        run.clusters.append(cluster.id)
        return cluster

    def _on_cluster(self, one: TaskRun, cluster: Cluster, reason: reasons.Reason | None) -> None:
        """The cluster is up, or is known not to come up."""
        if one.ended or one.phase == "TERMINATING":
            return
        if reason is not None:
            self._end_soon(one, reasons.not_ready(cluster.id, reason))
            return
        cluster.occupants[one.id] = lambda why: self._end_task(one, reasons.went_away(cluster.id, why))
        one.context = cluster.context
        for library in one.task.libraries:
            cluster.libraries.ask(library, up=True)
        self._await_libraries(one, cluster)

    def _await_libraries(self, one: TaskRun, cluster: Cluster) -> None:
        if one.ended or one.phase == "TERMINATING":
            return
        wanted = list(one.task.libraries)
        if not cluster.libraries.settled(wanted):
            one.timer = self._timers.after(LOOK_SECONDS, lambda: self._await_libraries(one, cluster))
            return
        failed = cluster.libraries.failed(wanted)
        if failed:
            message = "\n".join(failed[0].messages)
            text = f"Library installation failed for library due to user error for {failed[0].library}."
            self._end_soon(one, ending("LIBRARY_INSTALLATION_ERROR", f"{text} Error messages:\n{message}"))
            return
        self._execute(one, cluster)

    def _execute(self, one: TaskRun, cluster: Cluster) -> None:
        one.phase, one.ready = "RUNNING", milliseconds()
        self._tell("on_start", one.run, one)
        ground = Ground(one.run.job, cluster, self._pipeline_succeeded, self.succeeded_since)
        lack = reasons.went_away(cluster.id, cluster.sick) if cluster.sick else missing(one.task.needs, ground)
        if lack is not None:
            one.timer = self._timers.after(one.task.duration, lambda: self._end_task(one, lack))
            return
        outcome = one.run.job.execute(one.task)
        one.output = outcome.output
        how = outcome.ending and on_cluster(outcome.ending, cluster.id)
        seconds = one.task.duration if outcome.duration is None else outcome.duration
        if how is not None:
            one.timer = self._timers.after(seconds, lambda: self._end_task(one, how))

    def _end_task(self, one: TaskRun, how: Ending) -> None:
        if one.ended or one.phase == "TERMINATING":
            return
        self._close(one, how)
        in_stretch = sum(1 for other in one.run.stretches[-1].task_runs if other.task.key == one.task.key)
        if how.failed and in_stretch <= one.task.max_retries:
            self._retry(one)
        self._advance(one.run)

    def _retry(self, one: TaskRun) -> None:
        again = self._add(one.run, one.task, one.attempt + 1)
        one.retried, again.phase = True, "WAITING_FOR_RETRY"
        again.timer = self._timers.after(one.task.retry_seconds, lambda: self._begin_retry(again))

    def _begin_retry(self, one: TaskRun) -> None:
        if not one.ended and one.phase == "WAITING_FOR_RETRY":
            self._start_task(one)

    def _close(self, one: TaskRun, how: Ending) -> None:
        """Ends a task's run and lets its cluster go."""
        if one.ended:
            return
        self._timers.cancel(one.timer)
        one.ending, one.end = how, milliseconds()
        if one.cluster_id:
            self._fleet.clusters[one.cluster_id].occupants.pop(one.id, None)
        if one.start:
            self._tell("on_success" if how.good else "on_failure", one.run, one)


def _known(run: JobRun, key: str) -> Task:
    """The task as it was when it ran; the plan no longer has it."""
    return next(one.task for one in run.tasks if one.task.key == key)
