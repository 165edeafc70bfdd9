"""The part of Resource Manager that shows the runs of a Logic App."""

import re
from typing import Any

from ..logic_apps.workflows import Invocation, Workflow
from ..operations import operation
from ..refusals import arm_error
from ..wire import Answer, Call, Refused, json_answer
from ..world import World
from .resource_manager import SERVICE, guarded

RUNS = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Logic/workflows/{workflow}/runs"
FILTER = re.compile(r"clientTrackingId eq '((?:[^']|'')*)'", re.IGNORECASE)
VERSIONS = ("2016-06-01", "2019-05-01")


def runs(world: World, call: Call) -> Answer:
    """The newest first; `$filter` asks for those that their callers gave one name."""
    workflow = world.workflows.get(call.params["workflow"])
    if workflow is None:
        name = call.params["workflow"]
        raise Refused(arm_error("WorkflowNotFound", f"The workflow '{name}' could not be found.", 404))
    asked = FILTER.fullmatch(call.query.get("$filter", ""))
    if "$filter" in call.query and asked is None:
        raise Refused(arm_error("InvalidFilterInQueryString", "The filter in the query is not valid.", 400))
    tracked = asked[1].replace("''", "'") if asked else None
    found = [past for past in workflow.history if past.workflow_run_id and tracked in (None, past.tracking_id)]
    return json_answer({"value": [_shown(workflow, past) for past in reversed(found)]})


def _shown(workflow: Workflow, past: Invocation) -> dict[str, Any]:
    properties = {
        "startTime": past.at,
        "status": past.state or "Succeeded",
        "correlation": {"clientTrackingId": past.tracking_id},
    }
    return {"name": past.workflow_run_id, "type": "Microsoft.Logic/workflows/runs", "properties": properties}


OPERATIONS = (operation(SERVICE, "listWorkflowRuns", "GET", RUNS, guarded("reads", runs, VERSIONS)),)
