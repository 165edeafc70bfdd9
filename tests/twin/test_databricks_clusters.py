"""Clusters and libraries of a Databricks workspace, and what they do to the jobs that run on them."""

import asyncio
from typing import Any

import pytest

from tests.twin.bricks import Bricks, result
from tests.twin.stage import Stage, keys, sample


@pytest.fixture
def bricks(stage: Stage) -> Bricks:
    return Bricks(stage)


async def test_a_cluster_is_started_and_says_so_on_the_way(bricks: Bricks):
    cluster_id = await bricks.cluster("shared", state="TERMINATED", start_seconds=0.1)

    await bricks.act("clusters/start", cluster_id=cluster_id)
    going = await bricks.read("clusters/get", cluster_id=cluster_id)
    cluster = await bricks.settled(cluster_id, "RUNNING")

    assert going["state"] == "PENDING"
    assert cluster["driver_healthy"]
    assert len(cluster["executors"]) == 2
    assert "termination_reason" not in cluster


async def test_a_restart_passes_through_restarting(bricks: Bricks):
    cluster_id = await bricks.cluster("shared")
    before = await bricks.read("clusters/get", cluster_id=cluster_id)

    await bricks.act("clusters/restart", cluster_id=cluster_id)
    going = await bricks.read("clusters/get", cluster_id=cluster_id)
    cluster = await bricks.settled(cluster_id, "RUNNING")

    assert going["state"] == "RESTARTING"
    assert cluster["spark_context_id"] != before["spark_context_id"]
    assert cluster["last_restarted_time"] > before["last_restarted_time"]


@pytest.mark.parametrize(
    ("state", "act", "word"),
    [("RUNNING", "start", "Running"), ("TERMINATED", "restart", "Terminated"), ("TERMINATED", "resize", "Terminated")],
)
async def test_an_act_that_does_not_fit_the_state_is_refused(bricks: Bricks, state, act, word):
    cluster_id = await bricks.cluster("shared", state=state)

    refused = await bricks.ask("POST", f"clusters/{act}", cluster_id=cluster_id, num_workers=3)

    assert refused.status_code == 400
    assert refused.json() == {
        "error_code": "INVALID_STATE",
        "message": f"Cluster {cluster_id} is in unexpected state {word}.",
    }


async def test_a_start_may_fail_for_want_of_quota(bricks: Bricks):
    cluster_id = await bricks.cluster(
        "shared", state="TERMINATED", starts=["AZURE_QUOTA_EXCEEDED_EXCEPTION", "RUNNING"], ends_in="ERROR"
    )
    await bricks.act("clusters/start", cluster_id=cluster_id)

    failed = await bricks.settled(cluster_id, "ERROR")
    await bricks.act("clusters/start", cluster_id=cluster_id)
    await bricks.settled(cluster_id, "RUNNING")

    assert failed["termination_reason"]["code"] == "AZURE_QUOTA_EXCEEDED_EXCEPTION"
    assert failed["termination_reason"]["type"] == "CLIENT_ERROR"
    assert "exceeding approved" in failed["termination_reason"]["parameters"]["databricks_error_message"]
    told = await bricks.act("clusters/events", cluster_id=cluster_id, event_types=["TERMINATING"])
    assert told["events"][0]["details"]["reason"] == failed["termination_reason"]


async def test_events_are_told_newest_first_in_pages(bricks: Bricks):
    cluster_id = await bricks.cluster("shared")
    await bricks.act("clusters/restart", cluster_id=cluster_id)
    await bricks.settled(cluster_id, "RUNNING")

    first = await bricks.act("clusters/events", cluster_id=cluster_id, limit=2)
    second = await bricks.act("clusters/events", **first["next_page"])
    oldest = await bricks.act("clusters/events", cluster_id=cluster_id, order="ASC", limit=1)

    assert [event["type"] for event in first["events"]] == ["DRIVER_HEALTHY", "RUNNING"]
    assert second["events"][0]["type"] == "RESTARTING"
    assert oldest["events"][0]["type"] == "CREATING"
    assert first["total_count"] > 3


