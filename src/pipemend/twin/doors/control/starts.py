"""Every rerun that the product has asked for: what an outsider holds against the product's own account."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from ...clock import stamp
from ...data_factory.model import Run
from ...databricks.endings import Ending
from ...databricks.runs import JobRun
from ...databricks.workspace import Workspace
from ...operations import operation
from ...wire import Answer, Call, json_answer
from ...world import World
from .reading import SERVICE

JOBS = ("api", "logic_app:")
PRODUCT = ("createRun", "logic_app:")  # who asks: not a trigger, not a parent, not a person


def starts(world: World, call: Call) -> Answer:
    return json_answer({"starts": [*_of_data_factory(world), *_of_databricks(world, call.base_url)]})


def _of_data_factory(world: World) -> Iterator[dict[str, Any]]:
    keys: dict[str | None, Any] = {
        invocation.workflow_run_id: invocation.body.get("idempotency_key")
        for workflow in world.workflows.values()
        for invocation in workflow.history
        if invocation.workflow_run_id and isinstance(invocation.body, dict)
    }
    for run in world.estate.runs():
        if run.asked_by.startswith(PRODUCT):
            yield _shown(world, run, keys.get(run.request_id))


def _shown(world: World, run: Run, key: Any) -> dict[str, Any]:
    return {
        "platform": "data_factory",
        "resource": world.estate.resource_id(run.pipeline.factory).lower(),
        "pipeline": run.pipeline.name,
        "run_id": run.id,
        "repeats": run.referenced,
        "at": stamp(run.start),
        "status": run.status,
        "asked_by": run.asked_by,
        "key": key,
    }


def _of_databricks(world: World, base_url: str) -> Iterator[dict[str, Any]]:
    """Runs and repairs that the API or a playbook started; a repair is `run:repair:id`."""
    for workspace in world.databricks.workspaces.values():
        host = urlsplit(world.ports.address(base_url, workspace.name)).netloc
        for act in workspace.acts:
            if (
                act["act"] in ("runNow", "repair")
                and act["by"].startswith(JOBS)
                and act["run_id"] in workspace.engine.runs
            ):
                yield _shown_job(workspace, act, host)


def _shown_job(workspace: Workspace, act: dict[str, Any], host: str) -> dict[str, Any]:
    run, repair_id = workspace.engine.runs[act["run_id"]], act.get("repair_id")
    how = run.ending if repair_id is None else _ending(run, repair_id)
    return {
        "platform": "databricks",
        "resource": host,
        "pipeline": run.job.name,
        "run_id": str(run.id) if repair_id is None else f"{run.id}:repair:{repair_id}",
        "repeats": None if repair_id is None else str(run.id),
        "at": act["at"],
        "status": _status(how),
        "asked_by": act["by"],
        "key": act.get("key"),
    }


def _ending(run: JobRun, repair_id: int) -> Ending | None:
    return next(stretch.ending for stretch in run.repairs if stretch.id == repair_id)


def _status(how: Ending | None) -> str:
    """In Data Factory's words, as of all starts."""
    if how is None:
        return "InProgress"
    if how.good:
        return "Succeeded"
    return "Cancelled" if how.result == "CANCELED" else "Failed"


OPERATIONS = (operation(SERVICE, "starts", "GET", "/twin/starts", starts),)
