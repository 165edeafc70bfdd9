"""The playbooks for jobs and their clusters: the work is repaired once, and the cluster is left as it should be."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from pipemend.core.attempt import Declined, Progress, Running, Unknown
from pipemend.platforms.databricks import Databricks
from tests.deploy.shipped import Shipped, of_job, put
from tests.twin.bricks import Bricks
from tests.twin.stage import Stage

SOUND = {"pypi": {"package": "sound"}}
Loads = Callable[..., Awaitable[Shipped]]


def host(bricks: Bricks) -> str:
    return urlsplit(bricks.stage.base_url).netloc


@pytest.fixture
async def load(stage: Stage, bricks: Bricks, dbx: Databricks) -> AsyncIterator[Loads]:
    made: list[Shipped] = []

    async def loads(name: str, **parameters: Any) -> Shipped:
        url = await put(stage, name, workspaces=[host(bricks)], **parameters)
        made.append(Shipped(stage, name, url, dbx.remedies[name], dbx))
        return made[-1]

    yield loads
    for one in made:
        await one.http.close()


async def acts(stage: Stage, *kinds: str) -> list[dict[str, Any]]:
    done = (await stage.get("databricks/dbx-twin/acts"))["acts"]
    return [act for act in done if not kinds or act["act"] in kinds]


async def order(stage: Stage) -> list[str]:
    return [act["act"] for act in await acts(stage)]


async def test_the_failed_tasks_run_again_in_the_same_run(stage: Stage, bricks: Bricks, load: Loads):
    playbook = await load("retry_job")
    run = await bricks.failed("orders", "GatewayTimeout", "Succeeded")

    said = await playbook.ask(of_job(run["run_id"], host(bricks)))

    assert isinstance(said, Running)
    assert said.rerun.run_id.startswith(f"{run['run_id']}:repair:")
    assert (await bricks.ended(run["run_id"]))["state"]["result_state"] == "SUCCESS"
    assert '"repair_id": ' in said.answer


async def test_the_next_repair_names_the_one_before(stage: Stage, bricks: Bricks, load: Loads):
    playbook = await load("retry_job")
    run = await bricks.failed("orders", "GatewayTimeout", "GatewayTimeout", "Succeeded")
    first = await playbook.ask(of_job(run["run_id"], host(bricks)))
    assert isinstance(first, Running)
    await bricks.ended(run["run_id"])

    second = await playbook.ask(of_job(run["run_id"], host(bricks), 2, reference_run_id=first.rerun.run_id))

    assert isinstance(second, Running)
    assert second.rerun.run_id != first.rerun.run_id
    assert (await bricks.ended(run["run_id"]))["state"]["result_state"] == "SUCCESS"


@pytest.mark.parametrize("outcomes", [("GatewayTimeout", "Succeeded"), ("GatewayTimeout", "GatewayTimeout")])
async def test_two_calls_of_one_attempt_repair_once(
    stage: Stage, bricks: Bricks, load: Loads, outcomes: tuple[str, str]
):
    playbook = await load("retry_job")
    run = await bricks.failed("orders", *outcomes)
    asked = of_job(run["run_id"], host(bricks))

    said = [*await asyncio.gather(playbook.ask(asked), playbook.ask(asked)), await playbook.ask(asked)]

    assert len({one.rerun.run_id for one in said if isinstance(one, Running)}) == 1
    assert len(await acts(stage, "repair")) == 1


async def test_a_run_in_which_no_task_failed_runs_again_as_a_whole(stage: Stage, bricks: Bricks, load: Loads):
    playbook = await load("retry_job")
    await bricks.job("orders", "Succeeded", duration=0.3)
    busy = await bricks.trigger("orders")
    skipped = await bricks.ended(await bricks.trigger("orders"))
    assert "tasks" not in skipped
    await bricks.ended(busy)

    asked = of_job(skipped["run_id"], host(bricks))
    said = [await playbook.ask(asked), await playbook.ask(asked)]

    assert isinstance(said[0], Running)
    assert isinstance(said[1], Unknown)
    assert (await bricks.ended(int(said[0].rerun.run_id)))["state"]["result_state"] == "SUCCESS"
    [start] = await acts(stage, "runNow")
    assert start["key"] == asked.key


async def test_a_run_with_parameters_of_its_own_is_left_to_people(stage: Stage, bricks: Bricks, load: Loads):
    playbook = await load("retry_job")
    await bricks.job("orders", "Succeeded", duration=0.3)
    busy = await bricks.trigger("orders")
    given = {"notebook_params": {"day": "yesterday"}}
    job_id = (await bricks.run(busy))["job_id"]
    skipped = await bricks.ended((await bricks.act("jobs/run-now", job_id=job_id, **given))["run_id"])
    await bricks.ended(busy)

    said = await playbook.ask(of_job(skipped["run_id"], host(bricks)))

    assert isinstance(said, Declined)
    assert said.final
    assert "parameters of its own" in said.reason
    assert len(await acts(stage, "runNow")) == 1


async def shared(bricks: Bricks, *outcomes: Any, cluster: dict[str, Any] | None = None, **plan: Any) -> tuple[int, str]:
    """A run of a job on a cluster that is there for others too, which has just failed; and the cluster's id."""
    cluster_id = await bricks.cluster("shared", **(cluster or {}))
    run = await bricks.failed("orders", *outcomes, cluster="shared", **plan)
    return int(run["run_id"]), cluster_id


