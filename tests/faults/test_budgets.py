"""How often other sides are asked: less when they say so, and never less because of somebody else."""

import asyncio
import shutil
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from pipemend import bootstrap
from pipemend.clients.http import Http
from pipemend.core.clock import WallClock
from pipemend.core.playbook import Playbooks
from pipemend.flows.worker import Worker
from pipemend.store.database import Database
from tests.platforms.adf import settings_for
from tests.twin.conftest import stage, twin
from tests.twin.stage import GROUP, Stage
from tests.world import World

__all__ = ["stage", "twin"]
INTERVAL = 0.4  # seconds
PLACES = {"adf-slow": "sub-1", "adf-beside": "sub-1", "adf-quick": "sub-2", "adf-quick-too": "sub-3"}
THROTTLED = {"kind": "status", "status": 429, "headers": {"Retry-After": "30"}}
SILENT = {"kind": "timeout_before", "seconds": 60}


@pytest.fixture
async def several(
    migrated_file: Path, stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    """Factories of one identity at the twin, two of them in one subscription."""
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{stage.base_url}/identity/token")
    monkeypatch.setenv("IDENTITY_HEADER", "twin-identity")
    shutil.copy(migrated_file, tmp_path / "pipemend.db")
    world = World(database := Database(f"sqlite:///{tmp_path / 'pipemend.db'}"))
    file = tmp_path / "connections.toml"
    file.write_text("".join(entry(name, subscription) for name, subscription in PLACES.items()))
    settings = settings_for(stage.base_url, CONNECTIONS_FILE=str(file))
    how = bootstrap.playbooks(settings, world.clock, http := Http(), "a secret of the test")
    world.services.platforms = bootstrap.platforms(settings, WallClock(), how, Playbooks(), http)
    world.services.clock = WallClock()
    world.policy(watch_interval=timedelta(seconds=INTERVAL))
    yield world
    for platform in world.services.platforms.values():
        await platform.close()
    database.close()


def entry(name: str, subscription: str) -> str:
    return f'[[factory]]\nfactory = "{name}"\nresource_group = "{GROUP}"\nsubscription_id = "{subscription}"\n'


@pytest.mark.parametrize(
    ("trouble", "resting"),
    [(THROTTLED, {"adf-slow", "adf-beside"}), (SILENT, {"adf-slow"})],
    ids=["throttled", "silent"],
)
async def test_one_in_trouble_is_asked_less_and_others_as_ever(
    several: World, stage: Stage, trouble: dict[str, object], resting: set[str]
):
    """Azure counts the calls of an identity in a subscription: who is asked for time there gives it for all."""
    await stage.post("faults", match={"service": "arm", "text": "adf-slow"}, times=-1, **trouble)
    worker = Worker(several.services, tick=0.05)
    await worker.start()
    counted = await asked(stage)
    async with asyncio.timeout(25):
        while min(counted[name] for name in set(PLACES) - resting) < 5:
            await asyncio.sleep(0.1)
            counted = await asked(stage)
    await worker.stop()

    assert max(counted[name] for name in resting) <= 2  # asked again when it did not answer in time, or may be


async def asked(stage: Stage) -> Counter[str]:
    """How often each factory was asked what changed."""
    paths = [request["path"] for request in await stage.requests("arm", "queryPipelineRuns")]
    return Counter(name for path in paths for name in PLACES if f"/{name}/" in path)
