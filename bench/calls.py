"""What one repair costs outside, for each action: its calls, counted on the wire, beside those of the watching."""

import asyncio
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.figures import Figure
from bench.place import place
from bench.size import Size
from tests.scenarios.table import HEALS, ROWS, Row, Table, playing

SERVICES = ("arm", "databricks", "logic_app")


def calls(kind: str, size: Size) -> Iterator[Figure]:
    """Each row of the error table that heals, alone. A cluster is up at the first look; each further one costs four."""
    healed = [row for row in ROWS if row.action]
    for way in ("direct", "playbook"):
        for row in healed[: 1 if size.times == 1 else None]:
            if way in row.ways:
                with place(kind) as url:
                    found = asyncio.run(_counted(row, way, url))
                each = ", ".join(f"{name} {number}" for name, number in sorted(found.items()))
                yield Figure(
                    f"{row.action} after {row.error_type} on {row.platform}, {way}", f"{found.total()}: {each}"
                )


async def _counted(row: Row, way: str, url: str) -> Counter[str]:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as environment:
        async with playing(way, [row], url, Path(folder), environment) as table:
            table.hows = (HEALS,)
            watching = _watched(table)
            await table.happens()
            entries = [entry for service in SERVICES for entry in await table.control.requests(service)]
            return Counter(str(entry["operation"]) for entry in entries if entry["n"] not in watching)


def _watched(table: Table) -> set[int]:
    """The numbers of the calls that feeds make; they grow with connections, not with repairs."""
    seen: set[int] = set()

    def wrapped(changes: Callable[..., Awaitable[Any]], service: str) -> Callable[..., Awaitable[Any]]:
        async def watched(*asked: Any) -> Any:
            before = {entry["n"] for entry in table.twin.journal.listed(service)}
            try:
                return await changes(*asked)
            finally:
                seen.update(entry["n"] for entry in table.twin.journal.listed(service) if entry["n"] not in before)

        return watched

    for name, platform in table.world.services.platforms.items():
        service = "arm" if name == "data_factory" else name
        setattr(platform, "changes", wrapped(platform.changes, service))  # noqa: B010 - a method in its place
    return seen
