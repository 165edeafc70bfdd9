"""A connection that failed is tested, with the words of the vendor, before its pipeline is run again."""

from collections.abc import Mapping
from typing import Any

import pytest

from pipemend.core.attempt import RERUN, AttemptStatus, Declined, Progress, Running, Stage, Unknown, Wait
from pipemend.core.commands import Approve
from pipemend.core.errors import NoAnswer
from pipemend.core.playbook import Playbook, Playbooks
from pipemend.core.ticket import Approval, RemediationStatus
from pipemend.platforms.data_factory import DataFactory
from pipemend.platforms.data_factory.linked_services import RefreshLinkedService
from pipemend.store.database import Database
from tests.platforms.adf import ref
from tests.platforms.test_data_factory_remedies import attempt_for
from tests.twin.stage import FACTORY
from tests.twin.stage import Stage as Twin
from tests.world import World

TEST, LOGIN = Stage("test"), "Login failed for user 'loader'."


async def service(twin: Twin, name: str = "sql-sales", **settings: object) -> None:
    await twin.put(f"linked-services/{FACTORY}/{name}", **settings)


async def advance(twin: Twin, adf: DataFactory, pipeline: str = "nightly-load", stage: Stage = TEST) -> Progress:
    run_id = await twin.trigger(pipeline)
    await twin.ended(run_id)
    run = await adf.run(ref(run_id))
    assert run is not None
    assert run.failed
    return await adf.remedies["refresh_linked_service"].advance(attempt_for(run), stage)


async def test_a_connection_that_does_not_work_is_told_in_the_vendors_words(stage: Twin, adf: DataFactory) -> None:
    await service(stage, works=False, error=LOGIN)
    await stage.pipeline("nightly-load", "Succeeded", linked_services=["sql-sales"])
    progress = await advance(stage, adf)
    assert isinstance(progress, Declined)
    assert progress.final
    assert f"the linked service sql-sales does not work: 9603 {LOGIN}" in progress.reason
    assert await stage.requests("arm", "createRun") == []


async def test_when_every_connection_works_the_pipeline_is_run_again(stage: Twin, adf: DataFactory) -> None:
    await service(stage)
    await service(stage, "lake")
    await stage.pipeline("nightly-load", "GatewayTimeout", "Succeeded", linked_services=["sql-sales", "lake"])
    progress = await advance(stage, adf)
    assert isinstance(progress, Wait)
    assert (progress.seconds, progress.stage) == (0, RERUN)
    assert "the linked service lake was tested and connects" in progress.why
    assert len(await stage.requests("arm", "testConnectivity")) == 2

    await stage.pipeline("nightly-load", "GatewayTimeout", "Succeeded", linked_services=["sql-sales"])
    assert isinstance(await advance(stage, adf, stage=Stage(RERUN)), Running)


async def test_the_connection_of_a_child_is_found(stage: Twin, adf: DataFactory) -> None:
    await service(stage, works=False, error=LOGIN)
    await stage.pipeline("load-sales", "Succeeded", linked_services=["sql-sales"])
    await stage.pipeline("nightly", "Succeeded", children=["load-sales"])
    progress = await advance(stage, adf, "nightly")
    assert isinstance(progress, Declined)
    assert LOGIN in progress.reason


async def test_one_with_parameters_is_left_to_the_rerun(stage: Twin, adf: DataFactory) -> None:
    await service(stage, parameters={"server": {"type": "String"}})
    await stage.pipeline("nightly-load", "GatewayTimeout", linked_services=["sql-sales"])
    progress = await advance(stage, adf)
    assert isinstance(progress, Wait)
    assert "sql-sales has parameters and cannot be tested" in progress.why
    assert await stage.requests("arm", "testConnectivity") == []


async def test_an_activity_that_names_no_linked_service_is_for_people(stage: Twin, adf: DataFactory) -> None:
    await stage.pipeline("nightly-load", "GatewayTimeout")
    progress = await advance(stage, adf)
    assert isinstance(progress, Declined)
    assert "name no linked service" in progress.reason


