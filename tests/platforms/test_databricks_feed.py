"""What changes in a workspace is seen, though it lists runs by their start and tells no changes."""

from datetime import UTC, datetime

import pytest

from pipemend.core.run import Changes, RunStatus
from pipemend.platforms.databricks import Databricks
from tests.platforms.tiny_databricks import RESOURCE, TinyDatabricks, connected


@pytest.fixture
def tiny() -> TinyDatabricks:
    made = TinyDatabricks()
    made.now = int(datetime.now(UTC).timestamp() * 1000)
    return made


def at(tiny: TinyDatabricks) -> datetime:
    return datetime.fromtimestamp(tiny.now / 1000, UTC)


class Reader:
    """Reads the feed as the flows do: from watermark to watermark."""

    def __init__(self, dbx: Databricks, tiny: TinyDatabricks) -> None:
        self.dbx, self.since, self.tiny = dbx, at(tiny), tiny

    async def sees(self) -> dict[str, RunStatus]:
        self.tiny.calls.clear()
        changes: Changes = await self.dbx.changes(RESOURCE, self.since)
        self.since = changes.until
        return {run.ref.run_id: run.status for run in changes.runs}


async def test_a_run_is_seen_running_and_ended(tiny: TinyDatabricks):
    async with connected(tiny) as dbx:
        reader = Reader(dbx, tiny)
        run_id = tiny.begins()
        assert (await reader.sees())[str(run_id)] is RunStatus.IN_PROGRESS
        tiny.ends(run_id, "FAILED")
        assert (await reader.sees())[str(run_id)] is RunStatus.FAILED


async def test_a_run_that_took_days_is_seen_when_it_ends(tiny: TinyDatabricks):
    run_id = tiny.begins(start_time=tiny.now - 5 * 86_400_000)
    async with connected(tiny) as dbx:
        reader = Reader(dbx, tiny)
        assert (await reader.sees())[str(run_id)] is RunStatus.IN_PROGRESS
        tiny.ends(run_id, "SUCCESS")
        assert (await reader.sees())[str(run_id)] is RunStatus.SUCCEEDED
        assert str(run_id) not in await reader.sees()


async def test_the_first_reading_finds_what_ended_while_nobody_looked(tiny: TinyDatabricks):
    run_id = tiny.begins(start_time=tiny.now - 7_200_000)
    tiny.ends(run_id, "FAILED")
    async with connected(tiny) as dbx:
        assert (await Reader(dbx, tiny).sees())[str(run_id)] is RunStatus.FAILED


async def test_somebodys_repair_of_an_old_run_is_seen_from_start_to_end(tiny: TinyDatabricks):
    tiny.now -= 6 * 86_400_000
    run_id = tiny.fails()
    tiny.now += 6 * 86_400_000
    async with connected(tiny) as dbx:
        reader = Reader(dbx, tiny)
        assert await reader.sees() == {}
        tiny.repaired(run_id)
        seen = await reader.sees()
        assert seen == {str(run_id): RunStatus.FAILED, f"{run_id}:repair:9001": RunStatus.IN_PROGRESS}
        assert await reader.sees() == {}  # it goes on: nothing new, and no call for it alone
        assert not any("runs/get" in call for call in tiny.calls)
        tiny.ends(run_id, "SUCCESS")
        seen = await reader.sees()
        assert seen == {f"{run_id}:repair:9001": RunStatus.SUCCEEDED}  # what failed before is over


async def test_a_repair_of_ours_that_ends_at_once_is_seen(tiny: TinyDatabricks):
    async with connected(tiny) as dbx:
        reader = Reader(dbx, tiny)
        run_id = tiny.fails()
        await reader.sees()
        await dbx.workspaces.of(None).repair(str(run_id), None)
        tiny.now += 500
        tiny.ends(run_id, "SUCCESS")
        seen = await reader.sees()
        assert seen == {f"{run_id}:repair:9001": RunStatus.SUCCEEDED}


async def test_somebodys_repair_that_ends_at_once_is_seen(tiny: TinyDatabricks):
    async with connected(tiny) as dbx:
        reader = Reader(dbx, tiny)
        run_id = tiny.fails()
        await reader.sees()
        tiny.repaired(run_id)
        tiny.now += 500
        tiny.ends(run_id, "SUCCESS")
        assert (await reader.sees())[f"{run_id}:repair:9001"] is RunStatus.SUCCEEDED


async def test_calls_do_not_grow_with_runs_in_flight(tiny: TinyDatabricks):
    async with connected(tiny) as dbx:
        reader = Reader(dbx, tiny)
        await reader.sees()
        for _ in range(20):
            tiny.begins()
        assert len(await reader.sees()) == 20
        assert len(tiny.calls) == 2


async def test_a_run_of_another_job_knows_who_started_it(tiny: TinyDatabricks):
    async with connected(tiny) as dbx:
        tiny.fails(trigger="RUN_JOB_TASK", trigger_info={"run_id": 4711})
        [run] = (await dbx.changes(RESOURCE, at(tiny))).runs
    assert run.parent is not None
    assert run.parent.run_id == "4711"


async def test_what_nobody_took_in_is_told_again(tiny: TinyDatabricks):
    long_ago = tiny.now - 5 * 86_400_000
    run_id = tiny.begins(start_time=long_ago)
    async with connected(tiny) as dbx:
        reader = Reader(dbx, tiny)
        await reader.sees()
        tiny.ends(run_id, "FAILED")
        since = reader.since
        assert (await reader.sees())[str(run_id)] is RunStatus.FAILED
        reader.since = since  # the database was away
        assert (await reader.sees())[str(run_id)] is RunStatus.FAILED


async def test_a_failed_run_keeps_its_own_end_after_a_repair(tiny: TinyDatabricks):
    run_id = tiny.fails()
    own_end = tiny.now
    tiny.now += 60_000
    tiny.repaired(run_id)
    tiny.now += 60_000
    tiny.ends(run_id, "FAILED")
    async with connected(tiny) as dbx:
        for _ in range(2):
            first, second = (await dbx.changes(RESOURCE, at(tiny))).runs
            assert first.ended_at is not None
            assert int(first.ended_at.timestamp() * 1000) == own_end
            assert (second.ref.run_id, second.status) == (f"{run_id}:repair:9001", RunStatus.FAILED)


async def test_a_repair_that_another_worker_asked_for_is_seen(tiny: TinyDatabricks):
    async with connected(tiny) as dbx:
        reader = Reader(dbx, tiny)
        run_id = tiny.fails()
        await reader.sees()
        tiny.repaired(run_id)
        assert (await reader.sees())[f"{run_id}:repair:9001"] is RunStatus.IN_PROGRESS
        tiny.now += 500
        tiny.ends(run_id, "SUCCESS")
        assert await reader.sees() == {f"{run_id}:repair:9001": RunStatus.SUCCEEDED}


async def test_a_repair_under_way_at_our_start_is_seen_to_its_end(tiny: TinyDatabricks):
    run_id = tiny.fails()
    tiny.repaired(run_id)
    async with connected(tiny) as dbx:
        reader = Reader(dbx, tiny)
        await reader.sees()
        tiny.now += 500
        tiny.ends(run_id, "SUCCESS")
        assert (await reader.sees())[f"{run_id}:repair:9001"] is RunStatus.SUCCEEDED


async def test_a_run_that_was_deleted_is_forgotten(tiny: TinyDatabricks):
    run_id = tiny.begins()
    async with connected(tiny) as dbx:
        reader = Reader(dbx, tiny)
        await reader.sees()
        del tiny.runs[run_id]
        await reader.sees()
        await reader.sees()
        assert len(tiny.calls) == 2
