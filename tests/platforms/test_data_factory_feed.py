"""The feed of a factory loses nothing, whatever our clock says and however much there is to read."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from pipemend.core.clock import WallClock
from pipemend.core.errors import OutsideError, Throttled
from pipemend.core.run import Changes, Resource, RunStatus
from pipemend.platforms.data_factory import DataFactory, feed
from pipemend.platforms.data_factory.client import Found
from pipemend.platforms.data_factory.feed import Feed
from tests.platforms.adf import RESOURCE, ago, failed_run, now
from tests.twin.stage import FACTORY, Stage


class ShiftedClock:
    """A clock that is wrong by some time."""

    def __init__(self, by: timedelta) -> None:
        self.by = by

    def now(self) -> datetime:
        return now() + self.by


def feed_of(adf: DataFactory, **wrong: float) -> Feed:
    return Feed(adf.factories.of(RESOURCE), ShiftedClock(timedelta(**wrong)))


def ids(changes: Changes) -> set[str]:
    return {run.ref.run_id for run in changes.runs}


async def test_what_changed_is_told_once_it_has(stage: Stage, adf: DataFactory):
    run = await failed_run(stage, adf)
    changes = await adf.changes(adf.connections[0], ago(minutes=1))

    assert [change for change in changes.runs if change.ref == run.ref] == [run]
    assert changes.until <= now()


async def test_the_watermark_is_the_newest_update_that_was_seen(stage: Stage, adf: DataFactory):
    run = await failed_run(stage, adf)
    changes = await adf.changes(adf.connections[0], ago(minutes=1))

    assert run.ended_at is not None
    # Never later than the date of the answer, which is told in whole seconds.
    assert run.ended_at - timedelta(seconds=3) < changes.until <= run.ended_at


async def test_a_factory_in_which_nothing_happens_is_not_read_from_further_and_further_back(adf: DataFactory):
    changes = await adf.changes(adf.connections[0], ago(hours=2))

    assert changes.runs == ()
    assert ago(minutes=6) < changes.until < ago(minutes=4)


async def test_what_shows_up_late_is_not_missed(stage: Stage, adf: DataFactory):
    await stage.put("data-factory", visible_after=0.5)
    run = await failed_run(stage, adf)
    first = await adf.changes(adf.connections[0], ago(seconds=1))
    seen = ids(first)
    until = first.until

    async def look() -> bool:
        nonlocal until
        changes = await adf.changes(adf.connections[0], until)
        until = changes.until
        seen.update(ids(changes))
        return run.ref.run_id in seen

    assert await stage.until(lambda found: found, look)


@pytest.mark.parametrize("minutes", [-10, -1, 1, 10])
async def test_a_wrong_clock_of_ours_loses_nothing(stage: Stage, adf: DataFactory, minutes: int):
    reader = feed_of(adf, minutes=minutes)
    until = now() + timedelta(minutes=minutes)  # a new feed begins now, by our clock
    until = (await reader.since(until)).until
    run = await failed_run(stage, adf)

    assert run.ref.run_id in ids(await reader.since(until))


async def test_the_watermark_never_passes_the_time_of_the_answer(stage: Stage, adf: DataFactory):
    changes = await feed_of(adf, hours=3).since(now() + timedelta(hours=3))

    assert changes.until <= now()


async def test_all_pages_are_read(stage: Stage, adf: DataFactory):
    await stage.put("data-factory", page_size=2)
    runs = {(await failed_run(stage, adf, f"load-{n}")).ref.run_id for n in range(5)}

    assert ids(await adf.changes(adf.connections[0], ago(minutes=1))) == runs
    assert len(await stage.requests("arm", "queryPipelineRuns")) == 3


async def test_a_long_absence_is_caught_up_with_slice_by_slice(stage: Stage, adf: DataFactory):
    run = await failed_run(stage, adf)
    until, asked, seen = ago(hours=20), 0, set[str]()
    while run.ref.run_id not in seen:
        changes = await adf.changes(adf.connections[0], until)
        assert changes.until > until
        seen |= ids(changes)
        until, asked = changes.until, asked + 1

    assert asked == 4


async def test_too_much_for_one_answer_is_asked_again_in_smaller_slices(
    stage: Stage, adf: DataFactory, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(feed, "PAGES", 2)
    await stage.put("data-factory", page_size=1)
    runs = {(await failed_run(stage, adf, f"load-{n}")).ref.run_id for n in range(3)}
    reader, since = feed_of(adf), ago(hours=1)

    first = await reader.since(since)
    second = await reader.since(first.until)

    assert len(first.runs) == 2
    assert first.until == since  # what was left out is asked for again
    assert second.runs == ()
    assert since < second.until < ago(minutes=20)
    assert "more runs than one answer may hold" in caplog.text
    assert ids(first) < runs


async def test_a_run_that_moves_between_two_pages_is_told_once_as_it_was_last():
    class MovingFactory:
        resource = Resource("data_factory", RESOURCE, FACTORY)

        async def runs(self, *_: Any, **__: Any) -> Found:
            return Found(({"runId": "1", "status": "InProgress"}, {"runId": "1", "status": "Failed"}))

    changes = await Feed(MovingFactory(), WallClock()).since(ago(minutes=1))  # type: ignore[arg-type]

    assert [run.status for run in changes.runs] == [RunStatus.FAILED]


async def test_an_unknown_word_goes_by_as_unknown(stage: Stage, adf: DataFactory):
    run = await failed_run(stage, adf)
    await stage.fault("arm", "queryPipelineRuns", "unknown_status")
    changes = await adf.changes(adf.connections[0], ago(minutes=1))

    assert [str(change.status) for change in changes.runs if change.ref == run.ref] == ["Unknown"]


@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "html", "garbage", "wrong_length", "status"])
async def test_a_passing_trouble_is_overcome(stage: Stage, adf: DataFactory, kind: str):
    run = await failed_run(stage, adf)
    await stage.fault("arm", "queryPipelineRuns", kind, times=2)

    assert run.ref.run_id in ids(await adf.changes(adf.connections[0], ago(minutes=1)))


async def test_being_asked_to_slow_down_is_told_at_once(stage: Stage, adf: DataFactory):
    await stage.fault("arm", "queryPipelineRuns", "status", status=429, headers={"Retry-After": "600"}, times=-1)

    with pytest.raises(Throttled) as slow_down:
        await adf.changes(adf.connections[0], ago(minutes=1))
    assert slow_down.value.retry_after == 60
    assert len(await stage.requests("arm", "queryPipelineRuns")) == 1


async def test_a_connection_that_is_not_there_is_an_error_of_ours(stage: Stage, adf: DataFactory):
    await stage.fault("arm", None, "status", status=404, times=-1)

    with pytest.raises(OutsideError):
        await adf.changes(adf.connections[0], ago(minutes=1))
