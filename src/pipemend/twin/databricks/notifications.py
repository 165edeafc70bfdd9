"""Webhooks: what a workspace posts when jobs and clusters start, end well or fail."""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..clock import Timers
from ..post import Delivery, Postman
from .clusters import Cluster, milliseconds
from .runs import JobRun, TaskRun
from .verdicts import first_failed

SHAPES = ("plain", "state", "event", "flat", "pascal")


@dataclass(frozen=True)
class Destination:
    """Where a workspace posts to: basic authentication is all that the vendor knows.

    `cluster_events` are posted too; nothing is when there is no `url`.
    """

    url: str | None = None
    user: str = ""
    password: str = ""
    retry_seconds: tuple[float, ...] = (0.2, 0.5, 1.0)
    cluster_events: tuple[str, ...] = ()

    def headers(self) -> dict[str, str]:
        if not self.user and not self.password:
            return {}
        pair = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        return {"Authorization": f"Basic {pair}"}


class Notifications:
    """Posts to the destination of one workspace."""

    def __init__(self, timers: Timers, post: Postman, workspace: str, workspace_id: str) -> None:
        self.destination = Destination()
        self._timers = timers
        self._post = post
        self._about = {"workspace": workspace}
        self._workspace_id = workspace_id

    def hear(self, event: str, run: JobRun, one: TaskRun | None) -> None:
        """A job run or one of its tasks has started or ended."""
        tell = run.job.plan.tell
        if event not in tell.on or (one is not None and not tell.tasks):
            return
        if run.job.silent < tell.lost:
            run.job.silent += 1
            return
        word = str if tell.ids == "text" else int
        body = _SHAPES[tell.shape](event, self._workspace_id, run, one, word)
        for copy in range(tell.copies):
            run_id = str(one.id if one else run.id)
            self._later(tell.delay, body, event=f"jobs.{event}", job=run.job.name, run_id=run_id, copy=copy)

    def hear_cluster(self, event: str, cluster: Cluster) -> None:
        """A cluster has come up, failed to, or gone down by itself."""
        if event in self.destination.cluster_events:
            self._later(0, _cluster_body(event, cluster), event=event, cluster_id=cluster.id)

    def again(self, old: Delivery) -> Delivery:
        """The same body once more, byte for byte."""
        about = {**old.about, "again": old.n}
        return self._post.send(old.url, old.headers, old.body, about, self.destination.retry_seconds)

    def _later(self, seconds: float, body: dict[str, Any], **about: Any) -> None:
        self._timers.after(seconds, lambda: self._send(body, about))

    def _send(self, body: dict[str, Any], about: dict[str, Any]) -> None:
        to = self.destination
        if to.url is not None:
            self._post.send(to.url, to.headers(), body, {**self._about, **about}, to.retry_seconds)


Word = Callable[[int], str | int]


def _plain(event: str, workspace_id: str, run: JobRun, one: TaskRun | None, word: Word) -> dict[str, Any]:
    body: dict[str, Any] = {"event_type": f"jobs.{event}", "workspace_id": workspace_id}
    if one is not None:
        body |= {"task": {"task_key": one.task.key}, "run": {"run_id": word(one.id), "parent_run_id": word(run.id)}}
    else:
        body |= {"run": {"run_id": word(run.id)}}
    return body | {"job": {"job_id": word(run.job.id), "name": run.job.name}}


def _told_state(run: JobRun, one: TaskRun | None) -> dict[str, Any]:
    ending = one.ending if one else run.ending
    if ending is None:
        return {"life_cycle_state": "RUNNING", "state_message": "In run"}
    state = {"life_cycle_state": ending.life, "result_state": ending.result, "state_message": ending.message}
    return {name: value for name, value in state.items() if value is not None}


def _with_state(event: str, _: str, run: JobRun, one: TaskRun | None, word: Word) -> dict[str, Any]:
    return {
        "event": f"job.{event.removeprefix('on_')}",
        "job": {"job_id": word(run.job.id), "settings": {"name": run.job.name}},
        "run": {"run_id": word(one.id if one else run.id), "state": _told_state(run, one)},
    }


def _event(event: str, workspace_id: str, run: JobRun, one: TaskRun | None, word: Word) -> dict[str, Any]:
    body = _with_state(event, workspace_id, run, one, word)
    run_id, job_id = word(one.id if one else run.id), word(run.job.id)
    body["run"]["run_name"] = run.job.name
    return {"event": event, "job_id": job_id, "run_id": run_id, "job": body["job"], "run": body["run"]}


def _flat(_: str, __: str, run: JobRun, one: TaskRun | None, word: Word) -> dict[str, Any]:
    failed = one or first_failed(run)
    ending = failed.ending if failed else run.ending
    return {
        "job_name": run.job.name,
        "job_id": word(run.job.id),
        "run_id": word(one.id if one else run.id),
        "cluster_id": failed.cluster_id if failed else None,
        "status": ending.result if ending else "RUNNING",
        "error_message": (ending.error or ending.message) if ending else "",
        "start_time": run.start,
        "end_time": run.end or milliseconds(),
    }


def _pascal(event: str, workspace_id: str, run: JobRun, one: TaskRun | None, word: Word) -> dict[str, Any]:
    flat = _flat(event, workspace_id, run, one, word)
    names = {"job_name": "JobName", "run_id": "RunId", "error_message": "ErrorMessage", "cluster_id": "ClusterId"}
    return {new: flat[old] for old, new in names.items()}


_SHAPES: dict[str, Callable[[str, str, JobRun, TaskRun | None, Word], dict[str, Any]]] = {
    "plain": _plain,
    "state": _with_state,
    "event": _event,
    "flat": _flat,
    "pascal": _pascal,
}


def _cluster_body(event: str, cluster: Cluster) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "cluster_id": cluster.id,
        "cluster_name": cluster.name,
        "state": cluster.state,
        "state_message": cluster.message,
    }
    if cluster.reason is not None:
        shown["termination_reason"] = cluster.reason.as_dict()
    return {"event": event, "event_type": event, "timestamp": milliseconds(), "cluster": shown}
