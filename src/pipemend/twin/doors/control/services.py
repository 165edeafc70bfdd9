"""The other services: how they behave and what they were asked."""

from dataclasses import asdict

from ...logic_apps.definition import BadDefinition
from ...logic_apps.loaded import load
from ...logic_apps.workflows import BadWorkflow, Workflow, read_behaviour
from ...operations import operation
from ...wire import Answer, Call, json_answer
from ...world import World
from .reading import SERVICE, body, changed, not_there, refused


def put_identity(world: World, call: Call) -> Answer:
    """A higher `generation` makes every token issued before it invalid."""
    world.identity = changed(world.identity, call)
    return json_answer(asdict(world.identity))


def put_single_sign_on(world: World, call: Call) -> Answer:
    """Who is signed in at the provider."""
    world.single_sign_on.present = changed(world.single_sign_on.present, call)
    return json_answer(asdict(world.single_sign_on.present))


def put_workflow(world: World, call: Call) -> Answer:
    """With a `definition` the workflow is that: it is carried out, and does no longer play anything."""
    name, given = call.params["workflow"], body(call)
    workflow = world.workflows.setdefault(name, Workflow(name))
    try:
        if "definition" in given:
            values, pace = given.pop("parameters", {}), given.pop("pace", 1.0)
            workflow.app = load(name, given.pop("definition"), values, pace)
        workflow.behaviour = read_behaviour(given, workflow.behaviour)
    except (BadWorkflow, BadDefinition) as wrong:
        raise refused(str(wrong)) from wrong
    return json_answer({"name": name, "url": workflow.url(call.base_url), **asdict(workflow.behaviour)})


def workflow_runs(world: World, call: Call) -> Answer:
    workflow = world.workflows.get(call.params["workflow"])
    if workflow is None:
        raise not_there(f"workflow {call.params['workflow']}")
    return json_answer({"runs": [asdict(invocation) for invocation in workflow.history]})


def callbacks(world: World, _: Call) -> Answer:
    return json_answer({"callbacks": [delivery.as_dict() for delivery in world.playbook.callbacks.deliveries]})


OPERATIONS = (
    operation(SERVICE, "putIdentity", "PUT", "/twin/identity", put_identity),
    operation(SERVICE, "putSingleSignOn", "PUT", "/twin/single-sign-on", put_single_sign_on),
    operation(SERVICE, "putWorkflow", "PUT", "/twin/workflows/{workflow}", put_workflow),
    operation(SERVICE, "workflowRuns", "GET", "/twin/workflows/{workflow}/runs", workflow_runs),
    operation(SERVICE, "callbacks", "GET", "/twin/callbacks", callbacks),
)
