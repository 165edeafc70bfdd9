"""A failed job heals itself: the whole story, with a small workspace behind a real port."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from pipemend.analyzers.rules import Rules
from pipemend.core.alert import Alert
from pipemend.core.attempt import AttemptStatus
from pipemend.core.playbook import Playbook, Playbooks
from pipemend.core.ticket import RemediationStatus, Status
from pipemend.platforms.databricks import Databricks
from pipemend.platforms.databricks.feed import Feed
from pipemend.store import alerts
from pipemend.store.database import Database
from tests.platforms.tiny_databricks import RESOURCE, TinyDatabricks, connected
from tests.world import World

GATEWAY = "The remote server returned an error: (504) Gateway Timeout."
BOOK = Playbook(error_type="GatewayTimeout", action="retry_job", max_retries=2, backoff_seconds=(30,))


class Workspace(World):
    """A world with one workspace, whose clock goes with ours."""

    tiny: TinyDatabricks

    async def settle(self) -> None:
        self.tiny.now = int(self.clock.now().timestamp() * 1000)
        await super().settle()

    def fails(self, *how: object, **more: object) -> int:
        self.tiny.now = int(self.clock.now().timestamp() * 1000)
        return self.tiny.fails(*how, **more)  # type: ignore[arg-type]

    def ends(self, run_id: int, result: str, error: str = "") -> None:
        self.tiny.now = int(self.clock.now().timestamp() * 1000)
        self.tiny.ends(run_id, result, error)


@pytest.fixture
async def world(database: Database) -> AsyncIterator[Workspace]:
    made, made.tiny = (w := Workspace(database)), TinyDatabricks()
    async with connected(w.tiny, clock=w.clock) as dbx:
        w.services.platforms = {"databricks": dbx}
        w.services.analyzer = Rules()
        w.services.playbooks = Playbooks({("GatewayTimeout", None): BOOK})
        await w.begin()
        yield made


async def test_a_failed_job_is_repaired_and_its_ticket_closed(world: Workspace) -> None:
    run_id = world.fails(error=GATEWAY)
    await world.after(31)

    ticket = await world.ticket()
    assert ticket.id.startswith("DBX-")
    assert (ticket.pipeline, ticket.connection, ticket.run_id) == ("nightly-load", RESOURCE.name, str(run_id))
    assert ticket.run_link == world.tiny.runs[run_id]["run_page_url"]
    assert ticket.remediation_status is RemediationStatus.IN_PROGRESS
    assert ticket.remediation_run_id == f"{run_id}:repair:9001"

    world.ends(run_id, "SUCCESS")
    await world.after(31)

    ticket = await world.ticket()
    assert (ticket.status, ticket.ack_user) == (Status.ACKNOWLEDGED, "AI_AUTO_HEAL")
    assert await world.audit() == ["ticket_created", "auto_remediation_triggered", "auto_remediation_success"]


async def test_a_failed_repair_belongs_to_the_ticket_and_the_next_one_follows(world: Workspace) -> None:
    run_id = world.fails(error=GATEWAY)
    await world.after(31)
    world.ends(run_id, "FAILED", GATEWAY)
    alert = Alert(platform="databricks", resource=RESOURCE.id, pipeline="nightly-load", run_id=str(run_id))
    await world.database.write(lambda db: alerts.insert(db, alert, world.clock.now()))
    await world.after(62)

    first, second = await world.attempts()
    assert (first.status, first.remediation_run_id) == (AttemptStatus.FAILED, f"{run_id}:repair:9001")
    assert (second.status, second.remediation_run_id) == (AttemptStatus.IN_PROGRESS, f"{run_id}:repair:9002")
    assert world.tiny.sent("jobs/runs/repair")[1]["latest_repair_id"] == 9001

    world.ends(run_id, "FAILED", GATEWAY)
    await world.after(62)
    ticket = await world.ticket()
    assert ticket.remediation_status is RemediationStatus.MAX_RETRIES_EXCEEDED
    assert len(world.tiny.sent("jobs/runs/repair")) == 2


async def test_a_repair_whose_answer_was_lost_is_adopted_and_not_repeated(world: Workspace) -> None:
    world.tiny.trouble("runs/repair", status=504, body="gateway", after=True)
    run_id = world.fails(error=GATEWAY)
    await world.after(62)

    [attempt] = await world.attempts()
    assert (attempt.status, attempt.remediation_run_id) == (AttemptStatus.IN_PROGRESS, f"{run_id}:repair:9001")
    world.ends(run_id, "SUCCESS")
    await world.after(31)
    assert (await world.ticket()).ack_user == "AI_AUTO_HEAL"
    assert len(world.tiny.sent("jobs/runs/repair")) == 1


async def test_a_job_that_never_got_to_its_tasks_is_run_once_more(world: Workspace) -> None:
    run_id = world.fails()
    world.tiny.runs[run_id].update(tasks=[], state={"life_cycle_state": "INTERNAL_ERROR", "state_message": GATEWAY})
    await world.after(31)

    [attempt] = await world.attempts()
    again = attempt.remediation_run_id or ""
    assert world.tiny.tokens == {attempt.key: int(again)}
    world.ends(int(again), "SUCCESS")
    await world.after(31)
    assert (await world.ticket()).ack_user == "AI_AUTO_HEAL"


async def test_a_persons_repair_is_waited_for(world: Workspace) -> None:
    slow = replace(BOOK, initial_delay_seconds=60)
    world.services.playbooks = Playbooks({("GatewayTimeout", None): slow})
    run_id = world.fails(error=GATEWAY)
    await world.after(31)
    world.tiny.repaired(run_id)
    await world.after(93)
    assert "somebody else's rerun is running" in (await world.ticket()).decision["why"]

    world.ends(run_id, "SUCCESS")
    await world.after(62)
    assert (await world.ticket()).ack_user == "RECOVERED"
    assert world.tiny.sent("jobs/runs/repair") == []


async def test_a_run_that_a_person_repaired_before_anybody_looked_opens_nothing(world: Workspace) -> None:
    run_id = world.fails(error=GATEWAY)
    world.tiny.repaired(run_id)
    await world.after(31)
    world.ends(run_id, "SUCCESS")
    await world.after(62)
    assert await world.tickets() == []


async def test_a_repair_that_ended_while_we_were_away_is_seen_at_the_start(world: Workspace) -> None:
    run_id = world.fails(error=GATEWAY)
    await world.after(31)
    world.ends(run_id, "SUCCESS")
    dbx = world.services.platforms["databricks"]
    assert isinstance(dbx, Databricks)
    dbx._feeds = {RESOURCE.id: Feed(dbx.workspaces.of(None), world.clock)}  # a new process remembers nothing
    dbx.workspaces.of(None).repaired.clear()
    await world.after(31)
    assert (await world.ticket()).ack_user == "AI_AUTO_HEAL"