async def heals(bricks: Bricks, playbook: Shipped, run_id: int) -> Progress:
    said = await playbook.ask(of_job(run_id, host(bricks)))
    assert isinstance(said, Running), said
    assert (await bricks.ended(run_id))["state"]["result_state"] == "SUCCESS"
    return said


async def test_a_cluster_is_restarted_before_the_repair(stage: Stage, bricks: Bricks, load: Loads):
    playbook = await load("restart_cluster")
    run_id, _ = await shared(bricks, needs={"restarted": True})

    await heals(bricks, playbook, run_id)

    assert await order(stage) == ["restartCluster", "repair"]


async def test_a_cluster_that_is_down_is_started(stage: Stage, bricks: Bricks, load: Loads):
    playbook = await load("restart_cluster")
    run_id, cluster_id = await shared(bricks, "GatewayTimeout", "Succeeded")
    await bricks.act("clusters/delete", cluster_id=cluster_id)
    await bricks.settled(cluster_id, "TERMINATED")

    await heals(bricks, playbook, run_id)

    assert await order(stage) == ["deleteCluster", "startCluster", "repair"]


async def test_a_cluster_that_was_restarted_meanwhile_is_left_alone(stage: Stage, bricks: Bricks, load: Loads):
    playbook = await load("restart_cluster")
    run_id, cluster_id = await shared(bricks, "GatewayTimeout", "Succeeded")
    await bricks.act("clusters/restart", cluster_id=cluster_id)
    await bricks.settled(cluster_id, "RUNNING")

    await heals(bricks, playbook, run_id)

    assert await order(stage) == ["restartCluster", "repair"]


async def test_a_cluster_of_the_run_alone_needs_no_restart(stage: Stage, bricks: Bricks, load: Loads):
    playbook = await load("restart_cluster")
    run = await bricks.failed("orders", "GatewayTimeout", "Succeeded")

    await heals(bricks, playbook, run["run_id"])

    assert await order(stage) == ["repair"]


async def test_nobody_elses_work_is_cut_off(stage: Stage, bricks: Bricks, load: Loads):
    playbook = await load("restart_cluster")
    run_id, _ = await shared(bricks, "GatewayTimeout", "Succeeded")
    await bricks.job("theirs", "Succeeded", cluster="shared", duration=1.0)
    theirs = await bricks.trigger("theirs")
    await bricks.running(theirs)

    await heals(bricks, playbook, run_id)

    assert (await bricks.ended(theirs))["state"]["result_state"] == "SUCCESS"
    assert await order(stage) == ["restartCluster", "repair"]


async def test_a_cluster_that_stays_busy_is_left_alone_and_people_hear_why(stage: Stage, bricks: Bricks, load: Loads):
    playbook = await load("restart_cluster")
    run_id, _ = await shared(bricks, "GatewayTimeout", "Succeeded")
    await bricks.job("theirs", "Running", cluster="shared")
    await bricks.running(await bricks.trigger("theirs"))

    said = await playbook.ask(of_job(run_id, host(bricks)))

    assert isinstance(said, Declined)
    assert "other jobs are at work on the cluster (theirs)" in said.reason
    assert await order(stage) == []


