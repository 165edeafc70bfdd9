"""A third platform is one class: nothing else is edited, and the whole story works for it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pipemend import bootstrap
from pipemend.analyzers.rules import Rules
from pipemend.clients.http import Http
from pipemend.core.attempt import AttemptStatus
from pipemend.playbooks import load
from pipemend.settings import Settings
from pipemend.store.database import Database
from tests.platforms.example import Scripts
from tests.world import World

BROKEN = "The remote server returned an error: (504) Gateway Timeout."


class ScriptWorld(World):
    scripts: Scripts


@pytest.fixture
async def world(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ScriptWorld]:
    """Built as in production, with the one line that names the new platform, and the built-in playbooks."""
    monkeypatch.setenv("SCRIPTS_FILE", str(tmp_path / "nightly.jsonl"))
    monkeypatch.setattr(bootstrap, "PLATFORMS", (*bootstrap.PLATFORMS, "tests.platforms.example"))
    made, http = ScriptWorld(database), Http()
    settings, books = Settings.of({}), load(None, 3)
    playbook = bootstrap.playbooks(settings, made.clock, http, "a secret")
    made.services.platforms = bootstrap.platforms(settings, made.clock, playbook, books, http)
    scripts = made.services.platforms["scripts"]
    assert isinstance(scripts, Scripts)
    made.scripts, made.services.analyzer, made.services.playbooks = scripts, Rules(), books
    await made.begin()
    yield made
    await http.close()
    for platform in made.services.platforms.values():
        await platform.close()


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
