"""Databricks jobs: what they are told to do, what schedules and people do with them, and how their runs go."""

from typing import Any

from ...clock import now
from ...databricks.jobs import Job
from ...databricks.plans import BadPlan, named_ending, read_plan
from ...databricks.run_views import Frame, run_view, task_view
from ...databricks.runs import Asked, JobRun
from ...operations import operation
from ...wire import Answer, Call, json_answer
from ...world import World
from .reading import SERVICE, body, done, not_there, refused
from .workspaces import PLACE, workspace

TRIGGERS = {
    "schedule": "PERIODIC",
    "manual": "ONE_TIME",
    "file": "FILE_ARRIVAL",
    "retry": "RETRY",
    "job": "RUN_JOB_TASK",
}


def put_job(world: World, call: Call) -> Answer:
    try:
        plan = read_plan(body(call))
    except BadPlan as wrong:
        raise refused(str(wrong)) from wrong
    job = workspace(world, call).define(call.params["job"], plan)
    return json_answer({"job_id": job.id, "name": job.name, "tasks": [task.key for task in job.plan.tasks]})


def trigger(world: World, call: Call) -> Answer:
    data, place = body(call, ("by", "parameters")), workspace(world, call)
    by = data.get("by", "schedule")
    if by not in TRIGGERS:
        raise refused(f"by: one of {', '.join(TRIGGERS)}")
    parameters = data.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise refused("parameters: an object")
    run = place.engine.start(_job(world, call), TRIGGERS[by], Asked(f"trigger:{by}"), parameters, {})
    return json_answer({"run_id": run.id})


def runs(world: World, call: Call) -> Answer:
    place, name = workspace(world, call), call.query.get("job")
    found = [run for run in place.engine.runs.values() if name in (None, run.job.name, str(run.job.id))]
    frame = Frame(world.ports.address(call.base_url, place.name), place.id)
    return json_answer({"runs": [shown(frame, run) for run in found]})


def shown(frame: Frame, run: JobRun) -> dict[str, Any]:
    """A run as the API shows it, with what only the twin knows."""
    return {
        **run_view(frame, run),
        "tasks": [task_view(frame, one) for one in run.tasks],
        "repairs": [repair.id for repair in run.repairs],
        "askedBy": run.asked.by,
        "requestId": run.asked.request_id,
        "ageSeconds": round(now().timestamp() - run.start / 1000, 3),
    }


def repair(world: World, call: Call) -> Answer:
    """A person's repair: of the failed tasks, or of those named."""
    data, run = body(call, ("tasks",)), _run(world, call)
    if not run.ended:
        raise refused("the run is in progress", 409)
    failed = [one.task.key for one in run.current() if one.ending is not None and not one.ending.good]
    place, keys = workspace(world, call), data.get("tasks") or failed
    if not keys or not all(run.latest(key) for key in keys):
        raise refused("tasks: keys of the run's tasks, and at least one")
    repair_id = place.engine.repair(run, keys)
    place.acted("repair", Asked("person"), run_id=run.id, repair_id=repair_id, tasks=keys)
    return json_answer({"repair_id": repair_id})


def cancel(world: World, call: Call) -> Answer:
    run = _living(world, call)
    workspace(world, call).engine.cancel(run)
    return done()


def finish(world: World, call: Call) -> Answer:
    data, run = body(call, ("outcome",)), _living(world, call)
    try:
        how = named_ending(data.get("outcome", "Succeeded"))
    except BadPlan as wrong:
        raise refused(str(wrong)) from wrong
    workspace(world, call).engine.end(run, how)
    return done()


def delete(world: World, call: Call) -> Answer:
    """It is in no list from now on."""
    run = _run(world, call)
    if not run.ended:
        raise refused("the run is in progress", 409)
    workspace(world, call).engine.forget(run)
    return done()


def _job(world: World, call: Call) -> Job:
    job = workspace(world, call).job(call.params["job"])
    if job is None:
        raise not_there(f"job {call.params['job']}")
    return job


def _run(world: World, call: Call) -> JobRun:
    run_id = call.params["run"]
    run = workspace(world, call).engine.runs.get(int(run_id)) if run_id.isdecimal() else None
    if run is None:
        raise not_there(f"run {run_id}")
    return run


def _living(world: World, call: Call) -> JobRun:
    run = _run(world, call)
    if run.ended:
        raise refused("the run has ended already", 409)
    return run


OPERATIONS = (
    operation(SERVICE, "putJob", "PUT", PLACE + "/jobs/{job}", put_job),
    operation(SERVICE, "triggerJob", "POST", PLACE + "/jobs/{job}/trigger", trigger),
    operation(SERVICE, "jobRuns", "GET", PLACE + "/runs", runs),
    operation(SERVICE, "repairJobRun", "POST", PLACE + "/runs/{run}/repair", repair),
    operation(SERVICE, "cancelJobRun", "POST", PLACE + "/runs/{run}/cancel", cancel),
    operation(SERVICE, "deleteJobRun", "DELETE", PLACE + "/runs/{run}", delete),
    operation(SERVICE, "finishJobRun", "POST", PLACE + "/runs/{run}/finish", finish),
)
