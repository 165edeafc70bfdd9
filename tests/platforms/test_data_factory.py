"""Data Factory keeps the promises of a platform."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from pipemend.core.alert import Alert, Signal
from pipemend.core.clock import WallClock
from pipemend.core.errors import Missing, NotAllowed, OutsideError, Refused
from pipemend.core.ports import Platform
from pipemend.core.run import Resource, Run, RunStatus
from pipemend.platforms.data_factory import DataFactory, build, resource_of
from pipemend.settings import Settings
from tests.platforms.adf import RESOURCE, ago, failed_run, now, ref, settings_for
from tests.twin.stage import FACTORY, Stage


def alert(**more: object) -> Alert:
    told: dict[str, object] = {"platform": "data_factory", "resource": RESOURCE, "window": (ago(minutes=5), now())}
    return Alert(**{**told, **more})  # type: ignore[arg-type]


def ids(runs: object) -> list[str]:
    return [run.ref.run_id for run in runs]  # type: ignore[attr-defined]


async def test_without_a_factory_alerts_are_read_all_the_same():
    platform = build(Settings.of({}), WallClock())

    assert list(platform.connections) == []
    assert platform.read(Signal(fields={"PipelineName": "load", "RunId": "run-1"})) is not None
    await platform.close()


def test_the_configured_factory_is_the_connection():
    settings = settings_for("http://127.0.0.1:9", AZURE_RESOURCE_GROUP="RG-One", AZURE_DATA_FACTORY_NAME="ADF-One")
    resource = resource_of(settings)

    assert resource.name == "ADF-One"
    assert resource.id == resource.id.lower()
    assert resource.id.endswith("/resourcegroups/rg-one/providers/microsoft.datafactory/factories/adf-one")


async def test_it_is_a_platform(adf: DataFactory):
    platform: Platform = adf

    assert platform.name == "data_factory"
    assert platform.connections == (Resource("data_factory", RESOURCE, FACTORY),)
    assert platform.resource_types == ("microsoft.datafactory/factories",)
    assert set(platform.remedies) == {"retry_pipeline", "refresh_linked_service"}


async def test_an_alert_is_read_with_the_names_of_the_connections(adf: DataFactory):
    found = adf.read(Signal(fields={"pipelineName": "nightly", "dataFactoryName": FACTORY.upper()}))

    assert found is not None
    assert found.resource == RESOURCE


async def test_a_run_is_read(stage: Stage, adf: DataFactory):
    run = await failed_run(stage, adf)

    assert (run.status, run.pipeline) == (RunStatus.FAILED, "nightly-load")
    assert run.window is not None
    assert run.ref.resource == RESOURCE


async def test_a_pipeline_that_is_edited_is_defined_otherwise(stage: Stage, adf: DataFactory):
    run = await failed_run(stage, adf)
    was = await adf.definition(run)
    assert was is not None
    assert await adf.definition(run) == was
    await stage.pipeline("nightly-load", "Succeeded", activities=2)
    assert await adf.definition(run) not in (None, was)


async def test_a_run_that_does_not_exist_is_none(adf: DataFactory):
    assert await adf.run(ref("no-such-run")) is None


async def test_a_factory_that_is_not_connected_is_named(adf: DataFactory):
    with pytest.raises(Missing, match="no connection for /subscriptions/other"):
        await adf.run(replace(ref("1"), resource="/subscriptions/other"))


@pytest.mark.parametrize(
    ("kind", "more", "error"),
    [("status", {"status": 403}, NotAllowed), ("status", {"status": 500}, OutsideError), ("html", {}, OutsideError)],
)
async def test_an_unreadable_run_is_an_error_of_ours(
    stage: Stage, adf: DataFactory, kind: str, more: dict[str, int], error: type[OutsideError]
):
    await stage.fault("arm", "getRun", kind, times=-1, **more)

    with pytest.raises(error):
        await adf.run(ref("1"))


async def test_a_run_without_an_answer_ends_in_time(stage: Stage, adf: DataFactory, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("pipemend.clients.azure.READ_SECONDS", 0.3)
    await stage.fault("arm", "getRun", "timeout_before", times=-1)

    with pytest.raises(OutsideError):
        await adf.run(ref("1"))


async def test_the_failed_runs_of_a_pipeline_are_found_in_the_window(stage: Stage, adf: DataFactory):
    run = await failed_run(stage, adf)
    await failed_run(stage, adf, "another")
    await stage.ended(await stage.trigger("nightly-load"))  # this one succeeds

    assert ids(await adf.find(alert(pipeline="nightly-load"))) == [run.ref.run_id]


async def test_a_window_is_widened_by_ten_minutes(stage: Stage, adf: DataFactory):
    run = await failed_run(stage, adf)
    near, far = (ago(minutes=14), ago(minutes=9)), (ago(minutes=20), ago(minutes=11))

    assert ids(await adf.find(alert(pipeline="nightly-load", window=near))) == [run.ref.run_id]
    assert await adf.find(alert(pipeline="nightly-load", window=far)) == []


async def test_without_a_pipeline_every_failed_run_in_the_window_is_meant(stage: Stage, adf: DataFactory):
    runs = [await failed_run(stage, adf, name) for name in ("one", "two")]

    assert ids(await adf.find(alert())) == [run.ref.run_id for run in runs]


async def test_an_activity_leads_to_the_runs_in_which_it_failed(stage: Stage, adf: DataFactory):
    await failed_run(stage, adf, "one", "GatewayTimeout")
    run = await failed_run(stage, adf, "two", "SqlDeadlock")

    assert ids(await adf.find(alert(activity="merge into warehouse"))) == [run.ref.run_id]


async def test_an_alert_without_a_window_is_looked_for_around_its_end(stage: Stage, adf: DataFactory):
    run = await failed_run(stage, adf)

    assert ids(await adf.find(alert(pipeline="nightly-load", window=None, failed_at=now()))) == [run.ref.run_id]
    assert list(await adf.find(alert(pipeline="nightly-load", window=None))) == []


async def test_debug_runs_are_not_found(stage: Stage, adf: DataFactory):
    await stage.pipeline("nightly-load", "GatewayTimeout")
    await stage.ended(await stage.trigger("nightly-load", by="sandbox"))

    assert await adf.find(alert(pipeline="nightly-load")) == []


async def test_later_reruns_of_the_group_are_told_oldest_first(stage: Stage, adf: DataFactory):
    run = await failed_run(stage, adf)
    await stage.ended(await stage.trigger("nightly-load"))  # the next scheduled run is other work
    reruns = [(await stage.post(f"runs/{run.ref.run_id}/rerun"))["runId"] for _ in range(3)]

    later = await adf.later(run)

    assert ids(later) == reruns
    assert all(other.manual for other in later)


async def test_the_run_itself_and_earlier_ones_are_not_later(stage: Stage, adf: DataFactory):
    run = await failed_run(stage, adf)
    rerun = (await stage.post(f"runs/{run.ref.run_id}/rerun"))["runId"]
    read = await adf.run(ref(rerun))
    assert read is not None

    assert await adf.later(read) == []


async def test_later_runs_of_the_same_firing_of_a_trigger_are_the_same_work(stage: Stage, adf: DataFactory):
    run = await failed_run(stage, adf)
    again = await stage.trigger("nightly-load")
    read = await adf.run(ref(again))
    assert read is not None
    twin_of_it = replace(run, window=read.window)  # as if one firing had started both

    assert ids(await adf.later(twin_of_it)) == [again]


async def test_a_run_is_cancelled_with_the_runs_it_started(stage: Stage, adf: DataFactory):
    await stage.pipeline("child", "InProgress")
    await stage.pipeline("root", children=["child"])
    root = await stage.trigger("root")
    child = await stage.until(lambda found: found, lambda: _child_of(stage))

    await adf.cancel(ref(root))

    assert (await stage.ended(root))["status"] == "Cancelled"
    assert (await stage.ended(child))["status"] == "Cancelled"


async def _child_of(stage: Stage) -> str:
    runs = (await stage.get("runs", pipeline="child"))["runs"]
    return str(runs[0]["runId"]) if runs else ""


async def test_a_run_that_has_ended_cannot_be_cancelled(stage: Stage, adf: DataFactory):
    run = await failed_run(stage, adf)

    with pytest.raises(Refused, match="cannot be cancelled"):
        await adf.cancel(run.ref)


async def test_a_run_of_a_child_knows_its_parent(stage: Stage, adf: DataFactory):
    await stage.pipeline("child", "InProgress")
    await stage.pipeline("root", children=["child"])
    root = await stage.trigger("root")
    child: Run | None = await adf.run(ref(await stage.until(lambda found: found, lambda: _child_of(stage))))

    assert child is not None
    assert child.parent == ref(root)


async def test_times_are_told_in_utc(stage: Stage, adf: DataFactory):
    run = await failed_run(stage, adf)

    assert isinstance(run.ended_at, datetime)
    assert run.ended_at.utcoffset() == timedelta(0)


async def test_the_latest_run_of_a_pipeline_is_found_by_its_name(stage: Stage, adf: DataFactory):
    await failed_run(stage, adf, "extract")
    second = await stage.trigger("extract")
    await stage.ended(second)
    latest = await adf.latest(adf.connections[0], "extract")
    assert latest is not None
    assert latest.ref.run_id == second
    assert await adf.latest(adf.connections[0], "nobody") is None
