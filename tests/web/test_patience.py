"""A database that neither answers nor refuses: nobody waits at our doors for ever."""

import asyncio
from typing import Any

import pytest

from pipemend.web import envelope
from tests.web.world import World


async def never(*_: Any) -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize("path", ["/api/tickets", "/dashboard", "/metrics"])
async def test_a_stuck_database_is_a_503(world: World, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setattr(envelope, "PATIENCE", 0.1)
    async with await world.a_client("viewer") as client:
        monkeypatch.setattr(world.services.database, "read", never)
        monkeypatch.setattr(world.services.database, "write", never)
        answer = await client.get(path)

    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert answer.headers["content-type"] == "application/problem+json"