async def test_an_edit_replaces_the_specification_and_restarts(bricks: Bricks):
    cluster_id = await bricks.cluster("shared", autoscale={"min_workers": 1, "max_workers": 4})
    before = await bricks.read("clusters/get", cluster_id=cluster_id)

    await bricks.act("clusters/edit", **{**before, "autoscale": {"min_workers": 1, "max_workers": 8}})
    going = await bricks.read("clusters/get", cluster_id=cluster_id)
    after = await bricks.settled(cluster_id, "RUNNING")

    assert going["state"] == "RESTARTING"
    assert after["autoscale"]["max_workers"] == 8
    assert after["cluster_memory_mb"] > before["cluster_memory_mb"]
    bare = {"cluster_name": "shared", "spark_version": "16.4.x-scala2.12", "node_type_id": "Standard_D8s_v3"}
    assert (await bricks.ask("POST", "clusters/edit", cluster_id=cluster_id, **bare)).status_code == 400
    await bricks.act("clusters/edit", cluster_id=cluster_id, num_workers=1, **bare)
    assert "autotermination_minutes" not in await bricks.read("clusters/get", cluster_id=cluster_id)


async def test_a_terminated_cluster_is_edited_where_it_lies_and_one_on_the_way_not_at_all(bricks: Bricks):
    cluster_id = await bricks.cluster("shared", state="TERMINATED", start_seconds=0.2)
    spec = {**await bricks.read("clusters/get", cluster_id=cluster_id), "num_workers": 5}

    await bricks.act("clusters/edit", **spec)
    lying = await bricks.read("clusters/get", cluster_id=cluster_id)
    await bricks.act("clusters/start", cluster_id=cluster_id)
    refused = await bricks.ask("POST", "clusters/edit", **spec)

    assert (lying["state"], lying["num_workers"]) == ("TERMINATED", 5)
    assert refused.json()["message"] == f"Cluster {cluster_id} is in unexpected state Pending."


async def test_a_cluster_grows_while_it_runs(bricks: Bricks):
    cluster_id = await bricks.cluster("shared", start_seconds=0.1)

    await bricks.act("clusters/resize", cluster_id=cluster_id, num_workers=6)
    going = await bricks.read("clusters/get", cluster_id=cluster_id)
    cluster = await bricks.settled(cluster_id, "RUNNING")

    assert going["state"] == "RESIZING"
    assert len(cluster["executors"]) == 6


async def test_a_run_starts_the_cluster_it_needs(bricks: Bricks):
    cluster_id = await bricks.cluster("shared", state="TERMINATED")
    await bricks.job("orders", cluster="shared")

    run = await bricks.ended(await bricks.trigger("orders"))

    assert result(run) == "SUCCESS"
    assert run["tasks"][0]["existing_cluster_id"] == cluster_id
    assert (await bricks.read("clusters/get", cluster_id=cluster_id))["state"] == "RUNNING"


async def test_a_run_fails_with_the_start_of_its_cluster(bricks: Bricks):
    cluster_id = await bricks.cluster("shared", state="TERMINATED", starts=["DRIVER_UNREACHABLE"])

    run = await bricks.failed("orders", cluster="shared")

    state = run["tasks"][0]["state"]
    assert state["state_message"].startswith(f"Unexpected failure while waiting for the cluster ({cluster_id})")
    assert "DRIVER_UNREACHABLE(CLOUD_FAILURE)" in state["state_message"]
    assert run["tasks"][0]["status"]["termination_details"]["code"] == "CLOUD_FAILURE"


async def test_a_run_may_not_be_allowed_to_start_its_cluster(bricks: Bricks):
    cluster_id = await bricks.cluster("shared", state="TERMINATED", autostart=False)
    run = await bricks.failed("orders", cluster="shared")
    await bricks.act("clusters/start", cluster_id=cluster_id)
    await bricks.settled(cluster_id, "RUNNING")

    await bricks.act("jobs/runs/repair", run_id=run["run_id"], rerun_all_failed_tasks=True)

    assert result(await bricks.ended(run["run_id"])) == "SUCCESS"


