"""jobs/get, jobs/list and jobs/run-now."""

from typing import Any

from ...databricks.jobs import Job
from ...databricks.paging import page
from ...databricks.run_views import job_view
from ...databricks.runs import Asked
from ...wire import Answer
from .door import BY, Asking, bad, done, route

PARAMETERS = (
    "job_parameters",
    "notebook_params",
    "jar_params",
    "python_params",
    "python_named_params",
    "spark_submit_params",
    "sql_params",
)


def get_job(asking: Asking) -> Answer:
    return done(**job_view(_job(asking), tasks=True, cluster=asking.workspace.cluster))


def list_jobs(asking: Asking) -> Answer:
    name = asking.given.get("name")
    jobs = [job for job in asking.workspace.jobs.values() if name is None or job.name.casefold() == name.casefold()]
    size, start = asking.number("limit", 20) or 20, offset(asking)
    shown, rest = page(jobs, lambda job: (job.created, job.id), asking.given.get("page_token"), size, start)
    tasks = asking.flag("expand_tasks")
    views = [job_view(job, tasks=tasks, cluster=asking.workspace.cluster) for job in shown]
    return done(**({"jobs": views} if views else {}), **rest)


def run_now(asking: Asking) -> Answer:
    """A known idempotency token answers with the run that it started, whatever has become of that."""
    job, token = _job(asking), asking.given.get("idempotency_token")
    if token is not None and len(str(token)) > 64:
        raise bad("The idempotency token must have at most 64 characters.")
    known = asking.workspace.started_with.get(str(token)) if token else None
    if known is not None and known not in asking.workspace.engine.runs:
        raise bad(f"The run {known} that was started with this idempotency token is deleted.")
    if known is not None:
        return done(run_id=known, number_in_job=known)
    key = str(token) if token else None
    run = asking.workspace.run_now(job, Asked(BY, asking.call.id), key, **parameters(asking))
    if token:
        asking.workspace.started_with[str(token)] = run.id
    return done(run_id=run.id, number_in_job=run.id)


def parameters(asking: Asking) -> dict[str, Any]:
    """The parameters of a run or a repair. Job parameters and those of a task exclude each other."""
    given = {name: asking.given[name] for name in PARAMETERS if asking.given.get(name)}
    if "job_parameters" in given and len(given) > 1:
        raise bad("Job parameters can not be used together with task parameters in one request.")
    if not isinstance(given.get("job_parameters", {}), dict):
        raise bad("Could not parse request object: Expected 'job_parameters' to be a map.")
    return given


def offset(asking: Asking) -> int:
    return max(asking.number("offset", 0) or 0, 0)


def _job(asking: Asking) -> Job:
    job_id = asking.whole("job_id")
    job = asking.workspace.jobs.get(job_id)
    if job is None:
        raise bad(f"Job {job_id} does not exist.")
    return job


OPERATIONS = (
    route("getJob", "GET", "jobs/get", get_job),
    route("listJobs", "GET", "jobs/list", list_jobs),
    route("runNow", "POST", "jobs/run-now", run_now, acts=True),
)
