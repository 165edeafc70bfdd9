"""The twin in a thread of its own, and our clients with short deadlines."""

from collections.abc import AsyncIterator

import pytest

from tests.faults.matrix import Matrix, hasten
from tests.faults.outside import Outside
from tests.twin.conftest import stage, twin
from tests.twin.stage import Stage

__all__ = ["stage", "twin"]
SECONDS = 1.5


@pytest.fixture
async def matrix(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Matrix]:
    hasten(monkeypatch, SECONDS)
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{stage.base_url}/identity/token")
    monkeypatch.setenv("IDENTITY_HEADER", "twin-identity")
    await stage.put("data-factory", page_size=1)
    outside = Outside(stage, SECONDS)
    yield Matrix(outside)
    await outside.close()
