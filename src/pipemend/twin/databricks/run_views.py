"""The shapes in which Databricks shows jobs, their runs and the output of tasks."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .clusters import SPEC, Cluster, milliseconds
from .endings import Ending
from .jobs import Job, Task
from .runs import JobRun, Repair, TaskRun

USER = "twin@example.com"
SHAPES = ("both", "old", "new", "contradicting")
NEW_STATES = {"WAITING_FOR_RETRY": "WAITING", "TERMINATED": "TERMINATED"}
TRUNCATED = 5 * 1024 * 1024


@dataclass(frozen=True)
class Frame:
    """What the views need to know of the workspace: its address, its number, its shape."""

    base_url: str
    workspace_id: str
    shape: str = "both"

    def page(self, job: Job, run_id: int) -> str:
        return f"{self.base_url}/?o={self.workspace_id}#job/{job.id}/run/{run_id}"


def states(frame: Frame, phase: str, ending: Ending | None) -> dict[str, Any]:
    """The older `state` and the newer `status`, one of them, or both saying different things."""
    old, new = _state(phase, ending), _status(phase, ending)
    if frame.shape == "contradicting" and ending is not None:
        old = {"life_cycle_state": "RUNNING", "state_message": "In run", "user_cancelled_or_timedout": False}
    shown = {"state": old, "status": new}
    return {name: shown[name] for name in _NAMES[frame.shape]}


_NAMES = {"both": ("state", "status"), "contradicting": ("state", "status"), "old": ("state",), "new": ("status",)}


def _state(phase: str, ending: Ending | None) -> dict[str, Any]:
    if ending is None:
        waiting = {"PENDING": "Waiting for cluster", "RUNNING": "In run"}
        return {
            "life_cycle_state": phase,
            "state_message": waiting.get(phase, ""),
            "user_cancelled_or_timedout": False,
        } | ({"queue_reason": _QUEUED["message"]} if phase == "QUEUED" else {})
    shown = {
        "life_cycle_state": ending.life,
        "state_message": ending.message,
        "user_cancelled_or_timedout": ending.result in ("CANCELED", "TIMEDOUT"),
    }
    return shown | ({"result_state": ending.result} if ending.result else {})


_QUEUED = {
    "code": "MAX_CONCURRENT_RUNS_REACHED",
    "message": "Queued due to reaching maximum concurrent runs of 1.",
}


def _status(phase: str, ending: Ending | None) -> dict[str, Any]:
    if ending is None:
        shown: dict[str, Any] = {"state": NEW_STATES.get(phase, phase)}
        return shown | ({"queue_details": _QUEUED} if phase == "QUEUED" else {})
    details = {"code": ending.code, "type": ending.kind, "message": ending.message}
    return {"state": "TERMINATED", "termination_details": details}


def run_view(frame: Frame, run: JobRun) -> dict[str, Any]:
    """A job run without its tasks."""
    multi = len(run.job.plan.tasks) > 1
    shown: dict[str, Any] = {
        "job_id": run.job.id,
        "run_id": run.id,
        "number_in_job": run.id,
        "original_attempt_run_id": run.id,
        "job_run_id": run.id,
        **states(frame, run.phase, run.ending),
        "creator_user_name": USER,
        "run_name": run.name or run.job.name,
        "run_page_url": frame.page(run.job, run.id),
        "run_type": run.kind,
        "trigger": run.trigger,
        "start_time": run.start,
        "setup_duration": 0,
        "execution_duration": 0 if multi else _span(run.begun, run.end),
        "cleanup_duration": 0,
        "end_time": run.end,
        "run_duration": _span(run.start, run.end or milliseconds()),
        "queue_duration": _span(run.start, run.begun),
        "format": "MULTI_TASK",
        "job_parameters": [{"name": n, "default": v, "value": v} for n, v in run.parameters.items()],
    }
    if run.trigger == "PERIODIC":
        shown["schedule"] = {
            "quartz_cron_expression": "0 0 3 * * ?",
            "timezone_id": "UTC",
            "pause_status": "UNPAUSED",
        }
    return shown | ({"overriding_parameters": run.overriding} if run.overriding else {})


def task_view(frame: Frame, one: TaskRun) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "run_id": one.id,
        "task_key": one.task.key,
        "attempt_number": one.attempt,
        **task_definition(one.task),
        **states(frame, one.phase, one.ending),
        "run_page_url": frame.page(one.run.job, one.id),
        "start_time": one.start,
        "setup_duration": _span(one.start, one.ready),
        "execution_duration": _span(one.ready, one.end),
        "cleanup_duration": 0,
        "end_time": one.end,
    }
    if one.task.cluster is None:
        shown |= {"job_cluster_key": "Job_cluster"}
    elif one.cluster_id:
        shown |= {"existing_cluster_id": one.cluster_id}
    if one.cluster_id:
        context = {"spark_context_id": str(one.context)} if one.context else {}
        shown["cluster_instance"] = {"cluster_id": one.cluster_id, **context}
    if one.task.inputs:
        shown["for_each_task"] |= {"stats": {"task_run_stats": _iterations(one)}}
    return shown


def task_definition(task: Task) -> dict[str, Any]:
    """A task as a job's settings show it, but for its cluster."""
    notebook = {"notebook_task": {"notebook_path": f"/Workspace/etl/{task.key}", "source": "WORKSPACE"}}
    shown: dict[str, Any] = {"run_if": task.run_if, **notebook}
    if task.inputs:
        inner = {"task_key": f"{task.key}_iteration", **notebook}
        shown = {"run_if": task.run_if, "for_each_task": {"inputs": str(list(range(task.inputs))), "task": inner}}
    if task.depends_on:
        shown["depends_on"] = [{"task_key": key} for key in task.depends_on]
    if task.libraries:
        shown["libraries"] = list(task.libraries)
    if task.max_retries:
        shown["max_retries"] = task.max_retries
    return shown


