"""A pipeline that runs a Databricks job fails with it: one failure, one ticket, whichever is seen first."""

from collections.abc import AsyncIterator

import pytest

from pipemend.analyzers.rules import Rules
from pipemend.clients.elsewhere import ReadyElsewhere
from pipemend.core.playbook import Playbook, Playbooks
from pipemend.core.run import RunStatus
from pipemend.core.ticket import RemediationStatus
from pipemend.store.database import Database
from tests.flows.test_databricks import GATEWAY, Workspace
from tests.platforms.tiny_databricks import RESOURCE, TinyDatabricks, connected


@pytest.fixture
async def world(database: Database) -> AsyncIterator[Workspace]:
    """A factory and a workspace; the workspace's errors are none that a machine may mend."""
    made = Workspace(database)
    made.tiny = TinyDatabricks()
    async with connected(made.tiny, clock=made.clock) as dbx:
        made.services.analyzer = Rules()
        made.services.platforms = {"data_factory": made.adf, "databricks": dbx}
        await made.begin()
        yield made


def page(run_id: int) -> str:
    return f"https://{RESOURCE.id}/?o=1234567890#job/11223344/run/{run_id}"


async def test_the_job_of_a_failed_pipeline_has_no_ticket_of_its_own(world: Workspace) -> None:
    job = world.fails(error=GATEWAY, trigger="ONE_TIME")
    pipeline = world.adf.begins("daily")
    await world.after(31)
    assert await world.tickets() == []  # the job's failure waits a little for whom it may belong to

    world.adf.ends(pipeline, RunStatus.FAILED, "GatewayTimeout")
    world.adf.pages[pipeline] = (page(job),)
    await world.after(93)
    ticket = await world.ticket()
    assert (ticket.platform, ticket.pipeline) == ("data_factory", "daily")
    assert ticket.rca["faults"][0]["activity"] == "main"  # the job's task knows the cause
    assert len(world.adf.rerun.started_runs) == 1
    assert world.tiny.sent("jobs/runs/repair") == []


async def test_the_job_of_a_failed_rerun_belongs_to_the_same_ticket(world: Workspace) -> None:
    first = world.fails(error=GATEWAY, trigger="ONE_TIME")
    pipeline = world.adf.fails("daily")
    world.adf.pages[pipeline] = (page(first),)
    await world.after(31)
    [rerun] = world.adf.rerun.started_runs
    second = world.fails(error=GATEWAY, trigger="ONE_TIME")
    world.adf.pages[rerun] = (page(second),)
    world.adf.ends(rerun, RunStatus.FAILED, "GatewayTimeout")
    await world.after(150)
    assert (await world.ticket()).pipeline == "daily"


async def test_a_job_that_nobody_claims_gets_its_ticket_after_a_minute(world: Workspace) -> None:
    world.fails(error=GATEWAY, trigger="ONE_TIME")
    await world.after(120)
    assert (await world.ticket()).platform == "databricks"


async def test_a_scheduled_job_does_not_wait(world: Workspace) -> None:
    world.fails(error=GATEWAY)
    await world.after(31)
    assert (await world.ticket()).platform == "databricks"


async def test_a_ticket_of_the_job_is_merged_when_its_pipeline_fails_late(world: Workspace) -> None:
    job = world.fails(error=GATEWAY, trigger="ONE_TIME")
    pipeline = world.adf.begins("daily")
    await world.after(120)
    assert (await world.ticket()).platform == "databricks"

    world.adf.ends(pipeline, RunStatus.FAILED, "GatewayTimeout")
    world.adf.pages[pipeline] = (page(job),)
    await world.after(62)
    assert (await world.ticket()).platform == "data_factory"  # merged ones are left out of lists


MEMORY = "java.lang.OutOfMemoryError: GC overhead limit exceeded"
LARGER = Playbook(error_type="ClusterMemoryExhausted", action="scale_up_cluster", max_retries=1)


def with_clusters(world: Workspace) -> None:
    """The factory can have clusters got ready where its runs have been, as bootstrap wires it."""
    dbx, adf = world.services.platforms["databricks"], world.adf
    action = "scale_up_cluster"
    remedy = ReadyElsewhere(
        adf, {"databricks": dbx}, {"databricks": dbx.remedies[action]}, adf.remedies["retry_pipeline"]
    )
    adf.remedies = {**adf.remedies, action: remedy}
    world.services.playbooks = Playbooks({("ClusterMemoryExhausted", None): LARGER})


async def test_the_cluster_of_a_pipelines_notebook_is_enlarged_and_given_back(world: Workspace) -> None:
    with_clusters(world)
    machine = {"node_type_id": "Standard_D4s_v3", "num_workers": 2, "spark_version": "16.4.x"}
    world.tiny.clusters["c-1"] = {"cluster_id": "c-1", "cluster_name": "etl", "state": "RUNNING", **machine}
    notebook = world.fails(error=MEMORY, trigger="ONE_TIME", run_type="SUBMIT_RUN")
    world.tiny.runs[notebook]["tasks"][0]["existing_cluster_id"] = "c-1"
    pipeline = world.adf.fails("daily", "NotebookFailed")
    world.adf.pages[pipeline] = (page(notebook),)
    await world.after(31)
    assert world.tiny.clusters["c-1"]["node_type_id"] == "Standard_D8s_v3"
    assert world.adf.rerun.started_runs == []

    world.tiny.comes_up("c-1")
    await world.after(62)
    [rerun] = world.adf.rerun.started_runs
    world.adf.ends(rerun, RunStatus.SUCCEEDED)
    await world.after(31)
    await world.upkeep()
    assert (await world.ticket()).ack_user == "AI_AUTO_HEAL"
    assert world.tiny.clusters["c-1"]["node_type_id"] == "Standard_D4s_v3"
    assert world.tiny.sent("jobs/runs/repair") == []


@pytest.mark.parametrize(
    ("pages", "says"),
    [
        ((), "it names no run elsewhere"),
        (("https://adb-77.1.azuredatabricks.net/?o=77#job/1/run/2",), "no connection for adb-77.1.azuredatabricks.net"),
    ],
)
async def test_without_a_run_there_people_are_told_why(world: Workspace, pages: tuple[str, ...], says: str) -> None:
    with_clusters(world)
    pipeline = world.adf.fails("daily", MEMORY)
    world.adf.pages[pipeline] = pages
    await world.after(62)
    ticket = await world.ticket()
    assert (ticket.error_type, ticket.remediation_status) == ("ClusterMemoryExhausted", RemediationStatus.FAILED)
    assert says in str((await world.attempts())[0].failure_reason)
    assert world.adf.rerun.started_runs == []


@pytest.mark.parametrize(
    "address",
    [
        f"https://{RESOURCE.id}/?o=1#job/2/run/345",
        f"https://{RESOURCE.id}/jobs/2/runs/345?o=1",
        f"https://{RESOURCE.id.upper()}/jobs/2/runs/345",
    ],
)
async def test_a_page_names_its_run(address: str) -> None:
    async with connected(TinyDatabricks()) as dbx:
        ref = dbx.run_at(address)
        assert ref is not None
        assert (ref.resource, ref.run_id) == (RESOURCE.id, "345")
        assert dbx.run_at("https://elsewhere.azuredatabricks.net/jobs/2/runs/345") is None
        assert dbx.run_at("nonsense") is None
