"""Answers that get lost on a real line: production's remedies, the twin at the other end, and a clock that is moved.

`SOAK_CALLS=1000` makes it long.
"""

import os
import random
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipemend import bootstrap
from pipemend.analyzers import rules
from pipemend.clients import azure
from pipemend.clients.http import Http
from pipemend.core.attempt import AttemptStatus
from pipemend.core.breaker import BreakerPolicy
from pipemend.core.playbook import Playbooks
from pipemend.core.ticket import RemediationStatus, Ticket
from pipemend.store import reports
from pipemend.store.database import Database
from tests.faults.matrix import hasten
from tests.platforms.adf import settings_for
from tests.twin.conftest import stage, twin
from tests.twin.stage import Stage
from tests.world import BOOKS, World

__all__ = ["stage", "twin"]
CALLS = int(os.environ.get("SOAK_CALLS", "10"))
BEFORE: tuple[Mapping[str, Any], ...] = (
    {"kind": "drop_before"},
    {"kind": "status", "status": 500},
    {"kind": "html", "status": 502},
    {"kind": "empty"},
    {"kind": "garbage"},
)
AFTER: tuple[Mapping[str, Any], ...] = (
    {"kind": "drop_after"},
    {"kind": "status_after", "status": 502},
    {"kind": "html_after"},
    {"kind": "empty_after"},
    {"kind": "fields_missing"},
    {"kind": "wrong_length"},
    {"kind": "reset"},
)
WAYS = {"direct": ("arm", "createRun"), "playbook": ("logic_app", "invoke")}


@dataclass
class Line:
    """Pipelines that fail together, and calls for their reruns that meet a fault each."""

    world: World
    twin: Stage
    via: str
    chance: random.Random = field(default_factory=lambda: random.Random(7))
    failed: dict[str, str] = field(default_factory=dict)
    answered: dict[str, str] = field(default_factory=dict)

    async def fails(self, number: int, lost: str | None = None) -> None:
        """So many pipelines; the answers to the calls for them are lost before the work or after it."""
        service, operation = WAYS[self.via]
        for name in (f"load-{n}-" for n in range(number)):
            await self.twin.pipeline(name, "GatewayTimeout", "InProgress")
            self.failed[name] = await self.twin.trigger(name)
            self.answered[name] = lost or self.chance.choice(("before", "after"))
            fault = self.chance.choice(BEFORE if self.answered[name] == "before" else AFTER)
            match = {"service": service, "operation": operation, "text": name}
            await self.twin.post("faults", match=match, **fault)
        for run_id in self.failed.values():
            await self.twin.ended(run_id)

    async def called(self) -> None:
        """All calls have been made, a moment ago."""
        for _ in range(60):
            found = [await self.world.attempts(ticket.id) for ticket in await self.world.tickets()]
            if len(found) == len(self.failed) and all(a and a[0].status is AttemptStatus.UNKNOWN for a in found):
                return
            await self.world.after(2)
        raise AssertionError("nobody was called")

    async def nobody_can_look(self) -> None:
        for name in self.failed:
            match = {"service": "arm", "operation": "queryPipelineRuns", "text": name}
            await self.twin.post("faults", match=match, kind="status", status=500, times=-1)

    async def people_rerun(self, share: float) -> set[str]:
        """The names of those that somebody reran, just now and in the same group."""
        helped = {name for name in self.failed if self.chance.random() < share}
        for name in helped:
            await self.twin.post(f"runs/{self.failed[name]}/rerun")
        return helped

    async def starts(self) -> dict[str, list[str]]:
        """The runs that were started for us, by the run that they repeat."""
        found: dict[str, list[str]] = {run_id: [] for run_id in self.failed.values()}
        for start in (await self.twin.get("starts"))["starts"]:
            found[start["repeats"]].append(start["run_id"])
        return found

    async def tickets(self) -> dict[str, Ticket]:
        listed = await self.world.database.read(lambda db: reports.listing(db, reports.View(page_size=CALLS + 50)))
        every = {ticket.pipeline: ticket for ticket in listed.tickets}
        assert set(every) == set(self.failed)
        return every


