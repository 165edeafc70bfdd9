"""A twin of a test's own."""

from collections.abc import AsyncIterator

import httpx
import pytest

from pipemend.twin import running
from tests.twin.stage import Stage


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with running() as base_url, httpx.AsyncClient(base_url=base_url, trust_env=False, timeout=10) as http:
        yield Stage(base_url, http)
