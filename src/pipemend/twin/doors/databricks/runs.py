"""runs/get, runs/list, runs/get-output, runs/repair and runs/cancel."""

from typing import Any

from ...databricks.clusters import milliseconds
from ...databricks.paging import page
from ...databricks.run_views import (
    Frame,
    job_clusters,
    output_view,
    repair_view,
    run_view,
    task_view,
    tasks_in_no_order,
)
from ...databricks.runs import Asked, JobRun, TaskRun
from ...wire import Answer
from .door import BY, Asking, bad, done, route
from .jobs import offset, parameters

TASKS_A_PAGE = 100
USUAL_RUNS, MOST_RUNS = 20, 25


def get_run(asking: Asking) -> Answer:
    """A job run with all attempts of its tasks, or the run of one task."""
    frame, run = _frame(asking), _run(asking)
    if isinstance(run, TaskRun):
        return done(job_id=run.run.job.id, job_run_id=run.run.id, run_name=run.task.key, **task_view(frame, run))
    if milliseconds() - run.start < asking.workspace.settings.found_after * 1000:
        raise _no_run(run.id)
    tasks = tasks_in_no_order(run)
    shown, rest = page(tasks, lambda one: (0, one.id), asking.given.get("page_token"), TASKS_A_PAGE)
    view = {**run_view(frame, run), **_tasks(frame, shown), **(rest if len(tasks) > TASKS_A_PAGE else {})}
    if any(task.cluster is None for task in run.job.plan.tasks):
        view["job_clusters"] = job_clusters(run.job)
    if asking.flag("include_history") and run.stretches:
        view["repair_history"] = [repair_view(frame, stretch) for stretch in run.stretches]
    return done(**view)


def list_runs(asking: Asking) -> Answer:
    settings, active, completed = asking.workspace.settings, asking.flag("active_only"), asking.flag("completed_only")
    if active and completed:
        raise bad("Parameters 'active_only' and 'completed_only' can not both be true.")
    wanted = asking.number("limit", USUAL_RUNS) or MOST_RUNS
    if not 0 < wanted <= MOST_RUNS:
        raise bad(f"Invalid value for 'limit': must be greater than 0 and at most {MOST_RUNS}.")
    size = min(wanted, settings.page_size)
    job_id, earliest = asking.number("job_id"), asking.number("start_time_from", 0) or 0
    latest = asking.number("start_time_to") or milliseconds()
    kind = asking.given.get("run_type")
    found = (
        run
        for run in asking.workspace.engine.runs.values()
        if job_id in (None, run.job.id)
        and kind in (None, run.kind)
        and earliest <= run.start <= latest
        and not (active and run.ended)
        and not (completed and not run.ended)
        and milliseconds() - run.start >= settings.visible_after * 1000
    )
    shown, rest = page(found, lambda run: (run.start, run.id), asking.given.get("page_token"), size, offset(asking))
    frame = _frame(asking)
    views = [_listed(frame, run, tasks=asking.flag("expand_tasks")) for run in shown]
    return done(**({"runs": views} if views else {}), **rest)


def get_output(asking: Asking) -> Answer:
    """Of the run of a task; a job run has an output only when it has one task."""
    run = _run(asking)
    if isinstance(run, JobRun):
        tasks = run.current()
        if len(tasks) != 1:
            raise bad(
                "Retrieving the output of runs with multiple tasks is not supported. Please retrieve the output of "
                "each individual task run instead."
            )
        run = tasks[0]
    return done(**output_view(_frame(asking), run))


def repair(asking: Asking) -> Answer:
    run = _job_run(asking)
    if not run.ended:
        raise bad(f"Cannot repair run {run.id}: the run must not be in progress.", "INVALID_STATE")
    _check_latest(run, asking.number("latest_repair_id"))
    given = parameters(asking)
    keys = _to_rerun(run, asking)
    run.parameters |= given.pop("job_parameters", {})
    run.overriding |= given
    repair_id = asking.workspace.engine.repair(run, keys)
    asking.workspace.acted("repair", Asked(BY, asking.call.id), run_id=run.id, repair_id=repair_id, tasks=keys)
    return done(repair_id=repair_id)


