"""Many calls at once whose answers are lost: no attempt starts two runs, and nobody else's run is taken for ours.

`SOAK_CALLS=1000` makes it long.
"""

import os
import random
import shutil
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pipemend.core.attempt import AttemptStatus
from pipemend.core.ticket import RemediationStatus
from pipemend.store.database import Database
from tests.world import World

CALLS = int(os.environ.get("SOAK_CALLS", "60"))
LATE = 120  # seconds until a new run is seen, at most


@dataclass
class Crowd:
    """Pipelines that fail together. Of some a person starts a rerun, just after our call and in the same group."""

    world: World
    chance: random.Random = field(default_factory=lambda: random.Random(7))
    failed: dict[str, str] = field(default_factory=dict)
    seen_at: dict[str, float] = field(default_factory=dict)
    helped: set[str] = field(default_factory=set)

    def fails(self, names: list[str]) -> None:
        self.failed = {name: self.world.adf.fails(name) for name in names}

    def people_rerun(self, share: float) -> None:
        for name, run in self.failed.items():
            if self.chance.random() < share:
                self.helped.add(name)
                self.world.adf.begins(name, group=run, manual=True)

    async def passes(self, seconds: int) -> None:
        """Time passes, and each run is seen some time after it began."""
        for passed in range(0, seconds, 15):
            await self.world.after(15, step=15)
            self._reveal(passed)

    def _reveal(self, passed: int) -> None:
        hidden = self.world.adf.hidden
        for run in self.world.adf.rerun.started_runs:
            at = self.seen_at.setdefault(run, passed + self.chance.randrange(LATE))
            (hidden.discard if passed >= at else hidden.add)(run)


@pytest.fixture
async def crowd(migrated_file: Path, tmp_path: Path) -> AsyncIterator[Crowd]:
    shutil.copy(migrated_file, tmp_path / "pipemend.db")
    database = Database(f"sqlite:///{tmp_path / 'pipemend.db'}")
    world = World(database)
    world.policy(max_in_flight=CALLS * 2, starts_per_minute=CALLS * 2)
    await world.begin()
    yield Crowd(world)
    database.close()


@pytest.mark.timeout(900 if CALLS > 100 else 120)
@pytest.mark.parametrize("via", ["direct", "playbook"])
async def test_lost_answers_start_nothing_twice(crowd: Crowd, via: str):
    world, rerun = crowd.world, crowd.world.adf.rerun
    rerun.via = via
    rerun.next_answers = [crowd.chance.choice(("lost_before", "lost_after")) for _ in range(CALLS)]
    crowd.fails([f"load-{number}" for number in range(CALLS)])
    await crowd.passes(30)
    crowd.people_rerun(0.1)
    await crowd.passes(480)

    keys = Counter(attempt.key for attempt in rerun.calls)
    assert set(keys.values()) == {1}
    assert set(Counter(attempt.pipeline for attempt, answer in rerun.answered if answer != "lost_before").values()) == {
        1
    }
    began = zip(
        (attempt for attempt, answer in rerun.answered if answer != "lost_before"), rerun.started_runs, strict=True
    )
    theirs = {attempt.key: run for attempt, run in began}
    for ticket in await world.tickets():
        attempts = await world.attempts(ticket.id)
        first = attempts[0]
        if ticket.pipeline in crowd.helped:
            continue
        if first.key in theirs:
            assert first.remediation_run_id == theirs[first.key], ticket.pipeline
            assert len(attempts) == 1
        elif via == "direct":
            assert (first.status, len(attempts)) == (AttemptStatus.FAILED, 2)
        else:
            assert first.status is AttemptStatus.UNKNOWN  # looked for until its deadline


async def test_what_cannot_be_told_apart_goes_to_people(crowd: Crowd):
    world, rerun = crowd.world, crowd.world.adf.rerun
    rerun.next_answers = ["lost_after"] * CALLS
    crowd.fails([f"load-{number}" for number in range(min(CALLS, 20))])
    await world.after(30, step=15)
    world.adf.hidden |= set(rerun.started_runs)
    crowd.people_rerun(1.0)
    world.adf.hidden.clear()
    await world.after(120, step=15)

    for ticket in await world.tickets():
        (attempt,) = await world.attempts(ticket.id)
        assert attempt.remediation_run_id in (None, *rerun.started_runs)
        if attempt.remediation_run_id is None:
            assert ticket.remediation_status is RemediationStatus.FAILED
    assert len(rerun.calls) == len(crowd.failed)
