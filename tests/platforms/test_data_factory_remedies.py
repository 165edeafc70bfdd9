"""A rerun starts at most once, and is found again when its answer was lost."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from pipemend.core.attempt import Attempt, Declined, Progress, Running, Stage, Unknown
from pipemend.core.clock import WallClock
from pipemend.core.run import Run
from pipemend.platforms.data_factory import DataFactory, build
from pipemend.platforms.data_factory.remedies import RetryPipeline
from tests.clients.attempts import attempt
from tests.platforms.adf import RESOURCE, failed_run, now, settings_for
from tests.twin.stage import Stage as Twin


class Patience:
    """Sleeps through the pauses and notes them."""

    def __init__(self) -> None:
        self.pauses: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)


@pytest.fixture
def patience() -> Patience:
    return Patience()


@pytest.fixture
def remedy(adf: DataFactory, patience: Patience) -> RetryPipeline:
    return RetryPipeline(adf.factories, WallClock(), patience.sleep)


def attempt_for(run: Run, **more: Any) -> Attempt:
    told: dict[str, Any] = {
        "resource": RESOURCE,
        "pipeline": run.pipeline,
        "original_run_id": run.ref.run_id,
        "reference_run_id": run.ref.run_id,
        "run_group_id": run.group_id,
        "created_at": now(),
        "started_at": now(),
    }
    return attempt(**{**told, **more})


async def calls(stage: Twin) -> tuple[int, int]:
    """How often a rerun was asked for, and how often one was started."""
    sent = await stage.requests("arm", "createRun")
    return len(sent), sum(request["executed"] for request in sent)


async def test_it_reruns_what_failed_in_the_same_group(stage: Twin, adf: DataFactory, remedy: RetryPipeline):
    run = await failed_run(stage, adf)
    progress = await remedy.advance(attempt_for(run), Stage())

    assert isinstance(progress, Running)
    rerun = await stage.run(progress.rerun.run_id)
    assert (rerun["runGroupId"], rerun["referencedRunId"]) == (run.ref.run_id, run.ref.run_id)
    [request] = await stage.requests("arm", "createRun")
    assert "isRecovery=true" in request["path"]
    assert "startFromFailure=true" in request["path"]


async def test_it_refers_to_the_latest_failed_run(stage: Twin, adf: DataFactory, remedy: RetryPipeline):
    run = await failed_run(stage, adf)
    second = (await stage.post(f"runs/{run.ref.run_id}/rerun"))["runId"]
    progress = await remedy.advance(attempt_for(run, reference_run_id=second), Stage())

    assert isinstance(progress, Running)
    assert (await stage.run(progress.rerun.run_id))["referencedRunId"] == second


@pytest.mark.parametrize("status", [400, 403, 404])
async def test_a_refusal_is_final(stage: Twin, adf: DataFactory, remedy: RetryPipeline, status: int):
    run = await failed_run(stage, adf)
    await stage.fault("arm", "createRun", "status", status=status, times=-1)
    progress = await remedy.advance(attempt_for(run), Stage())

    assert isinstance(progress, Declined)
    assert progress.final
    assert progress.reason.startswith(f"Data Factory answered {status}")
    assert (await calls(stage))[1] == 0


@pytest.mark.parametrize("status", [401, 409])
async def test_a_conflict_or_a_refused_token_may_be_over_at_the_next_attempt(
    stage: Twin, adf: DataFactory, remedy: RetryPipeline, status: int
):
    run = await failed_run(stage, adf)
    await stage.fault("arm", "createRun", "status", status=status, times=-1)
    progress = await remedy.advance(attempt_for(run), Stage())

    assert isinstance(progress, Declined)
    assert not progress.final


async def test_a_factory_that_is_not_connected_is_never_acted_on(stage: Twin, adf: DataFactory, remedy: RetryPipeline):
    run = await failed_run(stage, adf)
    progress = await remedy.advance(attempt_for(run, resource="/subscriptions/other"), Stage())

    assert isinstance(progress, Declined)
    assert progress.final
    assert "no connection for" in progress.reason


async def test_a_pipeline_that_is_gone_is_named(stage: Twin, adf: DataFactory, remedy: RetryPipeline):
    run = await failed_run(stage, adf)
    progress = await remedy.advance(attempt_for(run, pipeline="renamed"), Stage())

    assert isinstance(progress, Declined)
    assert progress.final
    assert "PipelineNotFound" in progress.reason


@pytest.mark.parametrize("status", [429, 503])
async def test_being_told_to_wait_is_obeyed_twice(
    stage: Twin, adf: DataFactory, remedy: RetryPipeline, patience: Patience, status: int
):
    run = await failed_run(stage, adf)
    await stage.fault("arm", "createRun", "status", status=status, headers={"Retry-After": "2"}, times=2)
    progress = await remedy.advance(attempt_for(run), Stage())

    assert isinstance(progress, Running)
    assert patience.pauses == [2, 4]
    assert await calls(stage) == (3, 1)


async def test_a_service_that_stays_busy_ends_the_attempt_and_not_the_repair(
    stage: Twin, adf: DataFactory, remedy: RetryPipeline, patience: Patience
):
    run = await failed_run(stage, adf)
    await stage.fault("arm", "createRun", "status", status=429, headers={"Retry-After": "600"}, times=-1)
    progress = await remedy.advance(attempt_for(run), Stage())

    assert isinstance(progress, Declined)
    assert not progress.final
    assert patience.pauses == [10, 10]
    assert await calls(stage) == (1, 0)  # it asked for more time than the attempt has


async def test_nobody_at_the_address_has_started_nothing(patience: Patience, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("IDENTITY_ENDPOINT", "http://127.0.0.1:9/identity/token")
    monkeypatch.setenv("IDENTITY_HEADER", "x")
    adf = build(settings_for("http://127.0.0.1:9"), WallClock())
    assert adf is not None
    progress = await RetryPipeline(adf.factories, WallClock(), patience.sleep).advance(
        attempt(resource=RESOURCE), Stage()
    )
    await adf.close()

    assert isinstance(progress, Declined)
    assert not progress.final
    assert patience.pauses == [2, 4]


@pytest.mark.parametrize(
    ("kind", "more", "started"),
    [
        ("drop_before", {}, 0),
        ("drop_after", {}, 1),
        ("status", {"status": 500}, 0),
        ("status_after", {"status": 500, "headers": {"Retry-After": "1"}}, 1),
        ("status_after", {"status": 502}, 1),
        ("status_after", {"status": 503}, 1),
        ("status_after", {"status": 504}, 1),
        ("html", {}, 0),
        ("garbage", {}, 0),
        ("half_close", {"seconds": 0.2}, 1),
        ("wrong_length", {}, 1),
    ],
)
async def test_an_unclear_end_is_unknown_and_never_repeated(
    stage: Twin,
    adf: DataFactory,
    remedy: RetryPipeline,
    patience: Patience,
    kind: str,
    more: dict[str, Any],
    started: int,
):
    run = await failed_run(stage, adf)
    await stage.fault("arm", "createRun", kind, **more)
    progress = await remedy.advance(attempt_for(run), Stage())

    assert isinstance(progress, Unknown)
    assert not progress.accepted
    assert await calls(stage) == (1, started)
    assert patience.pauses == []


async def test_a_call_without_an_answer_is_unknown(
    stage: Twin, adf: DataFactory, remedy: RetryPipeline, monkeypatch: pytest.MonkeyPatch
):
    run = await failed_run(stage, adf)
    monkeypatch.setattr("pipemend.clients.azure.START_SECONDS", 0.3)
    await stage.fault("arm", "createRun", "timeout_after")
    asked = attempt_for(run)
    progress = await remedy.advance(asked, Stage())

    assert isinstance(progress, Unknown)
    assert await calls(stage) == (1, 1)
    assert len(await remedy.started(asked)) == 1


async def test_a_lost_rerun_is_found(stage: Twin, adf: DataFactory, remedy: RetryPipeline):
    run = await failed_run(stage, adf)
    asked = attempt_for(run)
    await stage.fault("arm", "createRun", "drop_after")
    progress: Progress = await remedy.advance(asked, Stage())
    assert isinstance(progress, Unknown)

    [rerun] = await remedy.started(asked)

    assert (await stage.run(rerun.run_id))["referencedRunId"] == run.ref.run_id
    assert rerun.manual
    assert rerun.same_group
    assert rerun.started_at is not None


async def test_neither_the_failed_run_nor_the_next_scheduled_one_is_a_rerun(
    stage: Twin, adf: DataFactory, remedy: RetryPipeline
):
    run = await failed_run(stage, adf)
    asked = attempt_for(run)
    await stage.trigger("nightly-load")

    assert await remedy.started(asked) == []


async def test_a_run_that_began_long_before_the_call_is_none_of_it(
    stage: Twin, adf: DataFactory, remedy: RetryPipeline
):
    run = await failed_run(stage, adf)
    await stage.post(f"runs/{run.ref.run_id}/rerun")
    soon = attempt_for(run, created_at=now(), started_at=now() + timedelta(minutes=3))

    assert await remedy.started(soon) == []
    assert len(await remedy.started(replace(soon, started_at=soon.created_at))) == 1


async def test_a_clock_of_ours_that_is_ahead_hides_no_rerun(stage: Twin, adf: DataFactory):
    class ClockAhead:
        def now(self) -> Any:
            return now() + timedelta(minutes=8)

    run = await failed_run(stage, adf)
    remedy = RetryPipeline(adf.factories, ClockAhead())
    asked = attempt_for(run, created_at=ClockAhead().now(), started_at=ClockAhead().now())
    await stage.post(f"runs/{run.ref.run_id}/rerun")

    assert len(await remedy.started(asked)) == 1


async def test_a_direct_call_starts_nothing_outside_the_group(stage: Twin, adf: DataFactory, remedy: RetryPipeline):
    run = await failed_run(stage, adf)
    asked = attempt_for(run)
    stranger = await stage.trigger("nightly-load", by="manual")

    assert await remedy.started(asked) == []
    [candidate] = await remedy.started(replace(asked, via="playbook"))
    assert (candidate.run_id, candidate.same_group) == (stranger, False)


async def test_a_run_whose_group_was_never_read_is_its_own_group(stage: Twin, adf: DataFactory, remedy: RetryPipeline):
    run = await failed_run(stage, adf)
    rerun = (await stage.post(f"runs/{run.ref.run_id}/rerun"))["runId"]

    assert [found.run_id for found in await remedy.started(attempt_for(run, run_group_id=None))] == [rerun]
