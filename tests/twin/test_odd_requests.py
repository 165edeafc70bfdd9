"""Whatever is said to it, the twin answers in the service's words and goes on."""

import re
from typing import Any

import pytest

from pipemend.twin.app import OPERATIONS
from tests.twin.bricks import Bricks
from tests.twin.stage import FACTORY, GROUP, SUBSCRIPTION, Stage

NAMES = {
    "subscription": SUBSCRIPTION,
    "group": GROUP,
    "factory": FACTORY,
    "pipeline": "nightly",
    "workflow": "retry-pipeline",
    "trigger": "manual",
    "issue": "OPS-1",
    "version": "v1beta",
    "model": "gemini-2.5-flash",
}
NESTED = ("fields", "update", "transition", "body", "blocks", "contents", "filters", "jql", "outcomes", "behaviour")
ODD: list[Any] = [[], "x", 1, None, True, {"a": 1}, [1], {"text": [], "type": "doc"}]
WINDOW = {"lastUpdatedAfter": "2000-01-01T00:00:00Z", "lastUpdatedBefore": "2100-01-01T00:00:00Z"}
BODIES = [*ODD, *({**WINDOW, "channel": "C", "text": "x", name: odd} for name in NESTED for odd in ODD)]
WRITING = [op for op in OPERATIONS if op.method in ("POST", "PUT") and op.name != "reset"]


@pytest.mark.parametrize("operation", WRITING, ids=lambda op: f"{op.service}-{op.name}-{op.method}")
async def test_odd_bodies_are_no_trouble(stage: Stage, operation):
    await stage.pipeline("nightly", "Succeeded")
    path = path_of(operation.path.pattern)
    headers = await stage.token() if operation.service == "arm" else {}
    if operation.service == "slack":
        headers = {"Authorization": "Bearer xoxb-twin"}
    auth = ("twin@example.com", "twin-jira-token") if operation.service == "jira" else None
    await stage.http.post(
        "/rest/api/3/issue",
        auth=("twin@example.com", "twin-jira-token"),
        json={"fields": {"project": {"key": "OPS"}, "issuetype": {"name": "Task"}, "summary": "x"}},
    )

    statuses = set()
    for body in BODIES:
        answer = await stage.http.request(
            operation.method,
            path,
            params={"api-version": "2018-06-01", "sig": "twin-sig", "key": "twin-gemini-key"},
            headers=headers,
            json=body,
            auth=auth,
        )
        statuses.add(answer.status_code)

    assert max(statuses) < 500


OF_DATABRICKS = (
    *("libraries", "rerun_tasks", "rerun_all_failed_tasks", "job_parameters", "notebook_params", "latest_repair_id"),
    *("idempotency_token", "autoscale", "num_workers", "event_types", "limit", "offset", "order", "node_type_id"),
    *("outcomes", "tasks", "needs", "tell", "starts", "spec", "state", "reason", "act", "url", "limits", "tokens"),
)


@pytest.mark.parametrize(
    "operation",
    [op for op in WRITING if op.service == "databricks" or "/twin/databricks" in op.path.pattern.replace("\\", "")],
    ids=lambda op: f"{op.service}-{op.name}",
)
async def test_odd_bodies_are_no_trouble_in_databricks(stage: Stage, operation):
    bricks = Bricks(stage)
    cluster_id, run = await bricks.cluster("shared"), await bricks.failed("orders", "NotebookError")
    named = {"cluster_id": cluster_id, "run_id": run["run_id"], "job_id": run["job_id"]}
    path = path_of(operation.path.pattern, version="2.0", workspace="dbx-twin", job="orders", cluster="shared")
    bodies = [*ODD, *({**named, name: odd} for name in OF_DATABRICKS for odd in ODD)]
    bodies = bodies if operation.service == "databricks" else [*ODD, *({n: o} for n in OF_DATABRICKS for o in ODD)]

    headers = {"Authorization": f"Bearer {bricks.token}"}
    statuses = set()
    for body in bodies:
        statuses.add((await stage.http.request(operation.method, path, headers=headers, json=body)).status_code)

    assert max(statuses) < 500


def path_of(pattern: str, **names: str) -> str:
    """The path of an operation with its names filled in."""
    filled = re.sub(r"\(\?P<(\w+)>\[\^/\]\+\)", lambda found: {**NAMES, **names}.get(found[1], "none"), pattern)
    return re.sub(r"\\(.)", r"\1", filled).removesuffix("/?")
