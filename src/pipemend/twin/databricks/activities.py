"""Databricks activities of Data Factory: each starts a run in a workspace and fails or succeeds with it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..clock import Timers
from ..data_factory.failures import ActivityError
from ..data_factory.model import Run, Step
from ..ports import Ports
from .endings import SUCCESS, Ending
from .run_views import Frame
from .runs import Asked, JobRun
from .verdicts import first_failed
from .workspace import Account, Workspace

NOTEBOOK = "DatabricksNotebook"
CODE = "3204"


@dataclass(frozen=True)
class Work:
    """A run that an activity has started: what it shows so far, and how to stop it."""

    output: dict[str, Any]
    stop: Callable[[], None]


class Activities:
    def __init__(self, timers: Timers, account: Account, ports: Ports) -> None:
        self._timers = timers
        self._account = account
        self._ports = ports

    def start(self, step: Step, run: Run, then: Callable[[ActivityError | None], None]) -> Work:
        """Starts the job that the step names; `then` hears how it went. Nothing comes of a job that is not there."""
        name, _, job_name = (step.job or "").partition("/")
        workspace = self._account.workspaces.get(name)
        job = workspace.job(job_name) if workspace else None
        if workspace is None or job is None:
            missing = ActivityError(
                "3201", f"Job {job_name} does not exist.", activity_type=step.type, target=step.name
            )
            self._timers.after(0, lambda: then(missing))
            return Work({}, lambda: None)
        asked = Asked(f"data_factory:{run.pipeline.name}", run.id)
        started = workspace.engine.start(job, "ONE_TIME", asked, {}, {})
        if step.type == NOTEBOOK:  # a notebook is submitted for one time and belongs to no job that is scheduled
            started.kind = "SUBMIT_RUN"
            started.name = f"ADF_{run.pipeline.factory.name}_{run.pipeline.name}_{step.name}_{run.id}"
        workspace.acted("activity", asked, run_id=started.id, job=job.name)
        page = self._frame(workspace).page(job, started.id)
        if started.ended:
            self._timers.after(0, lambda: then(_error(step, started, page)))
        else:
            started.on_end.append(lambda ended: then(_error(step, ended, page)))
        return Work({"runPageUrl": page, "runId": started.id}, lambda: _stop(workspace, started))

    def _frame(self, workspace: Workspace) -> Frame:
        return Frame(self._ports.address(self._ports.base_url, workspace.name), workspace.id)


def _stop(workspace: Workspace, run: JobRun) -> None:
    if not run.ended and run.phase != "TERMINATING":
        workspace.engine.cancel(run)


def _error(step: Step, run: JobRun, page: str) -> ActivityError | None:
    how = run.ending or SUCCESS
    if how.good:
        return None
    message = (
        f"Databricks execution failed with error state: {_words(how)}, error message: {_reason(run)}. For more details "
        f"please check the run page url: {page}"
    )
    return ActivityError(CODE, message, activity_type=step.type, target=step.name)


def _reason(run: JobRun) -> str:
    failed = first_failed(run)
    how = failed.ending if failed and failed.ending else run.ending
    return (how.message if how else "").rstrip(".")


def _words(how: Ending) -> str:
    return how.life.replace("_", " ").title().replace(" ", "")