def _check_latest(run: JobRun, given: int | None) -> None:
    """The second repair and all later ones must name the one before."""
    latest = run.repairs[-1].id if run.repairs else None
    if latest is not None and given is None:
        raise bad("The latest repair ID needs to be provided in order to create a new repair")
    if given is not None and given != latest:
        raise bad(f"The provided latest repair ID {given} does not match the latest repair ID of run {run.id}.")


def _to_rerun(run: JobRun, asking: Asking) -> list[str]:
    """The keys of the tasks that are to run again, in the order of the job."""
    named, failed = asking.given.get("rerun_tasks"), asking.flag("rerun_all_failed_tasks")
    if bool(named) == failed:
        raise bad("Exactly one of 'rerun_tasks' or 'rerun_all_failed_tasks' must be specified.")
    known = {one.task.key: one for one in run.current()}
    plan = run.job.plan
    if named:
        strange = [key for key in named if key not in known] if isinstance(named, list) else [named]
        if strange:
            raise bad(f"Task {strange[0]} does not exist in run {run.id}.")
        keys = set(named)
    else:
        keys = {key for key, one in known.items() if one.ending is not None and not one.ending.good}
        if not keys:
            raise bad(f"There are no failed tasks to repair in run {run.id}.")
    if asking.flag("rerun_dependent_tasks"):
        keys |= plan.after(keys)
    return [key for key in known if key in keys]


def cancel(asking: Asking) -> Answer:
    """Accepted whatever the run does; one that has ended stays as it is."""
    run = _job_run(asking)
    if not run.ended and run.phase != "TERMINATING":
        asking.workspace.engine.cancel(run)
        asking.workspace.acted("cancel", Asked(BY, asking.call.id), run_id=run.id)
    return done()


def _tasks(frame: Frame, tasks: list[TaskRun]) -> dict[str, Any]:
    if not tasks:
        return {}
    shown: dict[str, Any] = {"tasks": [task_view(frame, one) for one in tasks]}
    own = any(one.task.cluster is None for one in tasks)
    spec = tasks[0].run.job.plan.spec
    return shown | ({"job_clusters": [{"job_cluster_key": "Job_cluster", "new_cluster": spec}]} if own else {})


def _listed(frame: Frame, run: JobRun, *, tasks: bool) -> dict[str, Any]:
    expanded = _tasks(frame, tasks_in_no_order(run)[:TASKS_A_PAGE]) if tasks else {}
    return {**run_view(frame, run), **expanded}


def _frame(asking: Asking) -> Frame:
    workspace = asking.workspace
    return Frame(asking.base_url, workspace.id, workspace.settings.state_shape)


def _run(asking: Asking) -> JobRun | TaskRun:
    run_id, engine = asking.whole("run_id"), asking.workspace.engine
    run = engine.runs.get(run_id) or engine.tasks.get(run_id)
    if run is None:
        raise _no_run(run_id)
    return run


def _job_run(asking: Asking) -> JobRun:
    run = _run(asking)
    if isinstance(run, TaskRun):
        raise bad(f"Run {run.id} is the run of a task: only job runs can be repaired or cancelled.")
    return run


def _no_run(run_id: int) -> Exception:
    return bad(f"Run {run_id} does not exist.")


OPERATIONS = (
    route("getRun", "GET", "jobs/runs/get", get_run),
    route("listRuns", "GET", "jobs/runs/list", list_runs),
    route("getRunOutput", "GET", "jobs/runs/get-output", get_output),
    route("repairRun", "POST", "jobs/runs/repair", repair, acts=True),
    route("cancelRun", "POST", "jobs/runs/cancel", cancel, acts=True),
)