def _iterations(one: TaskRun) -> dict[str, int]:
    done = one.task.inputs if one.ended else 0
    failed = 1 if one.ending is not None and one.ending.failed else 0
    return {
        "total_iterations": one.task.inputs,
        "scheduled_iterations": one.task.inputs,
        "active_iterations": 0 if one.ended else one.task.inputs,
        "completed_iterations": done,
        "succeeded_iterations": done - failed,
        "failed_iterations": failed,
    }


def tasks_in_no_order(run: JobRun) -> list[TaskRun]:
    """All attempts of all tasks; the vendor promises no order, and gives none."""
    return sorted(run.tasks, key=lambda one: one.id)


def repair_view(frame: Frame, repair: Repair) -> dict[str, Any]:
    shown: dict[str, Any] = {"type": "ORIGINAL"} if repair.id is None else {"type": "REPAIR", "id": repair.id}
    return shown | {
        "start_time": repair.start,
        "end_time": repair.end,
        **states(frame, "RUNNING", repair.ending),
        "task_run_ids": [one.id for one in repair.task_runs],
    }


def output_view(frame: Frame, one: TaskRun) -> dict[str, Any]:
    """The output of a task, whose run is shown as if it were one of a job with this task alone."""
    task = task_view(frame, one)
    metadata = {
        **run_view(frame, one.run),
        **task,
        "tasks": [task],
        "parent_run_id": one.run.id,
        "job_run_id": one.run.id,
        "run_name": one.task.key,
        "original_attempt_run_id": one.id,
        "number_in_job": one.id,
    }
    result = {"result": one.output[:TRUNCATED], "truncated": len(one.output) > TRUNCATED}
    shown: dict[str, Any] = {"metadata": metadata, "notebook_output": result if one.output else {}}
    if one.ending is not None and one.ending.error:
        shown["error"] = one.ending.error
    if one.ending is not None and one.ending.trace:
        shown["error_trace"] = one.ending.trace
    return shown


def job_view(job: Job, *, tasks: bool, cluster: Callable[[str], Cluster | None]) -> dict[str, Any]:
    plan = job.plan
    settings: dict[str, Any] = {
        "name": job.name,
        "email_notifications": {},
        "webhook_notifications": {name: [{"id": "twin-destination"}] for name in plan.tell.on},
        "timeout_seconds": 0,
        "max_concurrent_runs": plan.max_concurrent_runs,
        "queue": {"enabled": plan.queue},
        "format": "MULTI_TASK",
    }
    if plan.parameters:
        settings["parameters"] = [{"name": n, "default": v} for n, v in plan.parameters.items()]
    if tasks:
        settings["tasks"] = [_settings_task(task, cluster) for task in plan.tasks]
        settings["job_clusters"] = job_clusters(job)
    return {
        "job_id": job.id,
        "creator_user_name": USER,
        "run_as_user_name": USER,
        "created_time": job.created,
        "settings": settings,
    }


def job_clusters(job: Job) -> list[dict[str, Any]]:
    """What the clusters are made of that its runs make for themselves."""
    return [{"job_cluster_key": "Job_cluster", "new_cluster": {**SPEC, **job.plan.spec}}]


def _settings_task(task: Task, cluster: Callable[[str], Cluster | None]) -> dict[str, Any]:
    shown = {"task_key": task.key, **task_definition(task)}
    if task.cluster is None:
        return shown | {"job_cluster_key": "Job_cluster"}
    found = cluster(task.cluster)
    return shown | {"existing_cluster_id": found.id if found else task.cluster}


def _span(start: int, end: int) -> int:
    return max(end - start, 0) if start and end else 0
