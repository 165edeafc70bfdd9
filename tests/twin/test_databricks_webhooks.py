"""What a Databricks workspace posts about its jobs and clusters."""

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.twin.bricks import Bricks
from tests.twin.door import Door, standing
from tests.twin.stage import Stage, keys, sample


@pytest.fixture
def bricks(stage: Stage) -> Bricks:
    return Bricks(stage)


@pytest.fixture
async def door(stage: Stage) -> AsyncIterator[Door]:
    async with standing() as door:
        told = {"user": "dbx", "password": "s3cret", "retry_seconds": [0.02, 0.02]}
        await stage.put("databricks/dbx-twin/destination", url=door.url, **told)
        yield door


async def webhooks(stage: Stage, count: int) -> list[dict[str, Any]]:
    async def read() -> list[dict[str, Any]]:
        return list((await stage.get("webhooks"))["webhooks"])

    found = await stage.until(lambda told: len(told) >= count and all(one["done"] for one in told), read)
    return list(found)


async def test_a_failed_run_is_posted_with_ids_and_names_and_nothing_else(bricks: Bricks, door: Door):
    run = await bricks.failed("orders", "NotebookError", tell={"on": ["on_failure"]})
    await webhooks(bricks.stage, 1)

    body = door.came[0]

    assert keys(body) == keys(sample("databricks-webhook-job-on-failure.json"))
    assert body["event_type"] == "jobs.on_failure"
    assert body["run"] == {"run_id": str(run["run_id"])}
    assert body["job"] == {"job_id": str(run["job_id"]), "name": "orders"}
    scheme, _, pair = door.headers[0]["authorization"].partition(" ")
    assert (scheme, base64.b64decode(pair)) == ("Basic", b"dbx:s3cret")


async def test_starts_and_good_ends_are_posted_when_they_are_to_be(bricks: Bricks, door: Door):
    await bricks.job("orders", tell={"on": ["on_start", "on_success"]})
    await bricks.ended(await bricks.trigger("orders"))
    await webhooks(bricks.stage, 2)

    assert [body["event_type"] for body in door.came] == ["jobs.on_start", "jobs.on_success"]


async def test_tasks_are_posted_with_the_run_they_belong_to(bricks: Bricks, door: Door):
    run = await bricks.failed("orders", "NotebookError", tell={"on": ["on_failure"], "tasks": True})
    await webhooks(bricks.stage, 2)

    task, whole = sorted(door.came, key=lambda body: "task" not in body)

    assert keys(task) == keys(sample("databricks-webhook-task-on-failure-filled.json"))
    assert task["task"] == {"task_key": "main"}
    assert task["run"] == {"run_id": str(run["tasks"][0]["run_id"]), "parent_run_id": str(run["run_id"])}
    assert whole["run"] == {"run_id": str(run["run_id"])}


async def test_ids_may_be_numbers(bricks: Bricks, door: Door):
    run = await bricks.failed("orders", "NotebookError", tell={"ids": "number"})
    await webhooks(bricks.stage, 1)

    assert door.came[0]["run"] == {"run_id": run["run_id"]}


@pytest.mark.parametrize(
    ("shape", "like"),
    [
        ("state", "doc_databricks_job_failure.json"),
        ("event", "doc_databricks_event_delivery_on_failure.json"),
        ("pascal", "doc_databricks_custom_pascal_case.json"),
    ],
)
async def test_other_shapes_are_posted_as_they_were_seen(bricks: Bricks, door: Door, shape, like):
    await bricks.failed("orders", "NotebookError", tell={"shape": shape})
    await webhooks(bricks.stage, 1)

    assert keys(door.came[0]) == keys(sample(f"prototype/{like}"))


async def test_a_flat_one_tells_the_error(bricks: Bricks, door: Door):
    cluster_id = await bricks.cluster("shared")
    await bricks.failed("orders", "DriverNotResponding", cluster="shared", tell={"shape": "flat"})
    await webhooks(bricks.stage, 1)

    assert keys(sample("prototype/test_databricks_driver_unreachable.json")) - keys(door.came[0]) == {
        ".cluster_details",
        ".cluster_details.cluster_name",
        ".cluster_details.spark_version",
        ".cluster_details.node_type_id",
    }
    assert door.came[0]["error_message"] == f"Could not reach driver of cluster {cluster_id} for 120 seconds."