@pytest.mark.parametrize(
    ("operation", "status", "words"),
    [
        ("restartCluster", 403, "cannot be restarted"),
        ("getCluster", 403, "not be made ready"),
        ("repairRun", 409, "409"),
    ],
)
async def test_whatever_is_refused_on_the_way_is_answered(
    stage: Stage, bricks: Bricks, load: Loads, operation: str, status: int, words: str
):
    playbook = await load("restart_cluster")
    run_id, _ = await shared(bricks, "GatewayTimeout", "Succeeded")
    await stage.fault("databricks", operation, "status", status=status, times=-1)

    said = await playbook.ask(of_job(run_id, host(bricks)))

    assert isinstance(said, Declined)
    assert words in said.reason
    assert await acts(stage, "repair") == []


async def test_a_cluster_that_does_not_come_up_is_told_with_its_reason(stage: Stage, bricks: Bricks, load: Loads):
    playbook = await load("restart_cluster")
    told = {"starts": ["RUNNING", "AZURE_QUOTA_EXCEEDED_EXCEPTION"], "state": "TERMINATED"}
    run_id, _ = await shared(bricks, "GatewayTimeout", "Succeeded", cluster=told)

    said = await playbook.ask(of_job(run_id, host(bricks)))

    assert isinstance(said, Declined)
    assert "did not come up: AZURE_QUOTA_EXCEEDED_EXCEPTION" in said.reason


async def test_libraries_are_installed_anew(stage: Stage, bricks: Bricks, load: Loads):
    playbook = await load("reinstall_libraries")
    told = {"libraries": [{"library": SOUND, "installs": ["FAILED", "INSTALLED"]}]}
    run_id, cluster_id = await shared(bricks, needs={"libraries": True}, cluster=told)

    await heals(bricks, playbook, run_id)

    assert await order(stage) == ["uninstallLibraries", "restartCluster", "installLibraries", "repair"]
    [library] = (await bricks.read("libraries/cluster-status", cluster_id=cluster_id))["library_statuses"]
    assert library["status"] == "INSTALLED"


async def test_libraries_that_were_taken_off_are_put_back_when_it_goes_wrong(stage: Stage, bricks: Bricks, load: Loads):
    playbook = await load("reinstall_libraries")
    told = {"libraries": [{"library": SOUND, "installs": ["FAILED"]}]}
    run_id, cluster_id = await shared(bricks, needs={"libraries": True}, cluster=told)
    await stage.fault("databricks", "restartCluster", "status", status=403, times=-1)

    said = await playbook.ask(of_job(run_id, host(bricks)))
    await playbook.ended()

    assert isinstance(said, Declined)
    assert await order(stage) == ["uninstallLibraries", "installLibraries"]
    assert (await bricks.read("libraries/cluster-status", cluster_id=cluster_id))["library_statuses"]


async def test_a_library_that_fails_again_is_told(stage: Stage, bricks: Bricks, load: Loads):
    playbook = await load("reinstall_libraries")
    told = {"libraries": [{"library": SOUND, "installs": ["FAILED"]}]}
    run_id, _ = await shared(bricks, needs={"libraries": True}, cluster=told)

    said = await playbook.ask(of_job(run_id, host(bricks)))

    assert isinstance(said, Declined)
    assert "a library was not installed" in said.reason
    assert await acts(stage, "repair") == []


@pytest.mark.parametrize(
    ("size", "most"),
    [({"num_workers": 2}, [4, 2]), ({"autoscale": {"min_workers": 1, "max_workers": 3}}, [6, 3])],
)
async def test_a_cluster_has_more_workers_until_the_work_is_done(
    stage: Stage, bricks: Bricks, load: Loads, size: dict[str, Any], most: list[int]
):
    playbook = await load("scale_up_cluster")
    run_id, _ = await shared(bricks, needs={"workers": most[0]}, cluster=size)

    await heals(bricks, playbook, run_id)
    assert (await playbook.ended())["state"] == "Succeeded"

    assert [act["workers"] for act in await acts(stage, "resizeCluster")] == most
    assert await order(stage) == ["resizeCluster", "repair", "resizeCluster"]


