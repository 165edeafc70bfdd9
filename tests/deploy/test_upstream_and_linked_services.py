"""The playbooks that look or act before they rerun a pipeline: what is upstream of it, and its linked services."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from pipemend.clients.http import Http
from pipemend.clients.upstream import CheckUpstream
from pipemend.core.attempt import Declined, Running
from pipemend.platforms.data_factory import DataFactory
from tests.deploy.shipped import Shipped, of_pipeline, put
from tests.platforms.adf import RESOURCE, failed_run
from tests.twin.stage import FACTORY, Stage

Loads = Callable[..., Awaitable[Shipped]]


@pytest.fixture
async def load(stage: Stage, adf: DataFactory) -> AsyncIterator[Loads]:
    made: list[Shipped] = []

    async def loads(name: str, *upstream: str, **parameters: Any) -> Shipped:
        url = await put(stage, name, factories=[RESOURCE], **parameters)
        rerun = adf.remedies["retry_pipeline"]
        direct = CheckUpstream({adf.name: adf}, lambda _, __: upstream, rerun, Http()) if upstream else rerun
        made.append(Shipped(stage, name, url, direct, adf))
        return made[-1]

    yield loads
    for one in made:
        await one.http.close()


async def starts(stage: Stage) -> int:
    return len((await stage.get("starts"))["starts"])


async def ran(stage: Stage, pipeline: str, *outcomes: str) -> None:
    await stage.pipeline(pipeline, *outcomes)
    for _ in outcomes:
        await stage.ended(await stage.trigger(pipeline))


@pytest.mark.parametrize("upstream", [(), ("adf-twin/raw",), ("adf-twin/raw", "ADF-twin/reference data")])
async def test_it_reruns_when_all_upstream_has_gone_well(
    stage: Stage, adf: DataFactory, load: Loads, upstream: tuple[str, ...]
):
    playbook = await load("check_upstream", *upstream)
    await ran(stage, "raw", "Failed", "Succeeded")
    await ran(stage, "reference data", "Succeeded")
    failed = await failed_run(stage, adf)

    said = await playbook.ask(of_pipeline(failed.ref.run_id))

    assert isinstance(said, Running)
    assert (await stage.ended(said.rerun.run_id))["status"] == "Succeeded"


@pytest.mark.parametrize(
    ("upstream", "words"),
    [
        ("adf-twin/raw", "adf-twin/raw upstream of it has not ended well: its latest run is Failed"),
        ("adf-twin/never", "its latest run is not there"),
        ("adf-elsewhere/raw", "no factory of this Logic App is called as in adf-elsewhere/raw"),
    ],
)
async def test_it_starts_nothing_before_that_and_the_next_attempt_follows(
    stage: Stage, adf: DataFactory, load: Loads, upstream: str, words: str
):
    playbook = await load("check_upstream", upstream, "adf-twin/fine")
    await ran(stage, "raw", "Succeeded", "Failed")
    await ran(stage, "fine", "Succeeded")
    failed = await failed_run(stage, adf)

    said = await playbook.ask(of_pipeline(failed.ref.run_id))

    assert isinstance(said, Declined)
    assert not said.final
    assert words in said.reason
    assert await starts(stage) == 0


async def test_an_upstream_that_cannot_be_read_is_answered(stage: Stage, adf: DataFactory, load: Loads):
    playbook = await load("check_upstream", "adf-twin/raw")
    failed = await failed_run(stage, adf)
    await stage.fault("arm", "queryPipelineRuns", "status", status=403, times=-1)

    said = await playbook.ask(of_pipeline(failed.ref.run_id))

    assert isinstance(said, Declined)
    assert "could not be looked at" in said.reason


async def service(stage: Stage, name: str, **how: Any) -> None:
    await stage.put(f"linked-services/{FACTORY}/{name}", **how)


@pytest.mark.parametrize("how", [{}, {"works": False, "parameters": {"server": {"type": "string"}}}])
async def test_a_connection_that_works_or_cannot_be_tested_is_rerun(
    stage: Stage, adf: DataFactory, load: Loads, how: dict[str, Any]
):
    failed = await failed_run(stage, adf)
    await service(stage, "lake")
    await service(stage, "sales", **how)
    playbook = await load("refresh_linked_service", linkedServices=["lake", "sales"])

    said = await playbook.ask(of_pipeline(failed.ref.run_id))

    assert isinstance(said, Running)
    assert len(await stage.requests("arm", "testConnectivity")) == (1 if how else 2)


async def test_a_connection_that_does_not_work_is_left_to_people(stage: Stage, adf: DataFactory, load: Loads):
    failed = await failed_run(stage, adf)
    await service(stage, "lake")
    await service(stage, "sales", works=False, error="login failed")
    playbook = await load("refresh_linked_service", linkedServices=["lake", "sales"])

    said = await playbook.ask(of_pipeline(failed.ref.run_id))

    assert isinstance(said, Declined)
    assert said.final
    assert "the linked service sales does not work: login failed" in said.reason
    assert await starts(stage) == 0


@pytest.mark.parametrize("operation", ["getLinkedService", "testConnectivity"])
async def test_a_test_that_is_refused_is_answered(stage: Stage, adf: DataFactory, load: Loads, operation: str):
    failed = await failed_run(stage, adf)
    await service(stage, "sales")
    await stage.fault("arm", operation, "status", status=403, times=-1)
    playbook = await load("refresh_linked_service", linkedServices=["sales"])

    said = await playbook.ask(of_pipeline(failed.ref.run_id))

    assert isinstance(said, Declined)
    assert "could not be tested" in said.reason
    assert await starts(stage) == 0
