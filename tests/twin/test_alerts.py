"""The action group: what is posted about failed runs, and how often."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.twin.door import Door, standing
from tests.twin.stage import FACTORY, PLACE, Stage, keys, sample


@pytest.fixture
async def door(stage: Stage) -> AsyncIterator[Door]:
    async with standing() as door:
        await stage.put("action-group", url=door.url, headers={"X-Pipemend-Secret": "s"}, retry_seconds=[0.02, 0.02])
        yield door


async def alerts(stage: Stage, count: int) -> list[dict[str, Any]]:
    async def read():
        return (await stage.get("alerts"))["alerts"]

    found = await stage.until(lambda told: len(told) >= count and all(one["done"] for one in told), read)
    return list(found)


async def told(stage: Stage, shape: str, **plan: Any) -> dict[str, Any]:
    await stage.pipeline("nightly", "TypeConversion", alert=shape, **plan)
    await stage.trigger("nightly")
    return dict((await alerts(stage, 1))[0]["body"])


def dimensions(alert: dict[str, Any]) -> dict[str, str]:
    condition = alert["data"]["alertContext"]["condition"]["allOf"][0]
    return {one["name"]: one["value"] for one in condition["dimensions"]}


async def test_a_metric_alert_names_the_pipeline_but_no_run(stage: Stage, door: Door):
    alert = await told(stage, "metric")

    assert dimensions(alert) == {"FailureType": "UserError", "Name": "nightly"}
    assert alert["data"]["essentials"]["alertTargetIDs"] == [PLACE.lower()]
    assert keys(sample("azmon-common-metric-adf-failedruns.json")) <= keys(alert)
    assert {k for k in keys(sample("azmon-common-metric-static-fired.json")) if "ustomKey" not in k} - keys(alert) == {
        ".data.customProperties"
    }


async def test_a_log_alert_carries_what_its_author_chose(stage: Stage, door: Door):
    alert = await told(stage, "log_v2")

    run = (await stage.get("runs"))["runs"][0]
    published = sample("prototype/real_azure_log_alert_v2_adf.json")
    assert keys(published) <= keys(alert)
    assert set(dimensions(published)) == set(dimensions(alert))
    assert dimensions(alert)["PipelineRunId"] == run["runId"]
    assert dimensions(alert)["ErrorMessage"] == dimensions(published)["ErrorMessage"]
    assert {k for k in keys(sample("azmon-common-log-v2-fired.json")) if "ustomKey" not in k} <= keys(alert)


async def test_a_bare_log_alert_names_no_run(stage: Stage, door: Door):
    assert set(dimensions(await told(stage, "log_v2_bare"))) == {"PipelineName", "FailureType"}


async def test_an_old_log_alert_has_rows(stage: Stage, door: Door):
    alert = await told(stage, "log_v1")

    table = alert["data"]["alertContext"]["SearchResults"]["tables"][0]
    row = dict(zip([column["name"] for column in table["columns"]], table["rows"][0], strict=True))
    assert (row["PipelineName"], row["ResourceId"]) == ("nightly", PLACE.upper())
    assert row["RunId"] == (await stage.get("runs"))["runs"][0]["runId"]
    assert keys(sample("azmon-common-log-v1-numresults-fired.json")) <= keys(alert)
    assert keys(sample("prototype/doc_azure_log_alert_v1_search_results_adf.json")) <= keys(alert)


async def test_a_classic_metric_alert_has_the_older_envelope(stage: Stage, door: Door):
    alert = await told(stage, "metric_classic")

    assert (alert["schemaId"], alert["data"]["status"]) == ("AzureMonitorMetricAlert", "Activated")
    assert {k for k in keys(sample("azmon-noncommon-metric.json")) if "ustomKey" not in k} <= keys(alert)


async def test_a_flat_alert_is_somebodys_own(stage: Stage, door: Door):
    alert = await told(stage, "flat")

    assert set(alert) == set(sample("prototype/test_adf_flat_network_timeout.json"))
    assert (alert["pipelineName"], alert["dataFactoryName"]) == ("nightly", FACTORY)


@pytest.mark.parametrize(("target", "named"), [("workspace", "workspaces/logs-twin"), ("none", None)])
async def test_a_log_alert_may_point_elsewhere(stage: Stage, door: Door, target, named):
    essentials = (await told(stage, "log_v2", target=target))["data"]["essentials"]

    assert named is None or essentials["alertTargetIDs"][0].endswith(named)
    assert ("alertTargetIDs" in essentials) is (named is not None)


async def test_the_same_alert_may_come_twice(stage: Stage, door: Door):
    await told(stage, "log_v2", copies=2)
    await alerts(stage, 2)

    assert door.came[0] == door.came[1]


async def test_an_alert_is_repeated_while_the_door_is_busy(stage: Stage, door: Door):
    door.answers = [503, 429, 202]

    await told(stage, "log_v2")

    assert [one["status"] for one in (await alerts(stage, 1))[0]["tries"]] == [503, 429, 202]
    assert len(door.came) == 3


async def test_an_alert_is_given_up_after_a_few_tries(stage: Stage, door: Door):
    door.answers = [504] * 9

    await told(stage, "log_v2")

    assert len(door.came) == 3


async def test_a_refusal_is_final(stage: Stage, door: Door):
    door.answers = [404]

    await told(stage, "log_v2")

    assert len(door.came) == 1


async def test_a_door_that_is_not_there_is_tried_again(stage: Stage):
    await stage.put("action-group", url="http://127.0.0.1:9/hook", retry_seconds=[0.01])

    await told(stage, "log_v2")

    tries = (await alerts(stage, 1))[0]["tries"]
    assert [one["status"] for one in tries] == [None, None]
    assert tries[0]["error"].startswith("ConnectError")


@pytest.mark.parametrize("group", [{"url": "nowhere"}, {"url": "http://127.0.0.1:9", "headers": {"X-Secret": "…"}}])
async def test_an_alert_that_cannot_be_sent_says_why(stage: Stage, group):
    await stage.put("action-group", **group, retry_seconds=[])

    await told(stage, "log_v2")

    assert (await alerts(stage, 1))[0]["tries"][0]["error"]


async def test_an_alert_can_be_sent_again(stage: Stage, door: Door):
    await told(stage, "log_v2")

    again = await stage.post("alerts/1/again")
    await alerts(stage, 2)

    assert again["n"] == 2
    assert door.came[0] == door.came[1]


async def test_a_rerun_that_fails_raises_an_alert_too(stage: Stage, door: Door):
    await told(stage, "log_v2")
    run_id = (await stage.get("runs"))["runs"][0]["runId"]

    rerun = (await stage.post(f"runs/{run_id}/rerun"))["runId"]
    await alerts(stage, 2)

    assert [dimensions(alert)["PipelineRunId"] for alert in door.came] == [run_id, rerun]


async def test_debug_runs_raise_none(stage: Stage, door: Door):
    await stage.pipeline("nightly", "TypeConversion", alert="log_v2")

    await stage.ended(await stage.trigger("nightly", by="sandbox"))

    assert (await stage.get("alerts"))["alerts"] == []


async def test_an_alert_may_come_late_and_be_resolved(stage: Stage, door: Door):
    await stage.pipeline("nightly", "TypeConversion", alert="metric", delay=0.1, resolve_after=0.05)
    await stage.ended(await stage.trigger("nightly"))
    early = (await stage.get("alerts"))["alerts"]

    await alerts(stage, 2)

    essentials = [alert["data"]["essentials"] for alert in door.came]
    assert early == []
    assert [one["monitorCondition"] for one in essentials] == ["Fired", "Resolved"]
    assert essentials[0]["alertId"] == essentials[1]["alertId"]
    assert "resolvedDateTime" in essentials[1]
