"""The trigger address of a workflow."""

import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from ..clock import now, stamp
from ..logic_apps.job_playbook import Unsupported
from ..logic_apps.loaded import App
from ..logic_apps.playbook import NothingToRerun
from ..logic_apps.runner import Started
from ..logic_apps.schema import faults
from ..logic_apps.workflows import Behaviour, Invocation, Workflow, platform_headers
from ..operations import operation
from ..refusals import arm_error
from ..wire import Answer, Call, Headers, Refused, html_answer, json_answer, text_answer
from ..world import World

INVOKE = "/workflows/{workflow}/triggers/{trigger}/paths/invoke"
NEVER_START = ("failed", "500_failed")
SILENT = ("202_empty", "no_response_502", "gateway_504", "html")
SYNC_SECONDS = 120.0  # so long a caller waits for a Response action
FORBIDDEN = "The client does not have authorization to perform action 'createRun'."


def invoke(world: World, call: Call) -> Answer:
    workflow = world.workflows.get(call.params["workflow"])
    history = Invocation(stamp(now()), _kept(call), _body(call), base_url=call.base_url)
    try:
        done = _work(world, workflow, call, history)
    except Refused as refused:
        done = refused.answer
    history.status = done.status
    if workflow:
        workflow.history.append(history)
    return _signed(done, call, history)


def _signed(done: Answer, call: Call, history: Invocation) -> Answer:
    """The answer with the headers of the service."""
    tracking = call.headers.get("x-ms-client-tracking-id")
    headers = platform_headers(call.id, call.params["workflow"], tracking, history.workflow_run_id)
    instead = done.instead

    async def come() -> Answer:
        came = await instead() if instead else done
        history.status = came.status
        return replace(came, headers=(*came.headers, *headers))

    return replace(done, headers=(*done.headers, *headers), instead=come if instead else None)


def _work(world: World, workflow: Workflow | None, call: Call, history: Invocation) -> Answer:
    """Takes the request at the door, lets the playbook run, and answers in its way."""
    if workflow is None or workflow.behaviour.kind == "not_found":
        name = call.params["workflow"]
        raise Refused(arm_error("WorkflowNotFound", f"The workflow '{name}' could not be found.", 404))
    behaviour = workflow.behaviour
    _admit(workflow, call, history)
    history.workflow_run_id = f"0858{secrets.randbelow(10**25):025d}CU18"
    if workflow.app is not None:
        return _carry_out(world, workflow, workflow.app, history)
    starts = behaviour.kind not in NEVER_START if behaviour.starts is None else behaviour.starts
    if starts:
        try:
            history.run_id = world.playbook.start(workflow, history)
        except NothingToRerun as nothing:
            if behaviour.kind not in SILENT:
                return json_answer(_failed(history.body, str(nothing)))
        except Unsupported as action:
            return json_answer(_unsupported(behaviour, str(action)))
    if behaviour.kind == "location":
        return replace(Answer(202), headers=_location(workflow, history))
    return _ANSWERS[behaviour.kind](behaviour, history)


def _admit(workflow: Workflow, call: Call, history: Invocation) -> None:
    """What is refused before a workflow run exists."""
    if call.query.get("sig") != workflow.behaviour.sig:
        message = "The request must be authenticated: the shared access signature is missing or not valid."
        raise Refused(arm_error("DirectApiAuthorizationRequired", message, 401))
    if "api-version" not in call.query:
        message = "The api-version query parameter (?api-version=) is required for all requests."
        raise Refused(arm_error("MissingApiVersionParameter", message, 400))
    if workflow.behaviour.kind == "disabled":
        refused = f"Could not execute workflow '{workflow.name}' trigger 'manual'"
        message = f"{refused} with state 'Disabled': trigger is not enabled."
        raise Refused(arm_error("WorkflowTriggerIsNotEnabled", message, 400))
    if workflow.behaviour.kind == "schema_mismatch" or not isinstance(history.body, dict):
        raise _mismatch("Required properties are missing from object: resource.")
    if workflow.app is not None:
        _admit_to(workflow.app, history)
    if workflow.behaviour.kind == "throttled":
        answer = arm_error("WorkflowRunRateLimited", "The number of requests exceeds the limit of the workflow.", 429)
        retry_after = ("Retry-After", f"{workflow.behaviour.number:g}")
        raise Refused(replace(answer, headers=(*answer.headers, retry_after)))


def _admit_to(app: App, history: Invocation) -> None:
    """What a definition asks of its requests, and how many of them it takes at once."""
    if app.definition.validates and (wrong := " ".join(faults(app.definition.schema, history.body))):
        raise _mismatch(wrong)
    if app.full:
        raise Refused(arm_error("WorkflowRunsThrottled", "Too many runs of the workflow wait for their turn.", 429))


def _mismatch(details: str) -> Refused:
    about = "The input body for trigger 'manual' of type 'Request' did not match its schema definition."
    return Refused(arm_error("TriggerInputSchemaMismatch", f"{about} Error details: '{details}'.", 400))


def _carry_out(world: World, workflow: Workflow, app: App, history: Invocation) -> Answer:
    """Begins a run of the definition: its answer is waited for, or promised, or there is none."""
    started = world.runner.start(app, history, world.identity)
    if not app.definition.answers:
        return Answer(202)
    if app.definition.answers_later:
        return replace(Answer(202), headers=_location(workflow, history))

    async def come() -> Answer:
        in_time = await started.answered_within(SYNC_SECONDS)
        return _of_run(started) if in_time else _gateway_timeout(workflow.behaviour, history)

    return replace(Answer(202), instead=come)


