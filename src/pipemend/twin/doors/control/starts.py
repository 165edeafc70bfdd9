"""Every rerun that the product has asked for: what an outsider holds against the product's own account."""

from collections.abc import Iterator
from typing import Any

from ...clock import stamp
from ...data_factory.model import Run
from ...operations import operation
from ...wire import Answer, Call, json_answer
from ...world import World
from .reading import SERVICE

PRODUCT = ("createRun", "logic_app:")  # who asks: not a trigger, not a parent, not a person


def starts(world: World, _: Call) -> Answer:
    return json_answer({"starts": list(_of_data_factory(world))})


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


OPERATIONS = (operation(SERVICE, "starts", "GET", "/twin/starts", starts),)