async def test_webhooks_come_twice_late_or_not_at_all(bricks: Bricks, door: Door):
    await bricks.job("orders", "NotebookError", tell={"copies": 2, "delay": 0.1, "lost": 1})
    await bricks.ended(await bricks.trigger("orders"))
    second = await bricks.ended(await bricks.trigger("orders"))
    at_once = len(door.came)
    await webhooks(bricks.stage, 2)

    assert at_once == 0
    assert door.came[0] == door.came[1]
    assert [body["run"]["run_id"] for body in door.came] == [str(second["run_id"])] * 2


async def test_a_webhook_is_posted_again_after_a_refusal_and_when_told(bricks: Bricks, door: Door):
    door.answers = [503, 429]
    await bricks.failed("orders", "NotebookError", tell={})
    first = (await webhooks(bricks.stage, 1))[0]
    await bricks.stage.post("webhooks/1/again")
    await webhooks(bricks.stage, 2)

    assert [one["status"] for one in first["tries"]] == [503, 429, 202]
    assert [body == door.came[0] for body in door.came] == [True] * 4


async def test_clusters_are_posted_when_asked_for(bricks: Bricks, door: Door):
    events = ["cluster.terminated", "cluster.failed_to_start"]
    await bricks.stage.put("databricks/dbx-twin/destination", cluster_events=events)
    lost = await bricks.cluster("shared")
    await bricks.cluster("poor", state="TERMINATED", starts=["AZURE_QUOTA_EXCEEDED_EXCEPTION"])
    await bricks.stage.post(f"databricks/dbx-twin/clusters/{lost}/break", reason="DRIVER_NOT_RESPONDING")
    await bricks.stage.post("databricks/dbx-twin/clusters/poor/act", act="start")
    await webhooks(bricks.stage, 2)

    told = {body["event"]: body for body in door.came}

    assert set(told) == set(events)
    assert keys(sample("prototype/doc_databricks_cluster_terminated.json")) <= keys(told["cluster.terminated"])
    assert told["cluster.terminated"]["cluster"]["cluster_id"] == lost
    published = keys(sample("prototype/doc_databricks_cluster_failed_to_start.json"))
    unlike = ".cluster.termination_reason.parameters.azure_error_message"
    assert published - {unlike} <= keys(told["cluster.failed_to_start"])


async def test_azure_monitor_tells_of_clusters_when_asked_for(bricks: Bricks, door: Door):
    await bricks.stage.put("action-group", url=door.url, clusters=True)
    cluster_id = await bricks.cluster("shared")
    await bricks.stage.post(f"databricks/dbx-twin/clusters/{cluster_id}/break", reason="DRIVER_UNREACHABLE")

    await bricks.stage.until(lambda alerts: alerts, lambda: alerts_of(bricks.stage))

    published = keys(sample("prototype/doc_azure_log_alert_databricks_cluster.json"))
    assert published <= keys(door.came[0])
    table = door.came[0]["data"]["alertContext"]["SearchResults"]["tables"][0]
    row = dict(zip([column["name"] for column in table["columns"]], table["rows"][0], strict=True))
    assert (row["ClusterId"], row["TerminationCode"], row["State"]) == (cluster_id, "DRIVER_UNREACHABLE", "TERMINATED")


async def alerts_of(stage: Stage) -> list[dict[str, Any]]:
    return [one for one in (await stage.get("alerts"))["alerts"] if one["done"]]


async def test_nothing_is_posted_without_an_address_or_when_a_job_does_not_tell(bricks: Bricks, door: Door):
    await bricks.failed("quiet", "NotebookError")
    await bricks.stage.put("databricks/dbx-twin/destination", url=None)
    await bricks.failed("orders", "NotebookError", tell={})
    await bricks.stage.put("databricks/dbx-twin/destination", url=door.url)
    told = await bricks.failed("loud", "NotebookError", tell={"on": ["on_failure"]})
    async with asyncio.timeout(20):
        while not door.came:
            await asyncio.sleep(0.02)

    assert [body["run"]["run_id"] for body in door.came] == [str(told["run_id"])]