async def test_a_linked_service_that_is_gone_is_said(stage: Twin, adf: DataFactory) -> None:
    await service(stage)
    await stage.pipeline("nightly-load", "GatewayTimeout", linked_services=["sql-sales"])
    await stage.fault("arm", "getLinkedService", "status", status=404)
    progress = await advance(stage, adf)
    assert isinstance(progress, Declined)
    assert "does not exist any more" in progress.reason


class Connections:
    """One factory whose only linked service answers as it is told to."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.says: list[Mapping[str, Any]] = [{"succeeded": True}]
        self.tests = 0
        self.resource = world.adf.connections[0]

    def of(self, resource: str | None) -> "Connections":
        return self

    async def run(self, run_id: str) -> Mapping[str, Any]:
        return {"runId": run_id, "pipelineName": "load", "status": "Failed"}

    async def activities(self, *_: object) -> Any:
        rows = [{"activityName": "Copy", "activityType": "Copy", "status": "Failed"}]
        return type("Found", (), {"rows": rows})

    async def definition(self, kind: str, name: str) -> Mapping[str, Any]:
        uses = {"linkedServiceName": {"referenceName": "sql", "type": "LinkedServiceReference"}}
        return {"name": name, "properties": {"activities": [{"name": "Copy", "type": "Copy", **uses}]}}

    async def test_connection(self, definition: Mapping[str, Any]) -> Mapping[str, Any]:
        self.tests += 1
        if not self.says:
            raise NoAnswer("Data Factory did not answer")
        return self.says.pop(0)


@pytest.fixture
async def world(database: Database) -> World:
    made = World(database)
    book = Playbook(error_type="ServerBusy", action="refresh_linked_service", approval=True)
    made.services.playbooks = Playbooks({("ServerBusy", None): book})
    await made.begin()
    return made


def connected(world: World) -> Connections:
    made = Connections(world)
    refresh = RefreshLinkedService(made, world.clock, world.adf.rerun)  # type: ignore[arg-type]
    world.adf.remedies = {"retry_pipeline": world.adf.rerun, "refresh_linked_service": refresh}
    return made


async def test_nothing_is_tested_before_a_person_has_said_yes(world: World) -> None:
    factory = connected(world)
    world.adf.fails("load", "ServerBusy")
    await world.after(120)
    assert ((await world.ticket()).approval, factory.tests) == (Approval.AWAITING, 0)

    await world.command(Approve(ticket_id=(await world.ticket()).id, by="rosa"))
    await world.after(31)
    assert (factory.tests, len(world.adf.rerun.started_runs)) == (1, 1)
    [attempt] = await world.attempts()
    assert (attempt.status, attempt.approved_by) == (AttemptStatus.IN_PROGRESS, "rosa")
    told = [getattr(news.event, "reason", None) for news in world.slack.told]
    assert "the linked service sql was tested and connects" in told
    assert await world.broken() == set()


async def test_a_test_that_fails_is_the_end_of_the_attempt(world: World) -> None:
    factory = connected(world)
    factory.says = [{"succeeded": False, "errors": [{"code": "9603", "message": f"{LOGIN} sig=SECRET123456"}]}]
    world.adf.fails("load", "ServerBusy")
    await world.after(60)
    await world.command(Approve(ticket_id=(await world.ticket()).id, by="rosa"))
    await world.after(31)
    [attempt] = await world.attempts()
    assert (attempt.status, (await world.ticket()).remediation_status) == (
        AttemptStatus.FAILED,
        RemediationStatus.FAILED,
    )
    assert LOGIN in (attempt.failure_reason or "")
    assert "SECRET123456" not in (attempt.failure_reason or "")
    assert world.adf.rerun.started_runs == []


async def test_a_test_without_an_answer_is_made_again(world: World) -> None:
    factory = connected(world)
    factory.says = []
    world.adf.fails("load", "ServerBusy")
    await world.after(60)
    await world.command(Approve(ticket_id=(await world.ticket()).id, by="rosa"))
    await world.after(62)
    assert factory.tests > 1
    factory.says = [{"succeeded": True}]
    await world.after(62)
    assert len(world.adf.rerun.started_runs) == 1
    assert not isinstance((await world.attempts())[0].status, Unknown)
