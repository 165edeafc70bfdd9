"""Why a run failed, read from its tasks, their clusters, and the runs that they started."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pipemend.core.errors import Missing, OutsideError, Refused
from pipemend.core.rca import Fault
from pipemend.core.run import Run
from pipemend.core.scrub import cut, scrub
from pipemend.platforms.databricks.client import Json, Workspace
from pipemend.platforms.databricks.runs import repair_of, state_of, tasks, text

# A task that could not run for another one says nothing of its own.
FOLLOWS = ("UPSTREAM_FAILED", "UPSTREAM_CANCELED", "SKIPPED", "EXCLUDED")
ABOUT_CLUSTERS = ("CLUSTER", "CLOUD", "DRIVER", "LIBRARY")
DEEPEST, MOST_TASKS, MOST_CLUSTERS = 4, 20, 3
TRACE = 8 * 1024
KINDS = {"notebook_task": "notebook", "spark_python_task": "python", "spark_jar_task": "jar", "sql_task": "sql"}


@dataclass
class Search:
    """Looks for the faults of one run."""

    workspace: Workspace
    seen: set[str] = field(default_factory=set)

    async def faults(self, run: Run, depth: int = 0) -> tuple[Fault, ...]:
        """What a cluster says of its end comes first, then the tasks; what only passed a failure on comes last."""
        run_id, _ = repair_of(run.ref.run_id)
        self.seen.add(run_id)
        raw = await self.workspace.run(run_id)
        if raw is None:
            return ()
        failed = failed_tasks(raw)[:MOST_TASKS]
        outputs = await asyncio.gather(*(self._output(task) for task in failed))
        told = [fault_of(task, output) for task, output in zip(failed, outputs, strict=True)]
        inner = [fault for output in outputs for fault in await self._started(output, run, depth)]
        clusters = await self._clusters(raw, failed, told)
        return (*clusters, *inner, *told)

    async def _output(self, task: Json) -> Json:
        try:
            return await self.workspace.output(text(task.get("run_id")))
        except (Missing, Refused):  # a task that never began has none, nor has one of too many kinds to name
            return {}

    async def _started(self, output: Json, run: Run, depth: int) -> tuple[Fault, ...]:
        """The faults of the job that a task ran."""
        child = text(_object(output.get("run_job_output")).get("run_id"))
        if not child or child in self.seen or depth >= DEEPEST:
            return ()
        return await self.faults(_child(run, child), depth + 1)

    async def _clusters(self, raw: Json, failed: Sequence[Json], told: Sequence[Fault]) -> list[Fault]:
        """What the clusters of failed tasks say, where the failure sounds as if it came from there. It is evidence:
        without it the rest stands."""
        suspects = [cluster_of(task) or cluster_of(raw) for task, fault in zip(failed, told, strict=True) if _is(fault)]
        ids = [found for found in dict.fromkeys(suspects) if found][:MOST_CLUSTERS]
        try:
            said = await asyncio.gather(*(self._cluster(cluster_id) for cluster_id in ids))
        except OutsideError:
            return []
        return [fault for faults in said for fault in faults]

    async def _cluster(self, cluster_id: str) -> list[Fault]:
        cluster, libraries = await asyncio.gather(
            self.workspace.cluster(cluster_id), self.workspace.libraries(cluster_id)
        )
        reason = termination(cluster or {}, cluster_id)
        return [*([reason] if reason else []), *library_faults(libraries, cluster_id)]


def failed_tasks(raw: Json) -> list[Json]:
    """The tasks that failed by themselves, the earliest end first; where all only followed, all of them."""
    ended = [task for task in tasks(raw) if state_of(task).failed]
    own = [task for task in ended if state_of(task).code not in FOLLOWS]
    return sorted(own or ended, key=lambda task: task.get("end_time") or 0)


def fault_of(task: Json, output: Json) -> Fault:
    """The error of a task. The trace comes behind the message: it is long, and often names the cause."""
    state = state_of(task)
    error, trace = text(output.get("error")), text(output.get("error_trace"))
    message = "\n".join(part for part in (error or state.message, cut(trace, TRACE)) if part)
    if error and state.message and "see run output" not in state.message and state.message not in message:
        message = f"{message}\n{state.message}"
    return Fault(
        activity=text(task.get("task_key")),
        activity_type=next((kind for name, kind in KINDS.items() if name in task), "task"),
        code=state.code if state.code not in ("FAILED", "RUN_EXECUTION_ERROR") else "",
        message=cut(scrub(message)),
        failure_type=state.kind,
    )


def termination(cluster: Json, cluster_id: str) -> Fault | None:
    """Why a cluster ended, where that was no end as it should be."""
    reason = _object(cluster.get("termination_reason"))
    code, kind = text(reason.get("code")), text(reason.get("type"))
    if not code or kind == "SUCCESS":
        return None
    details = "; ".join(f"{name}: {text(said)}" for name, said in _object(reason.get("parameters")).items())
    said = ". ".join(part for part in (text(cluster.get("state_message")), details) if part)
    return Fault(
        activity=f"cluster {text(cluster.get('cluster_name')) or cluster_id}",
        activity_type="cluster",
        code=code,
        message=cut(scrub(said or f"the cluster ended: {code}")),
        failure_type=kind,
    )


def library_faults(libraries: Sequence[Json], cluster_id: str) -> list[Fault]:
    """The libraries that could not be installed."""
    return [
        Fault(
            activity=f"library {library_name(row.get('library'))}",
            activity_type="library",
            code="LIBRARY_INSTALLATION_ERROR",
            message=cut(scrub("Library installation failed: " + " ".join(_texts(row.get("messages"))))),
            failure_type="",
        )
        for row in libraries
        if text(row.get("status")) == "FAILED"
    ]


def library_name(library: object) -> str:
    """What people call a library: its package, or the file."""
    kind, said = next(iter(_object(library).items()), ("", ""))
    inner = _object(said)
    return text(inner.get("package")) or text(inner.get("coordinates")) or text(said) or kind


def cluster_of(task: Json) -> str:
    """The cluster that a task ran on."""
    return text(_object(task.get("cluster_instance")).get("cluster_id")) or text(task.get("existing_cluster_id"))


def _is(fault: Fault) -> bool:
    return any(word in fault.code.upper() or word in fault.message.upper() for word in ABOUT_CLUSTERS)


def _child(run: Run, run_id: str) -> Run:
    return replace(run, ref=replace(run.ref, run_id=run_id))


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _texts(value: object) -> list[str]:
    return [text(word) for word in value] if isinstance(value, list) else []
