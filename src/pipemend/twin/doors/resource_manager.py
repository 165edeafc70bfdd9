"""The part of Resource Manager that shows and starts pipeline runs."""

from dataclasses import replace
from itertools import count
from typing import Any

from ..clock import now
from ..data_factory import query
from ..data_factory.engine import Asked, manual
from ..data_factory.model import Factory, Pipeline, Place, Run
from ..data_factory.views import activity_view, factory_view, pipeline_view, run_view
from ..identity import BadToken, check
from ..operations import Handler, operation
from ..refusals import arm_error
from ..wire import Answer, Call, Refused, json_answer
from ..world import World

SERVICE = "arm"
VERSIONS = ("2017-09-01-preview", "2018-06-01")
FACTORY = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.DataFactory/factories/{factory}"
_spent = count(1)


def get_factory(world: World, call: Call) -> Answer:
    return json_answer(factory_view(world.estate, factory_of(world, call)))


def get_pipeline(world: World, call: Call) -> Answer:
    return json_answer(pipeline_view(world.estate, _pipeline(world, call)))


def create_run(world: World, call: Call) -> Answer:
    pipeline = _pipeline(world, call)
    asked = _asked(call)
    reference_id = call.query.get("referencePipelineRunId")
    if reference_id is None:
        run = world.engine.start(pipeline, asked, manual(), _parameters(call))
    else:
        run = world.engine.rerun(
            _reference(pipeline, reference_id),
            asked,
            recovery=_flag(call, "isRecovery"),
            from_failure=_flag(call, "startFromFailure"),
            start_activity=call.query.get("startActivityName"),
        )
    return json_answer({"runId": run.id})


def _asked(call: Call) -> Asked:
    """A Logic App tells in its headers which one it is; everybody else is the API."""
    if name := call.headers.get("x-ms-workflow-name"):
        return Asked(f"logic_app:{name}", call.headers.get("x-ms-workflow-run-id"))
    return Asked("createRun", call.headers.get("x-ms-client-request-id", call.id))


def get_run(world: World, call: Call) -> Answer:
    run = _run(world, call)
    if _age(run) < world.estate.settings.found_after:
        raise _no_run(run.id)
    return json_answer(run_view(world.estate, run))


def query_runs(world: World, call: Call) -> Answer:
    factory, settings = factory_of(world, call), world.estate.settings
    body = json_object(call)
    shown = (run for run in factory.runs.values() if _age(run) >= settings.visible_after)
    try:
        found = query.matching(shown, body)
        runs, token = query.page(found, body.get("continuationToken"), settings.page_size)
    except query.BadQuery as wrong:
        raise Refused(arm_error("BadRequest", str(wrong), 400)) from wrong
    answer: dict[str, Any] = {"value": [run_view(world.estate, run) for run in runs]}
    return json_answer(answer | ({"continuationToken": token} if token else {}))


def query_activities(world: World, call: Call) -> Answer:
    run = _run(world, call)
    try:
        window = query.window(json_object(call))
    except query.BadQuery as wrong:
        raise Refused(arm_error("BadRequest", str(wrong), 400)) from wrong
    found = [activity for activity in run.activities if window.holds(activity.last_updated)]
    return json_answer({"value": [activity_view(world.estate, run, activity) for activity in found]})


def cancel_run(world: World, call: Call) -> Answer:
    run = _run(world, call)
    if run.ended:
        message = f"The pipeline run '{run.id}' is in state '{run.status}' and cannot be cancelled."
        return arm_error("BadRequest", message, 400)
    if run.status != "Canceling":
        world.engine.cancel(run, recursive=_flag(call, "isRecursive"))
    return Answer(200)


def factory_of(world: World, call: Call) -> Factory:
    asked = Place(call.params["subscription"], call.params["group"])
    factory = world.estate.factory(call.params["factory"])
    if factory is None:
        message = (
            f"The Resource 'Microsoft.DataFactory/factories/{call.params['factory']}' under resource group "
            f"'{asked.resource_group}' was not found. For more details please go to "
            "https://aka.ms/ARMResourceNotFoundFix"
        )
        raise Refused(arm_error("ResourceNotFound", message, 404))
    factory.place = factory.place or asked
    _check_place(asked, world.estate.place(factory))
    return factory


def _check_place(asked: Place, right: Place) -> None:
    if asked.subscription.casefold() != right.subscription.casefold():
        message = f"The subscription '{asked.subscription}' could not be found."
        raise Refused(arm_error("SubscriptionNotFound", message, 404))
    if asked.resource_group.casefold() != right.resource_group.casefold():
        message = f"Resource group '{asked.resource_group}' could not be found."
        raise Refused(arm_error("ResourceGroupNotFound", message, 404))


