"""The red button and pauses from the command line, through the API of a server."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from pipemend.cli.app import app
from pipemend.cli.switches import until_of
from pipemend.core.errors import NotAllowed, NotFound, SettingsError
from pipemend.store import schema
from tests.web.serving import serving
from tests.web.world import MORNING, World, build


@pytest.fixture
def small_world(tmp_path: Path) -> World:
    url = f"sqlite:///{tmp_path / 'pipemend.db'}"
    schema.metadata.create_all(sa.create_engine(url))
    return build(url)


async def says(world: World, role: str, *commands: list[str]) -> str:
    """What the commands print, one after the other, with a token of this role."""
    token = await world.token(role)
    said = ""
    async with serving(world.app) as address:
        given = {"PIPEMEND_URL": f"http://{address}", "PIPEMEND_TOKEN": token}
        for command in commands:
            result = await asyncio.to_thread(CliRunner().invoke, app, command, env=given)
            if result.exception is not None:
                raise result.exception
            said += result.stdout
    return said


async def test_the_red_button_is_pressed_and_released(small_world: World):
    said = await says(small_world, "operator", ["stop-all", "--reason", "storm"], ["start-all"])

    assert said == "All automation is stopped. Reruns that run go on.\nThe red button is released.\n"
    told = await small_world.all_of(schema.audit_trail)
    assert [line.action for line in told] == ["automation_stopped_everywhere", "automation_released"]
    assert told[0].details == {"reason": "storm"}


async def test_a_pipeline_is_paused_and_resumed(small_world: World):
    until = MORNING + timedelta(days=1)
    pause = ["pause", "sales/load", "--until", until.isoformat(), "--reason", "new schema"]
    said = await says(small_world, "operator", pause, ["resume", "sales/load"])

    assert said == (
        "sales/load is paused until 2026-11-24T10:15:00.000000+00:00 by operator: new schema\nsales/load is resumed.\n"
    )


async def test_what_the_server_refuses_is_said_in_its_words(small_world: World):
    with pytest.raises(NotFound, match="no factory or workspace called 'sale' is connected"):
        await says(small_world, "operator", ["pause", "sale/load"])
    with pytest.raises(NotAllowed, match="needs the role operator"):
        await says(small_world, "viewer", ["stop-all"])


def test_the_end_of_a_pause_is_a_time_or_some_hours():
    assert until_of(None, None, MORNING) is None
    assert until_of(None, 1.5, MORNING) == MORNING + timedelta(minutes=90)
    assert until_of("2026-11-30T06:00+01:00", None, MORNING) == datetime(2026, 11, 30, 5, tzinfo=UTC)
    for until, hours in (("Monday", None), ("2026-11-30", 2)):
        with pytest.raises(SettingsError, match="--until"):
            until_of(until, hours, MORNING)
