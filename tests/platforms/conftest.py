"""The Data Factory platform as it is built from settings, with the twin at the other end."""

from collections.abc import AsyncIterator

import pytest

from pipemend.core.clock import WallClock
from pipemend.platforms.data_factory import DataFactory, build
from tests.platforms.adf import settings_for
from tests.twin.conftest import stage, twin
from tests.twin.stage import Stage

__all__ = ["stage", "twin"]


@pytest.fixture
async def adf(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[DataFactory]:
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{stage.base_url}/identity/token")
    monkeypatch.setenv("IDENTITY_HEADER", "twin-identity")
    platform = build(settings_for(stage.base_url), WallClock())
    assert platform is not None
    yield platform
    await platform.close()