@asynccontextmanager
async def a_line(twin: Stage, database: Database, via: str) -> AsyncIterator[Line]:
    world = World(database)
    world.clock.at = datetime.now(UTC)
    untired = BreakerPolicy(outcomes=CALLS * 2 + 50, failures=CALLS * 2 + 50)  # half of all calls start nothing
    world.policy(max_in_flight=CALLS * 2 + 50, starts_per_minute=CALLS * 2 + 50, breaker=untired)
    url = await twin.workflow("again") if via == "playbook" else ""
    settings = settings_for(twin.base_url, PLAYBOOK_RETRY_PIPELINE=url)
    http, books = Http(), Playbooks(BOOKS, ())
    how = bootstrap.playbooks(settings, world.clock, http, "a secret of the test")
    world.services.platforms = bootstrap.platforms(settings, world.clock, how, books, http)
    world.services.analyzer = rules.build(settings)
    await world.begin()
    yield Line(world, twin, via)
    await http.close()
    for platform in world.services.platforms.values():
        await platform.close()


@pytest.fixture(params=list(WAYS))
async def line(
    request: pytest.FixtureRequest,
    stage: Stage,
    migrated_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Line]:
    hasten(monkeypatch, 10)
    monkeypatch.setattr(azure, "AT_ONCE", 1_000_000)  # this clock is moved, and a budget of calls goes by the real one
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{stage.base_url}/identity/token")
    monkeypatch.setenv("IDENTITY_HEADER", "twin-identity")
    shutil.copy(migrated_file, tmp_path / "pipemend.db")
    database = Database(f"sqlite:///{tmp_path / 'pipemend.db'}")
    async with a_line(stage, database, request.param) as made:
        yield made
    database.close()


@pytest.mark.timeout(3000 if CALLS > 100 else 120)
async def test_each_rerun_is_found_and_none_is_started_twice(line: Line):
    await line.fails(CALLS)
    await line.world.after(420)
    starts, tickets = await line.starts(), await line.tickets()

    for name, run_id in line.failed.items():
        attempts = await line.world.attempts(tickets[name].id)
        found = [attempt.remediation_run_id for attempt in attempts if attempt.remediation_run_id]
        assert found == starts[run_id], name
        if line.answered[name] == "after":
            assert (len(attempts), len(found)) == (1, 1), name
        elif line.via == "direct":
            assert [attempt.status for attempt in attempts] == [AttemptStatus.FAILED, AttemptStatus.IN_PROGRESS], name
        else:
            assert [attempt.status for attempt in attempts] == [AttemptStatus.UNKNOWN], name


async def test_the_rerun_of_a_person_is_never_taken_for_ours(line: Line):
    await line.fails(6, lost="after")
    await line.world.after(1)
    await line.people_rerun(1)
    await line.world.after(420)
    starts, tickets = await line.starts(), await line.tickets()

    for name, run_id in line.failed.items():
        (attempt,) = await line.world.attempts(tickets[name].id)
        assert len(starts[run_id]) == 1
        assert attempt.remediation_run_id in (None, *starts[run_id])
        if attempt.remediation_run_id is None:
            assert tickets[name].remediation_status is RemediationStatus.FAILED


@pytest.mark.soak
async def test_where_nobody_can_look_people_are_told(line: Line):
    await line.fails(4)
    await line.called()
    await line.nobody_can_look()
    await line.world.after(4200, step=600)
    starts, tickets = await line.starts(), await line.tickets()

    for name, run_id in line.failed.items():
        (attempt,) = await line.world.attempts(tickets[name].id)
        assert len(starts[run_id]) <= 1
        assert attempt.remediation_run_id in (None, *starts[run_id])
        if attempt.remediation_run_id is None:
            assert tickets[name].remediation_status is RemediationStatus.FAILED
            assert "nobody could look" in (attempt.failure_reason or "")