async def test_one_cluster_takes_five_jobs_down(bricks: Bricks):
    cluster_id = await bricks.cluster("shared")
    names = [f"job-{n}" for n in range(5)]
    for name in names:
        await bricks.job(name, {"duration": 5}, "Succeeded", cluster="shared")
    run_ids = [await bricks.trigger(name) for name in names]
    for run_id in run_ids:
        await bricks.running(run_id)

    await bricks.stage.post(f"databricks/dbx-twin/clusters/{cluster_id}/break", reason="SPOT_INSTANCE_TERMINATION")

    for run_id in run_ids:
        task = (await bricks.ended(run_id))["tasks"][0]
        assert task["status"]["termination_details"]["code"] == "CLOUD_FAILURE"
        assert f"Cluster {cluster_id} was terminated during the run." in task["state"]["state_message"]
    assert (await bricks.settled(cluster_id, "TERMINATED"))["termination_reason"]["code"] == "SPOT_INSTANCE_TERMINATION"


async def test_a_cluster_that_does_not_answer_is_well_again_after_a_restart(bricks: Bricks):
    cluster_id = await bricks.cluster("shared")
    await bricks.stage.post(f"databricks/dbx-twin/clusters/{cluster_id}/break", stays_up=True)
    sick = await bricks.read("clusters/get", cluster_id=cluster_id)

    run_id = (await bricks.failed("orders", cluster="shared"))["run_id"]
    await bricks.act("clusters/restart", cluster_id=cluster_id)
    await bricks.settled(cluster_id, "RUNNING")
    await bricks.act("jobs/runs/repair", run_id=run_id, rerun_all_failed_tasks=True)

    assert (sick["state"], sick["driver_healthy"]) == ("RUNNING", False)
    assert result(await bricks.ended(run_id)) == "SUCCESS"


async def test_a_job_may_need_a_bigger_cluster(bricks: Bricks):
    cluster_id = await bricks.cluster("shared", num_workers=2)
    run = await bricks.failed("orders", cluster="shared", needs={"workers": 4})

    await bricks.act("clusters/resize", cluster_id=cluster_id, num_workers=4)
    await bricks.settled(cluster_id, "RUNNING")
    await bricks.act("jobs/runs/repair", run_id=run["run_id"], rerun_all_failed_tasks=True)

    assert "has stopped unexpectedly" in run["tasks"][0]["state"]["state_message"]
    assert result(await bricks.ended(run["run_id"])) == "SUCCESS"


async def test_a_job_may_need_more_memory(bricks: Bricks):
    cluster_id = await bricks.cluster("shared", node_type_id="Standard_D4s_v3")
    run = await bricks.failed("orders", cluster="shared", needs={"memory_mb": 60_000, "error": "ExecutorOutOfMemory"})
    spec = await bricks.read("clusters/get", cluster_id=cluster_id)

    await bricks.act("clusters/edit", **{**spec, "node_type_id": "Standard_D8s_v3"})
    await bricks.settled(cluster_id, "RUNNING")
    await bricks.act("jobs/runs/repair", run_id=run["run_id"], rerun_all_failed_tasks=True)

    output = await bricks.read("jobs/runs/get-output", run_id=run["tasks"][0]["run_id"])
    assert "GC overhead limit exceeded" in output["error"]
    assert result(await bricks.ended(run["run_id"])) == "SUCCESS"


async def test_a_job_may_need_its_cluster_restarted(bricks: Bricks):
    cluster_id = await bricks.cluster("shared")
    await asyncio.sleep(0.002)
    run = await bricks.failed("orders", cluster="shared", needs={"restarted": True})

    await bricks.act("clusters/restart", cluster_id=cluster_id)
    await bricks.settled(cluster_id, "RUNNING")
    await bricks.act("jobs/runs/repair", run_id=run["run_id"], rerun_all_failed_tasks=True)

    assert run["tasks"][0]["state"]["state_message"] == f"Could not reach driver of cluster {cluster_id}."
    assert result(await bricks.ended(run["run_id"])) == "SUCCESS"


async def test_a_job_may_need_work_that_comes_before_it(bricks: Bricks):
    await bricks.stage.pipeline("landing", "Succeeded")
    await bricks.job("bronze")
    after_pipeline = await bricks.failed("orders", needs={"pipeline": "adf-twin/landing"})
    after_job = await bricks.failed("silver", needs={"job": "bronze"})

    await bricks.stage.ended(await bricks.stage.trigger("landing"))
    await bricks.ended(await bricks.trigger("bronze"))
    for run in (after_pipeline, after_job):
        output = await bricks.read("jobs/runs/get-output", run_id=run["tasks"][0]["run_id"])
        assert "PATH_NOT_FOUND" in output["error"]
        await bricks.act("jobs/runs/repair", run_id=run["run_id"], rerun_all_failed_tasks=True)
        assert result(await bricks.ended(run["run_id"])) == "SUCCESS"


