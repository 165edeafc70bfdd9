"""Data Factory's runs as ours."""

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipemend.core.run import Resource, Run, RunStatus
from pipemend.platforms.data_factory.runs import run_of
from tests.clients.samples import sample

RESOURCE = Resource("data_factory", "/subscriptions/s/providers/microsoft.datafactory/factories/adf", "ADF")


def the_run(**raw: Any) -> Run:
    run = run_of({"runId": "1", **raw}, RESOURCE)
    assert run is not None
    return run


def test_the_published_run_is_read():
    raw = json.loads(sample("adf-pipelinerun-get-succeeded.json"))["response"]["body"]
    run = the_run(**raw)

    assert (run.ref.run_id, run.pipeline) == ("2f7fdb90-5df1-4b8e-ac2f-064cfa58202b", "myPipeline")
    assert run.status is RunStatus.SUCCEEDED
    assert run.started_at == datetime(2018, 6, 16, 0, 37, 44, 625701, tzinfo=UTC)
    assert run.manual
    assert run.group_id == run.ref.run_id
    assert run.window is None


def test_a_run_that_has_not_ended_has_no_end():
    rows = json.loads(sample("adf-querypipelineruns.json"))["response"]["body"]["value"]

    assert [the_run(**row).ended_at is None for row in rows] == [False, True]


def test_the_least_that_was_ever_seen_is_a_run():
    run = the_run(**json.loads(sample("prototype/real_adf_pipeline_run_get_queued.json")))

    assert (run.status, run.started_at, run.parent, run.manual) == (RunStatus.QUEUED, None, None, False)


def test_a_run_in_a_group_keeps_it():
    assert the_run(runGroupId="first").group_id == "first"


def test_a_run_of_another_run_knows_its_parent():
    run = the_run(
        invokedBy={"id": "a", "name": "Execute child", "invokedByType": "PipelineActivity", "pipelineRunId": "0"}
    )

    assert run.parent is not None
    assert run.parent.run_id == "0"
    assert (run.manual, run.window) == (False, None)


@pytest.mark.parametrize(
    "by", [{"name": "Manual"}, {"name": "Manual", "invokedByType": "Manual"}, {"name": "x", "invokedByType": "manual"}]
)
def test_a_manual_run_is_known_by_name_or_type(by: dict[str, str]):
    assert the_run(invokedBy=by).manual


@pytest.mark.parametrize("kind", ["ScheduleTrigger", "TumblingWindowTrigger", "BlobEventsTrigger", None])
def test_runs_of_one_firing_of_a_trigger_share_a_window(kind: str | None):
    by = {"id": "08586724970898148904457668337CU54", "name": "Daily", **({"invokedByType": kind} if kind else {})}

    assert the_run(invokedBy=by).window == "Daily/08586724970898148904457668337CU54"


@pytest.mark.parametrize("more", [{"invokedBy": {"name": "Sandbox", "invokedByType": "Sandbox"}}, {"debugRunId": "1"}])
def test_a_debug_run_is_known(more: dict[str, Any]):
    run = the_run(**more)

    assert run.debug
    assert run.window is None


@pytest.mark.parametrize("word", ["Reticulating", "", None, 3, "failed"])
def test_an_unknown_word_is_no_end(word: Any):
    run = the_run(status=word)

    assert run.status is RunStatus.UNKNOWN
    assert not run.ended


def test_the_link_leads_to_the_run_in_data_factory_studio():
    link = the_run().link

    assert link is not None
    assert link.startswith("https://adf.azure.com/en/monitoring/pipelineruns/1?factory=%2Fsubscriptions%2Fs%2F")
    assert unquote(link).endswith(RESOURCE.id)


def test_the_message_holds_no_secret():
    assert "hunter2" not in the_run(message="Login failed, Password=hunter2;").message


@pytest.mark.parametrize("raw", [{}, {"runId": None}, {"runId": ""}, {"runId": ["1"]}])
def test_what_has_no_id_is_no_run(raw: dict[str, Any]):
    assert run_of(raw, RESOURCE) is None


NAMES = st.sampled_from(["runId", "invokedBy", "status", "runStart", "runEnd", "message", "runGroupId", "pipelineName"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["name", "id", "pipelineRunId"]), inner)
    ),
    max_leaves=5,
)


@given(st.dictionaries(NAMES, VALUES))
def test_any_object_is_a_run_or_none(raw: dict[str, Any]):
    run_of(raw, RESOURCE)


def test_a_window_that_is_run_again_through_its_trigger_is_the_same_work():
    def window(trigger_run: str, **parameters: str) -> str | None:
        by = {"invokedByType": "TumblingWindowTrigger", "name": "hourly", "id": trigger_run}
        run = run_of({"runId": "r", "pipelineName": "p", "invokedBy": by, "parameters": parameters}, RESOURCE)
        assert run is not None
        return run.window

    first = window("t1", windowStartTime="2026-11-24T03:00:00Z")
    assert window("t2", windowStartTime="2026-11-24T03:00:00Z") == first
    assert window("t3", windowStartTime="2026-11-24T04:00:00Z") != first
    assert window("t1", window_start="2026-11-24T03:00:00+00:00") == first
    assert window("t1", windowStart="yesterday") == window("t1") == "hourly/t1"
