"""A cluster that is too small is enlarged for one attempt, and made as it was, whatever happens meanwhile."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from pipemend.analyzers.rules import Rules
from pipemend.core.attempt import AttemptStatus
from pipemend.core.playbook import Playbook, Playbooks
from pipemend.core.ticket import RemediationStatus
from pipemend.flows import settling
from pipemend.store import attempts
from pipemend.store.database import Database
from tests.flows.test_databricks import Workspace
from tests.flows.test_stages import acts, fails
from tests.platforms.tiny_databricks import TinyDatabricks, connected

MEMORY = "java.lang.OutOfMemoryError: GC overhead limit exceeded"
BOOKS = Playbooks(
    {
        (error_type, None): Playbook(error_type=error_type, action="scale_up_cluster", max_retries=1)
        for error_type in ("GatewayTimeout", "ClusterMemoryExhausted")
    }
)
SPEC = {"spark_version": "16.4.x", "spark_conf": {"a": "b"}, "custom_tags": {"team": "etl"}}


@pytest.fixture
async def world(database: Database) -> AsyncIterator[Workspace]:
    made = Workspace(database)
    made.tiny = TinyDatabricks()
    made.tiny.clusters["c-1"] = {
        "cluster_id": "c-1",
        "cluster_name": "etl",
        "state": "RUNNING",
        "start_time": 1,
        "num_workers": 4,
        "node_type_id": "Standard_D4s_v3",
        "cluster_source": "UI",
        **SPEC,
    }
    async with connected(made.tiny, clock=made.clock) as dbx:
        made.services.platforms = {"databricks": dbx}
        made.services.analyzer = Rules()
        made.services.playbooks = BOOKS
        await made.begin()
        yield made


def cluster(world: Workspace) -> dict[str, Any]:
    return world.tiny.clusters["c-1"]


def runs_out_of_memory(world: Workspace) -> int:
    run_id = world.fails(error=MEMORY)
    world.tiny.runs[run_id]["tasks"][0]["existing_cluster_id"] = "c-1"
    return run_id


async def arrives(world: Workspace, seconds: float = 62) -> None:
    world.tiny.comes_up("c-1")
    await world.after(seconds)


async def given_back(world: Workspace) -> None:
    await world.after(61)
    await world.upkeep()


async def test_workers_are_borrowed_and_given_back(world: Workspace) -> None:
    run_id = fails(world)
    await world.after(31)
    assert world.tiny.sent("clusters/resize") == [{"cluster_id": "c-1", "num_workers": 8}]
    await arrives(world)
    assert acts(world) == ["clusters/resize", "jobs/runs/repair"]
    await world.upkeep()
    assert cluster(world)["num_workers"] == 8  # the job is at work

    world.ends(run_id, "SUCCESS")
    await world.after(31)
    await world.upkeep()
    assert cluster(world)["num_workers"] == 4
    await world.upkeep()
    assert len(world.tiny.sent("clusters/resize")) == 2


async def test_want_of_memory_gets_the_next_machine_of_the_family(world: Workspace) -> None:
    run_id = runs_out_of_memory(world)
    await world.after(31)
    [edit] = world.tiny.sent("clusters/edit")
    assert (edit["node_type_id"], edit["driver_node_type_id"], edit["num_workers"]) == (*["Standard_D8s_v3"] * 2, 4)
    assert {name: edit[name] for name in SPEC} == SPEC
    assert not edit.keys() & {"state", "start_time", "cluster_source"}
    assert "Standard_D8s_v3" in str((await world.attempts())[0].failure_reason)

    await arrives(world)
    world.ends(run_id, "SUCCESS")
    await world.after(31)
    assert (await world.ticket()).ack_user == "AI_AUTO_HEAL"
    await world.upkeep()
    assert cluster(world)["node_type_id"] == "Standard_D4s_v3"
    assert acts(world) == ["clusters/edit", "jobs/runs/repair", "clusters/edit"]


async def test_a_cluster_that_is_down_is_enlarged_before_it_starts(world: Workspace) -> None:
    cluster(world)["state"] = "TERMINATED"
    runs_out_of_memory(world)
    await world.after(62)
    assert acts(world) == ["clusters/edit", "clusters/start"]
    await arrives(world)
    assert acts(world)[2:] == ["jobs/runs/repair"]


async def test_nobody_gets_more_than_is_allowed(world: Workspace) -> None:
    cluster(world).update(num_workers=16, node_type_id="Standard_D64s_v3")
    runs_out_of_memory(world)
    await world.after(31)
    [attempt] = await world.attempts()
    assert "256" not in (attempt.failure_reason or "")
    assert "no more than 128 GB are allowed (DATABRICKS_MOST_MEMORY_GB)" in (attempt.failure_reason or "")
    assert "no more than 16 are allowed (DATABRICKS_MOST_WORKERS)" in (attempt.failure_reason or "")
    assert acts(world) == []


async def test_a_cluster_of_the_job_itself_is_for_people_to_enlarge(world: Workspace) -> None:
    run_id = world.fails(error=MEMORY)
    run = world.tiny.runs[run_id]
    run["tasks"][0]["job_cluster_key"] = "own"
    made = {"node_type_id": "Standard_D4s_v3", "num_workers": 2}
    run["job_clusters"] = [{"job_cluster_key": "own", "new_cluster": made}]
    await world.after(31)
    reason = (await world.attempts())[0].failure_reason or ""
    assert "give it machines of the type Standard_D8s_v3 in the definition of the job" in reason
    assert (await world.ticket()).remediation_status is RemediationStatus.FAILED
    assert acts(world) == []


async def test_other_machines_wait_until_nobody_is_at_work(world: Workspace) -> None:
    other = world.tiny.begins("somebodys-notebook", run_type="SUBMIT_RUN")
    world.tiny.runs[other]["tasks"][0]["existing_cluster_id"] = "c-1"
    run_id = runs_out_of_memory(world)
    await world.after(31)
    assert acts(world) == []
    assert "somebodys-notebook" in ((await world.attempts())[0].failure_reason or "")

    world.ends(other, "SUCCESS")
    await world.after(62)
    await arrives(world)
    world.ends(run_id, "SUCCESS")
    other = world.tiny.begins("somebodys-notebook")
    world.tiny.runs[other]["tasks"][0]["existing_cluster_id"] = "c-1"
    await world.after(31)
    for _ in range(4):
        await given_back(world)
    assert cluster(world)["node_type_id"] == "Standard_D8s_v3"
    assert "lease_not_returned" not in await world.audit()  # to wait is no failure

    world.ends(other, "SUCCESS")
    await given_back(world)
    assert cluster(world)["node_type_id"] == "Standard_D4s_v3"


async def test_a_cluster_that_is_always_at_work_is_told_after_a_day(world: Workspace) -> None:
    run_id = runs_out_of_memory(world)
    await world.after(31)
    await arrives(world)
    world.ends(run_id, "SUCCESS")
    await world.after(31)
    other = world.tiny.begins("for-ever")
    world.tiny.runs[other]["tasks"][0]["existing_cluster_id"] = "c-1"
    world.clock.move(86_500)
    for _ in range(3):
        await given_back(world)
    assert "other jobs are at work" in (await world.audit_line("lease_not_returned")).details["reason"]


async def test_what_could_not_be_given_back_is_asked_for_again(world: Workspace) -> None:
    run_id = fails(world)
    await world.after(31)
    await arrives(world)
    world.ends(run_id, "SUCCESS")
    await world.after(31)
    world.tiny.trouble("clusters/resize", status=500, body="broken", times=3)
    for _ in range(3):
        await world.upkeep()
        await world.after(61)
    assert "lease_not_returned" in await world.audit()
    cluster(world).update(state="TERMINATED")
    await world.after(3600, step=600)
    await world.upkeep()
    [edit] = world.tiny.sent("clusters/edit")
    assert (edit["num_workers"], edit["spark_version"]) == (4, "16.4.x")


async def test_a_cluster_on_its_way_is_given_back_when_it_has_arrived(world: Workspace) -> None:
    run_id = fails(world)
    await world.after(31)
    await arrives(world)
    world.ends(run_id, "SUCCESS")
    await world.after(31)
    cluster(world)["state"] = "RESTARTING"
    await given_back(world)
    assert cluster(world)["num_workers"] == 8
    cluster(world)["state"] = "RUNNING"
    await given_back(world)
    assert cluster(world)["num_workers"] == 4


async def test_what_a_person_has_changed_meanwhile_stays(world: Workspace) -> None:
    run_id = fails(world)
    await world.after(31)
    await arrives(world)
    world.ends(run_id, "SUCCESS")
    cluster(world)["num_workers"] = 10
    await world.after(31)
    await given_back(world)
    assert cluster(world)["num_workers"] == 10
    assert len(world.tiny.sent("clusters/resize")) == 1


async def test_what_a_person_has_changed_before_we_do_stays(world: Workspace) -> None:
    other = world.tiny.begins("somebodys-notebook", run_type="SUBMIT_RUN")
    world.tiny.runs[other]["tasks"][0]["existing_cluster_id"] = "c-1"
    run_id = runs_out_of_memory(world)
    await world.after(31)  # it is to be enlarged when the others have ended
    cluster(world).update(node_type_id="Standard_D16s_v3", driver_node_type_id="Standard_D16s_v3")
    world.ends(other, "SUCCESS")
    await world.after(62)
    assert acts(world) == ["jobs/runs/repair"]

    world.ends(run_id, "SUCCESS")
    await world.after(31)
    await given_back(world)
    assert cluster(world)["node_type_id"] == "Standard_D16s_v3"
    assert acts(world) == ["jobs/runs/repair"]


async def test_what_was_borrowed_of_a_platform_that_is_not_connected_is_owed_still(world: Workspace) -> None:
    run_id = fails(world)
    await world.after(31)
    await arrives(world)
    world.ends(run_id, "SUCCESS")
    await world.after(31)
    dbx = world.services.platforms["databricks"]
    world.services.platforms = {}
    for _ in range(3):
        await world.upkeep()
        world.clock.move(61)
    assert "not connected" in (await world.audit_line("lease_not_returned")).details["reason"]

    world.services.platforms = {"databricks": dbx}
    world.clock.move(3600)
    await world.upkeep()
    assert cluster(world)["num_workers"] == 4


async def test_a_cluster_that_never_starts_is_given_up_and_given_back(world: Workspace) -> None:
    book = replace(BOOKS.entries["ClusterMemoryExhausted", None], deadline_seconds=900)
    world.services.playbooks = Playbooks({("ClusterMemoryExhausted", None): book})
    cluster(world)["state"] = "TERMINATED"
    runs_out_of_memory(world)
    await world.after(62)
    assert cluster(world)["state"] == "PENDING"
    asked = len(world.tiny.bodies)
    await world.after(1000, step=20)
    [attempt] = await world.attempts()
    assert attempt.status is AttemptStatus.FAILED
    assert "not ready by its deadline" in (attempt.failure_reason or "")
    assert world.tiny.sent("clusters/start") == [{"cluster_id": "c-1"}]
    assert sum(path == "clusters/get" for path, _ in world.tiny.bodies[asked:]) < 30
    await given_back(world)
    assert cluster(world)["node_type_id"] == "Standard_D8s_v3"  # still on its way
    cluster(world)["state"] = "TERMINATED"
    await given_back(world)
    assert cluster(world)["node_type_id"] == "Standard_D4s_v3"


async def test_no_machines_of_the_larger_kind_is_a_failed_attempt(world: Workspace) -> None:
    runs_out_of_memory(world)
    await world.after(31)
    reason = {"code": "AZURE_QUOTA_EXCEEDED_EXCEPTION", "type": "CLIENT_ERROR", "parameters": {}}
    await world.after(31)
    cluster(world).update(state="TERMINATED", termination_reason=reason)
    await world.after(31)
    assert "AZURE_QUOTA_EXCEEDED_EXCEPTION" in ((await world.attempts())[0].failure_reason or "")
    await given_back(world)
    assert cluster(world)["node_type_id"] == "Standard_D4s_v3"


@pytest.mark.parametrize("dies_in", ["look", "enlarge", "rerun"])
async def test_whenever_we_die_it_is_done_once_and_given_back(
    world: Workspace, monkeypatch: pytest.MonkeyPatch, dies_in: str
) -> None:
    """The stage was gone through, and we died before anything was saved."""
    lost, whole = iter([True]), settling.settle

    def dies_once(*args: Any) -> None:
        if attempts.get(args[0], args[2]).stage == dies_in and next(lost, False):
            raise RuntimeError("killed")
        whole(*args)

    monkeypatch.setattr("pipemend.flows.remediation.settle", dies_once)
    run_id = runs_out_of_memory(world)
    for _ in range(6):
        try:
            await world.after(62, step=31)
        except RuntimeError:
            await world.upkeep()
        if cluster(world)["state"] == "RESTARTING":
            world.tiny.comes_up("c-1")
    assert acts(world) == ["clusters/edit", "jobs/runs/repair"]

    world.ends(run_id, "SUCCESS")
    await world.after(31)
    assert (await world.ticket()).ack_user == "AI_AUTO_HEAL"
    await given_back(world)
    assert cluster(world)["node_type_id"] == "Standard_D4s_v3"


async def test_what_stumbles_over_one_thing_keeps_no_other_from_its_owner(
    world: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = fails(world)
    await world.after(31)
    await arrives(world)
    world.ends(run_id, "SUCCESS")
    await world.after(31)

    async def breaks(*_: object) -> str:
        raise RuntimeError("nobody expected this")

    monkeypatch.setattr(world.services.platforms["databricks"].remedies["scale_up_cluster"], "give_back", breaks)
    for _ in range(3):
        await world.upkeep()  # which goes on with all else
        await world.after(61)
    assert "nobody expected" in (await world.audit_line("lease_not_returned")).details["reason"]
