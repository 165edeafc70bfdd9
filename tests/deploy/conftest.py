"""The twin with its Data Factory and its workspace, and the platforms as they are built from settings."""

from collections.abc import AsyncIterator

import pytest

from pipemend.core.clock import WallClock
from pipemend.platforms import databricks
from pipemend.platforms.databricks import Databricks
from pipemend.settings import Settings
from tests.platforms.conftest import adf
from tests.twin.bricks import Bricks
from tests.twin.conftest import stage, twin
from tests.twin.stage import Stage

__all__ = ["adf", "stage", "twin"]


@pytest.fixture
def bricks(stage: Stage) -> Bricks:
    return Bricks(stage)


@pytest.fixture
async def dbx(stage: Stage) -> AsyncIterator[Databricks]:
    settings = Settings.of(
        {"DATABRICKS_HOST": stage.base_url, "DATABRICKS_TOKEN": "dapi-twin-dbx-twin", "ALLOWED_HOSTS": "127.0.0.1"}
    )
    platform = databricks.build(settings, WallClock())
    yield platform
    await platform.close()
