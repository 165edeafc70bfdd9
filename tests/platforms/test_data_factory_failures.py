"""Why a run failed: the innermost error first."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipemend.core.clock import WallClock
from pipemend.core.rca import Fault
from pipemend.core.run import Resource, Run, RunRef, RunStatus
from pipemend.platforms.data_factory import DataFactory
from pipemend.platforms.data_factory.client import Found
from pipemend.platforms.data_factory.failures import MOST_RUNS, Search, fault_of
from tests.clients.samples import sample
from tests.platforms.adf import failed_run, ref
from tests.twin.stage import Stage

BEGAN = datetime(2026, 11, 24, 10, tzinfo=UTC)


class TinyFactory:
    """A factory of a few runs and their activities."""

    resource = Resource("data_factory", "/adf", "adf")

    def __init__(self, activities: Mapping[str, Sequence[Any]], *runs: Mapping[str, Any]) -> None:
        self._activities = activities
        self._runs = {run["runId"]: {"status": "Failed", **run} for run in runs}
        self.asked: list[str] = []

    async def run(self, run_id: str) -> Mapping[str, Any] | None:
        return self._runs.get(run_id)

    async def runs(self, filters: Any, after: datetime, before: datetime, **_: Any) -> Found:
        return Found(tuple(self._runs.values()))

    async def activities(self, run_id: str, filters: Any, after: datetime, before: datetime) -> Found:
        self.asked.append(run_id)
        return Found(tuple(self._activities.get(run_id, ())))


def activity(name: str, kind: str = "Copy", *, ended: int = 0, status: str = "Failed", **more: Any) -> dict[str, Any]:
    return {
        "activityName": name,
        "activityRunId": f"run of {name} {ended}",
        "activityType": kind,
        "status": status,
        "activityRunEnd": (BEGAN + timedelta(minutes=ended)).isoformat(),
        "error": {"errorCode": "2200", "message": f"{name} is broken", "failureType": "UserError"},
        **more,
    }


def run(run_id: str = "root", message: str = "") -> Run:
    ref = RunRef("data_factory", "/adf", run_id)
    return Run(ref=ref, pipeline="nightly", status=RunStatus.FAILED, started_at=BEGAN, message=message)


async def faults(factory: TinyFactory, of: Run | None = None) -> list[str]:
    return [f.activity for f in await Search(factory, WallClock()).faults(of or run())]  # type: ignore[arg-type]


async def test_a_failed_run_is_explained_by_its_failed_activity(stage: Stage, adf: DataFactory):
    failure = await adf.failure(await failed_run(stage, adf))

    assert failure.fault.activity == "Call partner endpoint"
    assert failure.fault.activity_type == "WebActivity"
    assert failure.fault.failure_type == "UserError"
    assert "504 Gateway Timeout" in failure.fault.message
    assert failure.ended_at is not None


async def test_a_failed_child_is_asked_for_its_own_error(stage: Stage, adf: DataFactory):
    await stage.pipeline("grandchild", "SqlDeadlock")
    await stage.pipeline("child", children=["grandchild"])
    await stage.pipeline("root", children=["child"])
    run_id = await stage.trigger("root")
    await stage.ended(run_id)
    failed = await adf.run(ref(run_id))
    assert failed is not None

    failure = await adf.failure(failed)

    assert [fault.activity for fault in failure.faults] == [
        "Merge into warehouse",
        "Execute grandchild",
        "Execute child",
    ]
    assert failure.fault.code == "2402"


async def test_wrappers_come_after_what_failed_inside_them():
    factory = TinyFactory(
        {
            "root": [
                activity("each", "ForEach", ended=2),
                activity("check", "IfCondition", ended=3),
                activity("copy", ended=4),
            ]
        }
    )

    assert await faults(factory) == ["copy", "each", "check"]


async def test_what_the_run_blames_comes_first():
    factory = TinyFactory({"root": [activity("handled", ended=1), activity("fatal", ended=2)]})
    blaming = run(message="Operation on target fatal failed: fatal is broken")

    assert await faults(factory, blaming) == ["fatal", "handled"]


async def test_else_the_earliest_failure_comes_first():
    assert await faults(TinyFactory({"root": [activity("second", ended=2), activity("first", ended=1)]})) == [
        "first",
        "second",
    ]


async def test_only_the_last_try_of_an_activity_counts():
    tries = [
        activity("copy", ended=1, retryAttempt=None, iterationHash="a", error={"message": "try 1"}),
        activity("copy", ended=2, retryAttempt=1, iterationHash="a", error={"message": "try 2"}),
    ]
    found = await Search(TinyFactory({"root": tries}), WallClock()).faults(run())  # type: ignore[arg-type]

    assert [fault.message for fault in found] == ["try 2"]


async def test_the_turns_of_a_loop_are_kept_apart():
    turns = [activity("copy", ended=n, iterationHash=str(n)) for n in range(3)]

    assert await faults(TinyFactory({"root": turns})) == ["copy"] * 3


async def test_activities_that_did_not_fail_explain_nothing():
    assert (
        await faults(TinyFactory({"root": [activity("fine", status="Succeeded"), activity("off", status="Skipped")]}))
        == []
    )


async def test_a_child_whose_id_is_not_told_is_found_by_who_started_it():
    call = activity("call", "ExecutePipeline", output={})
    child = {"runId": "child", "invokedBy": {"name": "call", "pipelineRunId": "root"}}
    stranger = {"runId": "stranger", "invokedBy": {"name": "call", "pipelineRunId": "elsewhere"}}
    factory = TinyFactory({"root": [call], "child": [activity("copy")], "stranger": [activity("no")]}, stranger, child)

    assert await faults(factory) == ["copy", "call"]


async def test_a_child_without_failed_activities_is_explained_by_its_message():
    call = activity("call", "ExecutePipeline", output={"pipelineRunId": "child"})
    factory = TinyFactory({"root": [call]}, {"runId": "child", "message": "the parameter is missing"})
    found = await Search(factory, WallClock()).faults(run())  # type: ignore[arg-type]

    assert found[0] == Fault(message="the parameter is missing")


async def test_a_child_that_is_gone_leaves_its_caller():
    assert await faults(
        TinyFactory({"root": [activity("call", "ExecutePipeline", output={"pipelineRunId": "x"})]})
    ) == ["call"]


async def test_the_search_ends_at_the_fifth_generation():
    runs = {str(n): [activity(f"call {n}", "ExecutePipeline", output={"pipelineRunId": str(n + 1)})] for n in range(9)}
    factory = TinyFactory(runs, *({"runId": str(n)} for n in range(9)))
    await faults(factory, run("0"))

    assert factory.asked == ["0", "1", "2", "3", "4", "5"]


async def test_runs_that_call_each_other_are_asked_once():
    call = activity("call", "ExecutePipeline", output={"pipelineRunId": "root"})
    factory = TinyFactory({"root": [call]}, {"runId": "root"})

    assert await faults(factory) == ["call"]
    assert factory.asked == ["root"]


async def test_no_more_than_a_few_children_are_read():
    calls = [activity(f"call {n}", "ExecutePipeline", ended=n, output={"pipelineRunId": str(n)}) for n in range(50)]
    factory = TinyFactory({"root": calls}, *({"runId": str(n)} for n in range(50)))

    assert len(await faults(factory)) == 50
    assert len(factory.asked) == MOST_RUNS


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("adf-activity-error-copy-2200-sql.json", "2200", "requires 3 argument(s)"),
        ("adf-activity-error-lookup-pathnotfound.json", "BadRequest", "PathNotFound"),
    ],
)
def test_the_published_errors_are_read(name: str, code: str, words: str):
    fault = fault_of(activity("copy", error=json.loads(sample(name))))

    assert (fault.code, fault.failure_type) == (code, "UserError")
    assert words in fault.message


def test_a_message_that_is_json_is_unpacked():
    inner = {"StatusCode": "DF-SYS-01", "Message": "Job failed due to reason: out of memory", "Details": "at Sink"}
    fault = fault_of(activity("flow", error={"errorCode": "DFExecutorUserError", "message": json.dumps(inner)}))

    assert fault.code == "DF-SYS-01"
    assert fault.message == "Job failed due to reason: out of memory\nat Sink"


def test_details_add_what_the_message_does_not_say():
    error = {
        "errorCode": 2200,
        "message": "copy failed",
        "details": [{"message": "disk full"}, {"message": "failed"}, 3],
    }

    assert fault_of(activity("copy", error=error)) == Fault("copy", "Copy", "2200", "copy failed\ndisk full", "")


@pytest.mark.parametrize("error", [None, "", [], {}, 3])
def test_an_activity_without_an_error_is_still_named(error: Any):
    assert fault_of(activity("copy", error=error)).activity == "copy"


def test_secrets_do_not_pass():
    assert "hunter2" not in fault_of(activity("copy", error={"message": "Password=hunter2;"})).message


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.just('{"Message": {"error": 1}}'),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["errorCode", "message", "details", "failureType", "error"]), inner)
    ),
    max_leaves=6,
)


@given(VALUES)
def test_any_error_is_a_fault(error: Any):
    fault_of(activity("copy", error=error))


async def test_what_a_failure_path_has_handled_is_found_in_a_run_that_went_well(stage: Stage, adf: DataFactory) -> None:
    await stage.pipeline("nightly", "GatewayTimeout", "Succeeded", handled=True)
    for masks in (True, False):
        run_id = await stage.trigger("nightly")
        await stage.ended(run_id)
        run = await adf.run(ref(run_id))
        assert run is not None
        assert run.status is RunStatus.SUCCEEDED
        assert [fault.code for fault in await adf.masked(run)] == (["2108"] if masks else [])
    assert len(await stage.requests("arm", "queryActivityruns")) == 3


async def test_an_activity_that_was_repeated_with_success_has_not_failed() -> None:
    rows = [
        {"activityName": "Copy", "status": "Failed", "activityRunEnd": "2026-11-24T10:01:00Z"},
        {"activityName": "Copy", "status": "Succeeded", "activityRunEnd": "2026-11-24T10:02:00Z"},
        {"activityName": "Tell", "status": "Failed", "activityRunEnd": "2026-11-24T10:03:00Z"},
    ]
    tiny = TinyFactory({"r": rows})
    run = Run(ref=ref("r"), pipeline="p", status=RunStatus.SUCCEEDED, started_at=BEGAN)
    found = await Search(tiny, WallClock()).masked(run)  # type: ignore[arg-type]
    assert [fault.activity for fault in found] == ["Tell"]
