"""A third platform is one class: nothing else is edited, and the whole story works for it."""

from pathlib import Path

import pytest

from pipemend.analyzers.rules import Rules
from pipemend.core.attempt import AttemptStatus
from pipemend.core.playbook import Playbook, Playbooks
from pipemend.core.ports import Platform
from pipemend.store.database import Database
from tests.platforms.example import Scripts
from tests.world import World

BROKEN = "The remote server returned an error: (504) Gateway Timeout."


class ScriptWorld(World):
    scripts: Scripts


@pytest.fixture
async def world(database: Database, tmp_path: Path) -> ScriptWorld:
    made = ScriptWorld(database)
    made.scripts = Scripts(tmp_path / "nightly.jsonl", made.clock)
    platform: Platform = made.scripts
    made.services.platforms = {"scripts": platform}
    made.services.analyzer = Rules()
    book = Playbook(error_type="GatewayTimeout", action="retry_job", max_retries=2, backoff_seconds=(30,))
    made.services.playbooks = Playbooks({("GatewayTimeout", None): book})
    await made.begin()
    return made


async def test_a_failed_script_is_run_again_and_its_ticket_closed(world: ScriptWorld) -> None:
    world.scripts.write("backup", "run-1", "Failed", BROKEN)
    await world.after(31)
    [attempt] = await world.attempts()
    assert (attempt.status, attempt.remediation_run_id) == (AttemptStatus.IN_PROGRESS, attempt.key)
    assert (await world.ticket()).id.startswith("SCR-")

    world.scripts.write("backup", attempt.key, "Succeeded", group="run-1", by="manual")
    await world.after(31)
    assert (await world.ticket()).ack_user == "AI_AUTO_HEAL"


async def test_somebodys_own_run_closes_the_ticket(world: ScriptWorld) -> None:
    world.scripts.write("backup", "run-1", "Failed", "No such file: orders.csv")
    await world.after(31)
    world.scripts.write("backup", "run-2", "Succeeded", group="run-1", by="manual")
    await world.after(31)
    assert (await world.ticket()).ack_user == "RECOVERED"