def _of_run(started: Started) -> Answer:
    """What a run that has answered, or ended without, says."""
    if not started.answer.done():
        return _no_response(Behaviour(), Invocation("", {}, None))
    said = started.answer.result()
    headers = tuple((str(name), str(value)) for name, value in said.headers.items())
    if said.body is None:
        return Answer(said.status, headers=headers)
    if isinstance(said.body, str):
        return text_answer(said.body, said.status, headers)
    return json_answer(said.body, said.status, headers)


def _success(history: Invocation) -> dict[str, Any]:
    body = history.body
    if "job_id" in body:
        return _started_job(history)
    return {
        "status": "success",
        "run_id": history.run_id,
        "message": "ADF pipeline re-run triggered successfully",
        "pipeline_name": body.get("pipeline_name"),
        "ticket_id": body.get("ticket_id"),
        "error_type": body.get("error_type"),
        "retry_attempt": str(body.get("retry_attempt", "")),
        "timestamp": stamp(now()),
    }


def _started_job(history: Invocation) -> dict[str, Any]:
    """The same of a playbook for Databricks."""
    body = history.body
    return {
        "status": "success",
        "run_id": history.run_id,
        "message": "Databricks job re-run triggered successfully",
        "job_id": body.get("job_id"),
        "job_name": body.get("job_name"),
        "ticket_id": body.get("ticket_id"),
        "remediation_action": body.get("remediation_action"),
    }


def _unsupported(behaviour: Behaviour, action: str) -> dict[str, Any]:
    return {
        "status": "failed",
        "message": "Unsupported remediation action",
        "remediation_action": action,
        "supported_actions": list(behaviour.supports),
    }


def _accepted(history: Invocation) -> dict[str, Any]:
    return {
        "status": "accepted",
        "message": "Remediation started, will monitor and callback",
        "run_id": history.run_id,
        "ticket_id": history.body.get("ticket_id"),
        "remediation_action": history.body.get("remediation_action"),
    }


def _failed(body: dict[str, Any], reason: str) -> dict[str, Any]:
    return {
        "status": "failed",
        "message": "Failed to trigger ADF pipeline re-run",
        "error": reason,
        "error_code": "ActionFailed",
        "error_message": reason,
        "pipeline_name": body.get("pipeline_name"),
        "ticket_id": body.get("ticket_id"),
        "timestamp": stamp(now()),
    }


def _sync_text(_: Behaviour, history: Invocation) -> Answer:
    done = json_answer(_success(history))
    return text_answer(done.body.decode())


def _no_response(_: Behaviour, __: Invocation) -> Answer:
    message = "The server did not receive a response from an upstream server."
    return json_answer({"error": {"code": "NoResponse", "message": message}}, 502)


def _gateway_timeout(_: Behaviour, __: Invocation) -> Answer:
    message = "The server did not receive a response from an upstream server. Request tracking id is in the headers."
    return json_answer({"error": {"code": "GatewayTimeout", "message": message}}, 504)


_ANSWERS: dict[str, Callable[[Behaviour, Invocation], Answer]] = {
    "sync": lambda _, history: json_answer(_success(history)),
    "sync_text": _sync_text,
    "accepted": lambda _, history: json_answer(_accepted(history)),
    "202_with_run_id": lambda _, history: json_answer(_accepted(history), 202),
    "202_empty": lambda _, __: Answer(202),
    "failed": lambda _, history: json_answer(_failed(history.body, FORBIDDEN)),
    "500_failed": lambda _, history: json_answer(_failed(history.body, FORBIDDEN), 500),
    "no_response_502": _no_response,
    "gateway_504": _gateway_timeout,
    "slow": lambda behaviour, history: json_answer(_success(history), delay=behaviour.number),
    "html": lambda _, __: html_answer(),
}


def _body(call: Call) -> Any:
    try:
        return call.json()
    except ValueError:
        return call.body.decode("utf-8", "replace")


def _kept(call: Call) -> dict[str, str]:
    return {name: value for name, value in call.headers.items() if name not in ("authorization", "cookie")}


def later(world: World, call: Call) -> Answer:
    """What a workflow that answers asynchronously says at the address it gave: 202 until it is done."""
    workflow = world.workflows.get(call.params["workflow"])
    past = workflow.history if workflow else ()
    found = next((one for one in past if one.workflow_run_id == call.params["run"]), None)
    if workflow is None or found is None or call.query.get("sig") != workflow.behaviour.sig:
        return arm_error("WorkflowRunNotFound", "The workflow run could not be found.", 404)
    if (started := world.runner.runs.get(str(found.workflow_run_id))) is not None:
        waits = not started.answer.done() and not started.ended.done()
        return replace(Answer(202), headers=_location(workflow, found)) if waits else _of_run(started)
    done_at = datetime.fromisoformat(found.at) + timedelta(seconds=workflow.behaviour.number)
    if now() < done_at:
        return replace(Answer(202), headers=_location(workflow, found))
    return json_answer(_success(found) if found.run_id else _failed(found.body, FORBIDDEN))


def _location(workflow: Workflow, history: Invocation) -> Headers:
    address = f"/workflows/{workflow.name}/runs/{history.workflow_run_id}/operations/manual"
    query = urlencode({"api-version": "2016-10-01", "sig": workflow.behaviour.sig})
    return ("Location", f"{history.base_url}{address}?{query}"), ("Retry-After", "1")


OPERATIONS = (
    operation("logic_app", "invoke", "POST", INVOKE, invoke),
    operation("logic_app", "later", "GET", "/workflows/{workflow}/runs/{run}/operations/{operation}", later),
)
