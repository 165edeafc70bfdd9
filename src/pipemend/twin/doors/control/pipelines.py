"""Pipelines and runs: what they do, who starts them, what became of them."""

from dataclasses import asdict
from typing import Any
from uuid import uuid4

from ...clock import now, stamp
from ...data_factory.engine import Asked, manual
from ...data_factory.model import InvokedBy, LinkedService, Run
from ...data_factory.plans import BadPlan, read_plan
from ...data_factory.samples import plan_of
from ...data_factory.views import run_view
from ...operations import operation
from ...wire import Answer, Call, json_answer
from ...world import World
from .reading import SERVICE, body, changed, done, not_there, refused

TRIGGERS = {
    "schedule": ("Daily trigger", "ScheduleTrigger"),
    "tumbling": ("Hourly window", "TumblingWindowTrigger"),
    "sandbox": ("Sandbox", "Sandbox"),
}


def put_pipeline(world: World, call: Call) -> Answer:
    data = body(call)
    pipeline = world.estate.define(call.params["factory"]).define(call.params["pipeline"])
    try:
        pipeline.plan = plan_of(data["definition"]) if set(data) == {"definition"} else read_plan(data)
        pipeline.started = 0
    except BadPlan as wrong:
        raise refused(str(wrong)) from wrong
    for child in pipeline.plan.children:
        pipeline.factory.define(child)
    return json_answer({"pipeline": pipeline.name, "plan": asdict(pipeline.plan)})


def trigger(world: World, call: Call) -> Answer:
    data = body(call, ("by", "parameters"))
    factory = world.estate.factory(call.params["factory"])
    pipeline = factory.pipeline(call.params["pipeline"]) if factory else None
    if pipeline is None:
        raise not_there(f"pipeline {call.params['factory']}/{call.params['pipeline']}")
    by = data.get("by", "schedule")
    if by not in TRIGGERS and by != "manual":
        raise refused(f"by: one of manual, {', '.join(TRIGGERS)}")
    invoked_by = manual() if by == "manual" else InvokedBy(uuid4().hex, *TRIGGERS[by])
    parameters = data.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise refused("parameters: an object")
    run = world.engine.start(pipeline, Asked(f"trigger:{by}"), invoked_by, parameters, debug=by == "sandbox")
    return json_answer({"runId": run.id})


def rerun(world: World, call: Call) -> Answer:
    """A person's rerun: in the group, from the failure unless `from_failure` is false."""
    data = body(call, ("from_failure",))
    run = world.engine.rerun(_run(world, call), Asked("person"), from_failure=bool(data.get("from_failure", True)))
    return json_answer({"runId": run.id})


def cancel(world: World, call: Call) -> Answer:
    run = _run(world, call)
    if run.ended:
        raise refused(f"the run is {run.status} already", 409)
    world.engine.cancel(run, recursive=bool(body(call, ("recursive",)).get("recursive", True)))
    return done()


def finish(world: World, call: Call) -> Answer:
    data = body(call, ("status", "message"))
    run = _run(world, call)
    if run.ended:
        raise refused(f"the run is {run.status} already", 409)
    world.engine.end(run, str(data.get("status", "Succeeded")), str(data.get("message", "")))
    return done()


def delete(world: World, call: Call) -> Answer:
    """The run is deleted: from now on it answers 404 and no query shows it."""
    world.engine.forget(_run(world, call))
    return done()


def runs(world: World, call: Call) -> Answer:
    name = call.query.get("pipeline", "").casefold()
    found = [run for run in world.estate.runs() if name in ("", run.pipeline.name.casefold())]
    return json_answer({"runs": [shown(world, run) for run in found]})


def shown(world: World, run: Run) -> dict[str, Any]:
    """A run as Resource Manager shows it, with what only the twin knows."""
    return {
        **run_view(world.estate, run),
        "factory": run.pipeline.factory.name,
        "referencedRunId": run.referenced,
        "askedBy": run.asked_by,
        "requestId": run.request_id,
        "ageSeconds": round((now() - run.start).total_seconds(), 3),
        "activities": [
            {
                "name": a.step.name,
                "type": a.step.type,
                "status": a.status,
                "start": stamp(a.start),
                "child": a.child_run_id,
            }
            for a in run.activities
        ],
    }


def put_linked_service(world: World, call: Call) -> Answer:
    services = world.estate.define(call.params["factory"]).linked_services
    name = call.params["service"]
    known = services.get(name.casefold(), LinkedService(name))
    services[name.casefold()] = changed(known, call)
    return json_answer(asdict(services[name.casefold()]))


def put_data_factory(world: World, call: Call) -> Answer:
    world.estate.settings = changed(world.estate.settings, call)
    return json_answer(asdict(world.estate.settings))


def _run(world: World, call: Call) -> Run:
    run = world.estate.run(call.params["run"])
    if run is None:
        raise not_there(f"run {call.params['run']}")
    return run


OPERATIONS = (
    operation(SERVICE, "putPipeline", "PUT", "/twin/pipelines/{factory}/{pipeline}", put_pipeline),
    operation(SERVICE, "trigger", "POST", "/twin/pipelines/{factory}/{pipeline}/trigger", trigger),
    operation(SERVICE, "rerun", "POST", "/twin/runs/{run}/rerun", rerun),
    operation(SERVICE, "cancel", "POST", "/twin/runs/{run}/cancel", cancel),
    operation(SERVICE, "finish", "POST", "/twin/runs/{run}/finish", finish),
    operation(SERVICE, "deleteRun", "DELETE", "/twin/runs/{run}", delete),
    operation(SERVICE, "runs", "GET", "/twin/runs", runs),
    operation(SERVICE, "putLinkedService", "PUT", "/twin/linked-services/{factory}/{service}", put_linked_service),
    operation(SERVICE, "putDataFactory", "PUT", "/twin/data-factory", put_data_factory),
)