async def test_a_new_cluster_is_made_for_each_run_and_is_gone_with_it(bricks: Bricks):
    job_id = await bricks.job("orders", starts=["CLOUD_PROVIDER_LAUNCH_FAILURE", "RUNNING"])
    failed = await bricks.ended(await bricks.trigger("orders"))
    good = await bricks.ended(await bricks.trigger("orders"))

    ids = [run["tasks"][0]["cluster_instance"]["cluster_id"] for run in (failed, good)]
    first, second = [await bricks.settled(cluster_id, "TERMINATED") for cluster_id in ids]

    assert (result(failed), result(good)) == ("FAILED", "SUCCESS")
    assert ids[0] != ids[1]
    assert first["termination_reason"]["code"] == "CLOUD_PROVIDER_LAUNCH_FAILURE"
    assert second["termination_reason"] == {"code": "JOB_FINISHED", "type": "SUCCESS"}
    assert second["cluster_source"] == "JOB"
    assert second["cluster_name"] == f"job-{job_id}-run-{good['run_id']}-Job_cluster"
    assert (await bricks.ask("POST", "clusters/edit", **second)).status_code == 400


async def test_a_cluster_nobody_knows_is_refused(bricks: Bricks):
    for method, path in (("GET", "clusters/get"), ("POST", "clusters/start"), ("GET", "libraries/cluster-status")):
        refused = await bricks.ask(method, path, cluster_id="0101-000000-none")
        assert (refused.status_code, refused.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
        assert refused.json()["message"] == "Cluster 0101-000000-none does not exist"


async def test_clusters_look_like_captured_ones(bricks: Bricks):
    running, terminated = (
        sample(f"prototype/real_databricks_clusters_get_{name}.json") for name in ("running", "terminated")
    )
    cluster_id = await bricks.cluster("shared", autoscale={"min_workers": 1, "max_workers": 8})
    up = await bricks.read("clusters/get", cluster_id=cluster_id)
    await bricks.act("clusters/delete", cluster_id=cluster_id)
    down = await bricks.settled(cluster_id, "TERMINATED")

    assert {key for key in keys(running) if not key.startswith(".spec.")} <= keys(up)
    unlike = {".termination_reason.parameters.inactivity_duration_min", ".kind", ".is_single_node", ".spark_context_id"}
    assert {key for key in keys(terminated) if not key.startswith(".spec.")} - unlike <= keys(down)
    listed = (await bricks.read("clusters/list"))["clusters"]
    assert [one["cluster_id"] for one in listed] == [cluster_id]
    assert "spec" not in listed[0]


PANDAS: dict[str, Any] = {"pypi": {"package": "pandas==2.2.3"}}


async def statuses(bricks: Bricks, cluster_id: str) -> dict[str, str]:
    found = await bricks.read("libraries/cluster-status", cluster_id=cluster_id)
    return {next(iter(one["library"].values()))["package"]: one["status"] for one in found.get("library_statuses", [])}


async def library(bricks: Bricks, cluster_id: str, status: str) -> None:
    await bricks.stage.until(lambda found: found.get("pandas==2.2.3") == status, lambda: statuses(bricks, cluster_id))


async def test_a_library_is_installed_after_the_answer(bricks: Bricks):
    cluster_id = await bricks.cluster("shared")

    await bricks.act("libraries/install", cluster_id=cluster_id, libraries=[PANDAS])
    at_once = await statuses(bricks, cluster_id)
    await library(bricks, cluster_id, "INSTALLED")

    assert at_once["pandas==2.2.3"] in ("PENDING", "RESOLVING", "INSTALLING")


async def test_a_failed_library_is_tried_again_only_after_uninstall_and_restart(bricks: Bricks):
    told = {"library": PANDAS, "installs": ["FAILED", "INSTALLED"], "messages": ["boom", "bang"]}
    cluster_id = await bricks.cluster("shared", libraries=[told])
    await library(bricks, cluster_id, "FAILED")
    shown = (await bricks.read("libraries/cluster-status", cluster_id=cluster_id))["library_statuses"][0]

    await bricks.act("libraries/install", cluster_id=cluster_id, libraries=[PANDAS])
    still = await statuses(bricks, cluster_id)
    await bricks.act("libraries/uninstall", cluster_id=cluster_id, libraries=[PANDAS])
    marked = await statuses(bricks, cluster_id)
    await bricks.act("clusters/restart", cluster_id=cluster_id)
    await bricks.settled(cluster_id, "RUNNING")
    gone = await statuses(bricks, cluster_id)
    await bricks.act("libraries/install", cluster_id=cluster_id, libraries=[PANDAS])
    await library(bricks, cluster_id, "INSTALLED")

    assert shown["messages"] == ["boom", "bang"]
    assert shown["is_library_for_all_clusters"] is False
    assert still == {"pandas==2.2.3": "FAILED"}
    assert marked == {"pandas==2.2.3": "UNINSTALL_ON_RESTART"}
    assert gone == {}


async def test_a_library_that_was_to_go_is_restored_when_it_is_wanted_again(bricks: Bricks):
    other = {"pypi": {"package": "numpy"}}
    cluster_id = await bricks.cluster("shared", libraries=[PANDAS, other])
    await library(bricks, cluster_id, "INSTALLED")

    await bricks.act("libraries/uninstall", cluster_id=cluster_id, libraries=[PANDAS])
    marked = await statuses(bricks, cluster_id)
    await bricks.act("libraries/install", cluster_id=cluster_id, libraries=[PANDAS])

    assert list(marked) == ["numpy", "pandas==2.2.3"]
    assert (await statuses(bricks, cluster_id))["pandas==2.2.3"] == "RESTORED"


async def test_a_library_may_stay_pending(bricks: Bricks):
    cluster_id = await bricks.cluster("shared", libraries=[{"library": PANDAS, "installs": ["PENDING"], "seconds": 0}])
    await asyncio.sleep(0.05)

    assert await statuses(bricks, cluster_id) == {"pandas==2.2.3": "PENDING"}


async def test_libraries_of_a_cluster_that_is_down_wait_for_its_start(bricks: Bricks):
    cluster_id = await bricks.cluster("shared", state="TERMINATED")
    await bricks.act("libraries/install", cluster_id=cluster_id, libraries=[PANDAS])
    await asyncio.sleep(0.1)
    waiting = await statuses(bricks, cluster_id)

    await bricks.act("clusters/start", cluster_id=cluster_id)
    await library(bricks, cluster_id, "INSTALLED")

    assert waiting == {"pandas==2.2.3": "PENDING"}


async def test_a_job_fails_with_its_library_until_that_is_installed(bricks: Bricks):
    told = {"library": PANDAS, "installs": ["FAILED", "INSTALLED"]}
    cluster_id = await bricks.cluster("shared", libraries=[told])
    run = await bricks.failed("orders", cluster="shared", libraries=[PANDAS])

    await bricks.act("libraries/uninstall", cluster_id=cluster_id, libraries=[PANDAS])
    await bricks.act("clusters/restart", cluster_id=cluster_id)
    await bricks.settled(cluster_id, "RUNNING")
    await bricks.act("jobs/runs/repair", run_id=run["run_id"], rerun_all_failed_tasks=True)

    task = run["tasks"][0]
    assert task["status"]["termination_details"]["code"] == "LIBRARY_INSTALLATION_ERROR"
    assert "DRIVER_LIBRARY_INSTALLATION_FAILURE" in task["state"]["state_message"]
    assert result(await bricks.ended(run["run_id"])) == "SUCCESS"


async def test_a_job_may_need_all_libraries_of_its_cluster(bricks: Bricks):
    cluster_id = await bricks.cluster("shared", libraries=[{"library": PANDAS, "installs": ["FAILED"], "seconds": 0}])
    run = await bricks.failed("orders", cluster="shared", needs={"libraries": True})

    output = await bricks.read("jobs/runs/get-output", run_id=run["tasks"][0]["run_id"])

    assert output["error"].startswith("ModuleNotFoundError")
    assert (await bricks.read("libraries/all-cluster-statuses"))["statuses"][0]["cluster_id"] == cluster_id