def _pipeline(world: World, call: Call) -> Pipeline:
    pipeline = factory_of(world, call).pipeline(call.params["pipeline"])
    if pipeline is None:
        name = call.params["pipeline"]
        raise Refused(arm_error("PipelineNotFound", f"Pipeline {name} was not found.", 404, f"pipeline/{name}"))
    return pipeline


def _run(world: World, call: Call) -> Run:
    run = factory_of(world, call).runs.get(call.params["run"])
    if run is None:
        raise _no_run(call.params["run"])
    return run


def _no_run(run_id: str) -> Refused:
    message = f"The pipeline run with run id '{run_id}' was not found."
    return Refused(arm_error("PipelineRunNotFound", message, 404, f"pipelineRun/{run_id}"))


def _reference(pipeline: Pipeline, run_id: str) -> Run:
    run = pipeline.factory.runs.get(run_id)
    if run is None or run.pipeline is not pipeline:
        message = f"Referenced pipeline run id {run_id} is not a valid run id."
        raise Refused(arm_error("ReferencedPipelineRunNotValid", message, 400, f"pipeline/{pipeline.name}"))
    return run


def _parameters(call: Call) -> dict[str, Any]:
    return json_object(call) if call.body.strip() else {}


def json_object(call: Call) -> dict[str, Any]:
    try:
        data = call.json()
    except ValueError:
        data = None
    if not isinstance(data, dict):
        raise Refused(arm_error("InvalidRequestContent", "The request content was invalid: a JSON object is due.", 400))
    return data


def _flag(call: Call, name: str) -> bool:
    return call.query.get(name, "").casefold() == "true"


def _age(run: Run) -> float:
    return (now() - run.start).total_seconds()


def guarded(kind: str, handle: Handler, versions: tuple[str, ...] = VERSIONS) -> Handler:
    """Resource Manager's own part: version, token, and what is left of the rate limit."""

    def answer(world: World, call: Call) -> Answer:
        _check_version(call, versions)
        _check_token(world, call)
        done = handle(world, call)
        return replace(done, headers=(*done.headers, *_headers(call, kind)))

    return answer


def _check_version(call: Call, versions: tuple[str, ...]) -> None:
    version = call.query.get("api-version")
    if version is None:
        message = "The api-version query parameter (?api-version=) is required for all requests."
        raise Refused(arm_error("MissingApiVersionParameter", message, 400))
    if version not in versions:
        message = (
            f"The resource type could not be found in its namespace for api version '{version}'. "
            f"The supported api-versions are '{','.join(versions)}'."
        )
        raise Refused(arm_error("InvalidResourceType", message, 400))


def _check_token(world: World, call: Call) -> None:
    try:
        check(world.identity, call.headers.get("authorization", ""))
    except BadToken as bad:
        answer = arm_error(bad.code, str(bad), 401)
        reason = f'error="invalid_token", error_description="{bad}"'
        challenge = f'Bearer authorization_uri="https://login.windows.net/twin", {reason}'
        raise Refused(replace(answer, headers=(*answer.headers, ("WWW-Authenticate", challenge)))) from bad


def _headers(call: Call, kind: str) -> tuple[tuple[str, str], ...]:
    left = 15000 - next(_spent) % 15000 if kind == "reads" else 1200 - next(_spent) % 1200
    return (
        (f"x-ms-ratelimit-remaining-subscription-{kind}", str(left)),
        ("x-ms-request-id", call.id),
        ("x-ms-correlation-request-id", call.id),
        ("Cache-Control", "no-cache"),
        ("X-Content-Type-Options", "nosniff"),
    )


OPERATIONS = (
    operation(SERVICE, "getFactory", "GET", FACTORY, guarded("reads", get_factory)),
    operation(SERVICE, "getPipeline", "GET", FACTORY + "/pipelines/{pipeline}", guarded("reads", get_pipeline)),
    operation(SERVICE, "createRun", "POST", FACTORY + "/pipelines/{pipeline}/createRun", guarded("writes", create_run)),
    operation(SERVICE, "getRun", "GET", FACTORY + "/pipelineruns/{run}", guarded("reads", get_run)),
    operation(SERVICE, "queryPipelineRuns", "POST", FACTORY + "/queryPipelineRuns", guarded("reads", query_runs)),
    operation(
        SERVICE,
        "queryActivityruns",
        "POST",
        FACTORY + "/pipelineruns/{run}/queryActivityruns",
        guarded("writes", query_activities),
    ),
    operation(SERVICE, "cancel", "POST", FACTORY + "/pipelineruns/{run}/cancel", guarded("writes", cancel_run)),
)
