"""What Pipemend does to a failed job of Databricks by itself."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from pipemend.clients.answers import Sleep, start_once
from pipemend.core.attempt import Attempt, Declined, Progress, Running, Stage, Unknown
from pipemend.core.clock import Clock
from pipemend.core.errors import Missing, NoAnswer, NotAllowed, OutsideError, Refused, Throttled, Unreachable
from pipemend.core.run import Rerun, Run
from pipemend.platforms.databricks.client import Json, Rejected, Workspace, Workspaces
from pipemend.platforms.databricks.failures import failed_tasks
from pipemend.platforms.databricks.runs import REPAIR, latest_repair, repair_of, run_of, runs_of, state_of, text

TOLERANCE = timedelta(minutes=2)
ASKED_AGAIN = 2  # times that a job is run with a token whose first answer was lost
# Parameters by the names of the task types; those of the job come apart.
TASK_PARAMETERS = (
    "notebook_params",
    "jar_params",
    "python_params",
    "spark_submit_params",
    "sql_params",
    "dbt_commands",
)
# Somebody else is at work on the run, or has been since we read it: nothing of ours was started.
MEANWHILE = ("INVALID_STATE", "CONFLICT", "RESOURCE_CONFLICT", "ABORTED")
# INVALID_PARAMETER_VALUE says it in words alone.
SINCE = re.compile(r"latest[ _]repair[ _]id|\bactive\b", re.IGNORECASE)


class RetryJob:
    """Repairs the failed tasks of the latest failed run. One without tasks that failed is run once more as a whole,
    with its parameters and with the attempt's key as token."""

    via = "direct"
    first = Stage()

    def __init__(self, workspaces: Workspaces, clock: Clock, sleep: Sleep = asyncio.sleep) -> None:
        self._workspaces = workspaces
        self._clock = clock
        self._sleep = sleep

    async def advance(self, attempt: Attempt, stage: Stage) -> Progress:
        """Asks for the rerun, once. It is repeated only where provably nothing was started, or with the same token."""
        try:
            workspace = self._workspaces.of(attempt.resource)
            raw = await workspace.run(repair_of(attempt.reference_run_id)[0])
        except OutsideError as error:  # it was only read
            return Declined(str(error), final=not error.transient)
        if raw is None:
            return Declined("the failed run does not exist any more", final=True)
        if not state_of(raw).status.ended:
            return Declined("the run is running again: somebody else has repaired it", final=False)
        try:
            return await self._start(workspace, raw, attempt)
        except (NotAllowed, Missing) as error:
            return Declined(str(error), final=True)
        except Rejected as error:
            return Declined(str(error), final=not _meanwhile(error))
        except (Unreachable, Throttled, Refused) as error:
            return Declined(str(error), final=not error.transient)
        except OutsideError as error:
            return Unknown(str(error))

    async def _start(self, workspace: Workspace, raw: Json, attempt: Attempt) -> Progress:
        run_id = text(raw.get("run_id"))
        if failed_tasks(raw):
            latest = latest_repair(raw)
            repair_id = await start_once(lambda: workspace.repair(run_id, latest), self._sleep)
            return Running(Rerun(f"{run_id}{REPAIR}{repair_id}"))
        job_id = text(raw.get("job_id"))
        if not job_id:
            return Declined("the run belongs to no job: there is nothing that could be run again", final=True)
        return Running(Rerun(await self._run_now(workspace, job_id, attempt.key, parameters(raw)), same_group=False))

    async def _run_now(self, workspace: Workspace, job_id: str, token: str, given: Json) -> str:
        """The token makes a second request safe: it answers with the run that the first one started."""
        for _ in range(ASKED_AGAIN):
            try:
                return await start_once(lambda: workspace.run_now(job_id, token, given), self._sleep)
            except NoAnswer:
                await self._sleep(1.0)
        return await start_once(lambda: workspace.run_now(job_id, token, given), self._sleep)

    async def started(self, attempt: Attempt) -> Sequence[Rerun]:
        """Repairs of the run that began after the call; else the job's own runs that somebody started since. A playbook
        may have done either.

        The rerun of an earlier attempt that began shortly before is among them: the caller knows which are claimed.
        """
        workspace = self._workspaces.of(attempt.resource)
        raw = await workspace.run(repair_of(attempt.reference_run_id)[0])
        if raw is None:
            return ()
        earliest = max(attempt.started_at, attempt.created_at) - TOLERANCE
        repaired = [
            run for run in runs_of(raw, workspace.resource)[1:] if run.started_at and run.started_at >= earliest
        ]
        again: Sequence[Run] = ()
        if attempt.via == "playbook" or not failed_tasks(raw):
            found = await workspace.runs(
                job_id=text(raw.get("job_id")), start_time_from=str(int(earliest.timestamp() * 1000))
            )
            again = [run for row in found.rows if (run := run_of(row, workspace.resource)) and run.manual]
        known = (attempt.original_run_id, attempt.reference_run_id)
        return [
            Rerun(run.ref.run_id, run.status, run.started_at, same_group=run.group_id == attempt.run_group_id)
            for run in (*repaired, *again)
            if run.ref.run_id not in known
        ]


def parameters(raw: Json) -> Mapping[str, Any]:
    """The parameters of a run, as they are given to the next one."""
    over = raw.get("overriding_parameters")
    given = {name: over[name] for name in TASK_PARAMETERS if over.get(name)} if isinstance(over, dict) else {}
    rows = raw.get("job_parameters")
    named = [row for row in rows if isinstance(row, dict) and row.get("name")] if isinstance(rows, list) else []
    values = {text(row["name"]): text(row.get("value", row.get("default"))) for row in named}
    if isinstance(rows, dict):  # as some answers give them
        values = {text(name): text(value) for name, value in rows.items()}
    return {**given, **({"job_parameters": values} if values else {})}


def _meanwhile(error: Rejected) -> bool:
    return error.status == 409 or error.code in MEANWHILE or SINCE.search(str(error)) is not None
