"""What a workflow does inside: it starts a rerun, and may call back when that has ended."""

from typing import Any

from ..clock import Timers, now, stamp
from ..data_factory.engine import Asked, Engine
from ..data_factory.model import Estate, Run
from ..post import Postman
from .job_playbook import JobPlaybook
from .workflows import Invocation, Workflow

PAUSES = (0.2, 0.5)


class NothingToRerun(LookupError):
    """The twin does not know the run that is to be repeated."""


class Playbook:
    """Reruns the pipeline whose failed run a request names, in the run's group, from the failure; jobs its own way."""

    def __init__(self, timers: Timers, estate: Estate, engine: Engine, jobs: JobPlaybook, callbacks: Postman) -> None:
        self.callbacks = callbacks
        self._jobs = jobs
        self._timers = timers
        self._estate = estate
        self._engine = engine

    def start(self, workflow: Workflow, history: Invocation) -> str | None:
        """The id of the rerun; None when it starts later. Raises NothingToRerun, or Unsupported of an action."""
        job = self._jobs.find(history.body)
        if job is not None:
            return self._jobs.start(workflow, history, *job)
        known = workflow.started_before(history)
        if known:
            return known
        reference = self._reference(history.body)
        if reference is None:
            raise NothingToRerun(f"The pipeline run '{history.body.get('original_run_id')}' was not found.")
        wait = workflow.behaviour.start_after
        if not wait:
            return self._rerun(workflow, history, reference)
        self._timers.after(wait, lambda: self._rerun(workflow, history, reference))
        return None

    def _reference(self, body: dict[str, Any]) -> Run | None:
        """The latest run of the original run's group, in the factory of `resource` or wherever the run is."""
        original_id = str(body.get("original_run_id", ""))
        named = str(body.get("resource") or "").rstrip("/").rpartition("/")[2]
        factory = self._estate.factory(named) if named else None
        original = factory.runs.get(original_id) if factory else self._estate.run(original_id)
        return original and original.pipeline.factory.groups[original.group][-1]

    def _rerun(self, workflow: Workflow, history: Invocation, reference: Run) -> str:
        run = self._engine.rerun(reference, Asked(f"logic_app:{workflow.name}", history.workflow_run_id))
        history.run_id = run.id
        url = history.body.get("callback_url")
        if url and workflow.behaviour.callbacks:
            run.on_end.append(lambda ended: self._call_back(workflow, history.body, ended))
        return run.id

    def _call_back(self, workflow: Workflow, body: dict[str, Any], run: Run) -> None:
        about = {"workflow": workflow.name, "run_id": run.id}
        for _ in range(workflow.behaviour.callbacks):
            self.callbacks.send(str(body["callback_url"]), {}, _callback(body, run), about, PAUSES)


def _callback(body: dict[str, Any], run: Run) -> dict[str, Any]:
    told = {
        "ticket_id": body.get("ticket_id"),
        "attempt_number": body.get("retry_attempt"),
        "remediation_run_id": run.id,
        "pipeline_name": body.get("pipeline_name"),
        "original_run_id": body.get("original_run_id"),
        "error_type": body.get("error_type"),
        "timestamp": stamp(now()),
        "status": run.status,
        "success": run.status == "Succeeded",
    }
    return told if told["success"] else {**told, "error_message": f"Pipeline run {run.status.lower()}: {run.message}"}