async def test_a_cluster_that_went_down_is_small_when_it_comes_up(stage: Stage, bricks: Bricks, load: Loads):
    playbook = await load("scale_up_cluster", mostWorkers=3)
    run_id, cluster_id = await shared(bricks, "GatewayTimeout", "Running", cluster={"num_workers": 2})
    said = await playbook.ask(of_job(run_id, host(bricks)))
    assert isinstance(said, Running)

    await bricks.act("clusters/delete", cluster_id=cluster_id)
    await playbook.ended()

    assert (await bricks.settled(cluster_id, "TERMINATED"))["num_workers"] == 2
    assert [act["workers"] for act in await acts(stage, "resizeCluster", "editCluster")] == [3, 2]


async def test_a_cluster_as_large_as_may_be_is_left_to_people(stage: Stage, bricks: Bricks, load: Loads):
    playbook = await load("scale_up_cluster", mostWorkers=2)
    run_id, _ = await shared(bricks, "GatewayTimeout", cluster={"num_workers": 2})

    said = await playbook.ask(of_job(run_id, host(bricks)))

    assert isinstance(said, Declined)
    assert said.final
    assert "has 2 workers, and no more than 2 are allowed" in said.reason


async def test_a_cluster_of_the_run_alone_cannot_be_made_larger(stage: Stage, bricks: Bricks, load: Loads):
    playbook = await load("scale_up_cluster")
    run = await bricks.failed("orders", "GatewayTimeout")

    said = await playbook.ask(of_job(run["run_id"], host(bricks)))

    assert isinstance(said, Declined)
    assert said.final


@pytest.mark.parametrize(("kind", "status"), [("status", 403), ("status", 500), ("drop_after", None)])
async def test_a_refused_or_unclear_repair_is_answered(
    stage: Stage, bricks: Bricks, load: Loads, kind: str, status: int | None
):
    playbook = await load("retry_job")
    run = await bricks.failed("orders", "GatewayTimeout", "Succeeded")
    await stage.fault("databricks", "repairRun", kind, **({"status": status} if status else {}))

    said = await playbook.ask(of_job(run["run_id"], host(bricks)))

    assert isinstance(said, Declined if status == 403 else Unknown)
    assert len(await stage.requests("databricks", "repairRun")) == 1


@pytest.mark.parametrize(("service", "operation"), [("databricks", "getRun"), ("arm", "listWorkflowRuns")])
async def test_a_run_that_cannot_be_read_is_answered(
    stage: Stage, bricks: Bricks, load: Loads, service: str, operation: str
):
    playbook = await load("retry_job")
    run = await bricks.failed("orders", "GatewayTimeout", "Succeeded")
    asked = of_job(run["run_id"], host(bricks))
    body = {**playbook.remedy()._body(asked)}
    await stage.fault(service, operation, "status", status=403, times=-1)

    answer = await stage.http.post(playbook.url, json=body)
    later = await stage.until(
        lambda found: found.status_code != 202, lambda: stage.http.get(answer.headers["location"])
    )

    assert (later.json()["status"], later.json()["final"]) == ("failed", True)
    assert "Nothing was started" in later.json()["error"]["message"]
    assert await acts(stage) == []


async def test_another_workspace_gets_no_token(stage: Stage, bricks: Bricks, load: Loads):
    playbook = await load("retry_job")
    run = await bricks.failed("orders", "GatewayTimeout")
    before = len(await stage.requests("databricks"))
    asked = of_job(run["run_id"], host(bricks))
    remedy = playbook.remedy()
    body = {**remedy._body(asked), "resource": "127.0.0.1:9"}

    answer = await stage.http.post(playbook.url, json=body)
    later = await stage.until(
        lambda found: found.status_code != 202, lambda: stage.http.get(answer.headers["location"])
    )

    assert "not among the workspaces" in later.json()["error"]["message"]
    assert len(await stage.requests("databricks")) == before
