"""What an alert says about runs of Data Factory."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipemend.clients.azure_monitor import open_envelope
from pipemend.core.alert import Alert, Signal
from pipemend.core.run import Resource
from pipemend.platforms.data_factory.alerts import read
from tests.clients.samples import sample

PLACE = "/subscriptions/s/resourcegroups/rg/providers"
FACTORY = f"{PLACE}/microsoft.datafactory/factories/adf-prod"
CONNECTED = Resource("data_factory", FACTORY, "ADF-Prod")
FIRED = datetime(2026, 11, 24, 10, tzinfo=UTC)
WINDOW = (FIRED - timedelta(minutes=5), FIRED)


def named(name: str) -> Resource | None:
    return CONNECTED if name.lower() == "adf-prod" else None


def alert_of(fields: dict[str, str], target: str | None = None, **more: Any) -> Alert | None:
    return read(Signal(target=target, fields=fields, **more), named)


def the_alert(fields: dict[str, str], target: str | None = None, **more: Any) -> Alert:
    found = alert_of(fields, target, **more)
    assert found is not None
    return found


def alerts_in(body: bytes) -> list[Alert]:
    read_all = (read(signal, named) for signal in open_envelope(body).signals)
    return [alert for alert in read_all if alert]


def test_the_metric_of_failed_runs_names_pipeline_and_window():
    alert = the_alert(
        {"Name": "nightly", "FailureType": "UserError"}, FACTORY, metric="PipelineFailedRuns", window=WINDOW
    )

    assert (alert.resource, alert.pipeline, alert.run_id) == (FACTORY, "nightly", None)
    assert (alert.window, alert.failure_type) == (WINDOW, "UserError")


def test_the_metric_of_failed_activities_names_an_activity():
    alert = the_alert({"Name": "Copy data1"}, FACTORY, metric="ActivityFailedRuns", window=WINDOW)

    assert (alert.pipeline, alert.activity) == (None, "Copy data1")


def test_the_metric_of_failed_activities_may_name_the_pipeline_too():
    alert = the_alert({"Name": "Copy data1", "PipelineName": "nightly"}, FACTORY, metric="ActivityFailedRuns")

    assert (alert.pipeline, alert.activity) == ("nightly", "Copy data1")


@pytest.mark.parametrize("fields", [{}, {"Name": "*"}])
def test_a_metric_that_is_not_split_still_counts_failures(fields: dict[str, str]):
    alert = the_alert(fields, FACTORY, metric="PipelineFailedRuns", window=WINDOW)

    assert (alert.pipeline, alert.run_id, alert.window) == (None, None, WINDOW)


@pytest.mark.parametrize(
    "metric", ["TriggerFailedRuns", "PipelineElapsedTimeRuns", "IntegrationRuntimeCpuPercentage", ""]
)
def test_another_metric_of_a_factory_is_about_no_run(metric: str):
    assert alert_of({"Name": "nightly"}, FACTORY, metric=metric) is None


@pytest.mark.parametrize(
    "target",
    [
        f"{PLACE}/microsoft.compute/virtualmachines/vm",
        f"{PLACE}/microsoft.synapse/workspaces/synapse",
        f"{PLACE}/microsoft.databricks/workspaces/dbx",
        f"{PLACE}/microsoft.datafactory/factories",
    ],
)
def test_what_happens_to_something_else_is_not_ours(target: str):
    assert alert_of({"PipelineName": "nightly", "RunId": "1"}, target) is None


def test_something_within_a_factory_is_the_factory():
    assert the_alert({"RunId": "1"}, f"{FACTORY}/pipelines/nightly".upper()).resource == FACTORY


@pytest.mark.parametrize(
    "fields",
    [
        {"dataFactoryName": "adf-prod"},
        {"FactoryName": "ADF-PROD"},
        {"ResourceId": FACTORY.upper()},
        {"_ResourceId": FACTORY},
        {"resource": "ADF-Prod"},
        {"ResourceId": f"{PLACE}/Microsoft.OperationalInsights/workspaces/logs", "factory_name": "adf-prod"},
    ],
)
def test_a_factory_is_known_by_its_id_or_its_bare_name(fields: dict[str, str]):
    assert the_alert({"PipelineName": "nightly", **fields}).resource == FACTORY


@pytest.mark.parametrize(
    ("fields", "resource"),
    [
        ({"dataFactoryName": "ADF-Other"}, "adf-other"),
        ({"ResourceId": FACTORY.replace("adf-prod", "ADF-Other")}, FACTORY.replace("adf-prod", "adf-other")),
        ({}, None),
    ],
)
def test_a_factory_we_do_not_know_is_never_taken_for_ours(fields: dict[str, str], resource: str | None):
    assert the_alert({"PipelineName": "nightly", **fields}).resource == resource


@pytest.mark.parametrize("name", ["PipelineRunId", "RunId", "runId", "run_id", "pipeline_run_id", "runId_g"])
def test_the_run_is_named_in_many_ways(name: str):
    assert the_alert({name: "1f496d07"}).run_id == "1f496d07"


def test_the_run_of_the_pipeline_counts_before_any_other():
    assert the_alert({"RunId": "activity", "PipelineRunId": "pipeline"}).run_id == "pipeline"


@pytest.mark.parametrize(
    "fields", [{"JobId": "7"}, {"ClusterId": "c"}, {"job_name": "etl", "run_id": "1"}, {"dag_id": "d", "run_id": "1"}]
)
def test_what_looks_like_another_platform_is_not_ours(fields: dict[str, str]):
    assert alert_of({"ErrorMessage": "failed", **fields}) is None


def test_a_pipeline_with_a_databricks_activity_is_ours():
    assert the_alert({"PipelineName": "nightly", "ClusterId": "c"}).pipeline == "nightly"


def test_names_too_long_to_be_keys_are_cut():
    alert = the_alert({"PipelineName": "n" * 9000, "RunId": "r" * 9000, "dataFactoryName": "f" * 9000})

    assert (alert.pipeline, alert.run_id, alert.resource) == ("n" * 260, "r" * 200, "f" * 400)


def test_an_error_alone_names_nothing():
    assert alert_of({"ErrorMessage": "failed"}) is None


def test_an_error_that_is_an_object_fills_what_is_missing():
    error = json.dumps({"errorCode": "2200", "message": "no such file", "failureType": "UserError"})
    alert = the_alert({"RunId": "1", "Error": error})

    assert (alert.error_code, alert.error_message, alert.failure_type) == ("2200", "no such file", "UserError")


def test_a_plain_message_counts_before_the_object():
    alert = the_alert({"RunId": "1", "Error": json.dumps({"message": "inner"}), "ErrorMessage": "outer"})

    assert alert.error_message == "outer"


def test_secrets_do_not_pass():
    alert = the_alert({"RunId": "1", "ErrorMessage": "AccountKey=abc123==;Endpoint=x"})

    assert "abc123" not in alert.error_message


def test_when_it_failed_is_told_by_the_fields_or_by_the_alert():
    assert the_alert({"RunId": "1", "endTime": "2026-11-24T09:58:00.1234567Z"}, fired_at=FIRED).failed_at == datetime(
        2026, 11, 24, 9, 58, 0, 123456, tzinfo=UTC
    )
    assert the_alert({"RunId": "1", "endTime": "yesterday"}, fired_at=FIRED).failed_at == FIRED


def test_several_activities_of_a_run_are_several_alerts_of_that_run():
    columns = [{"name": name} for name in ("PipelineName", "PipelineRunId", "ActivityName")]
    rows = [["nightly", "1", "Copy data1"], ["nightly", "1", "Copy data2"]]
    body = {"SearchQuery": "ADFActivityRun", "SearchResults": {"tables": [{"columns": columns, "rows": rows}]}}
    alerts = alerts_in(json.dumps(body).encode())

    assert [alert.run_id for alert in alerts] == ["1", "1"]
    assert [alert.activity for alert in alerts] == ["Copy data1", "Copy data2"]


@given(
    st.dictionaries(
        st.sampled_from(["RunId", "Error", "Name", "ResourceId", "factory", "x_g", ""]) | st.text(), st.text()
    )
)
def test_any_fields_are_read(fields: dict[str, str]):
    alert_of(fields)


# What each published payload is read as: factory, pipeline, run.
PUBLISHED: dict[str, list[tuple[str | None, str | None, str | None]]] = {
    "azmon-common-activitylog-fired.json": [],
    "azmon-common-log-v1-numresults-fired.json": [],
    "azmon-common-log-v2-fired.json": [],
    "azmon-common-metric-adf-failedruns.json": [("dataq-harness-adf", "pl_flow_a_orders", None)],
    "azmon-common-metric-dynamic-fired.json": [],
    "azmon-common-metric-resolved.json": [],
    "azmon-common-metric-static-fired.json": [],
    "azmon-noncommon-log-v1-metric-measurement.json": [],
    "azmon-noncommon-metric-deactivated.json": [],
    "azmon-noncommon-metric.json": [],
    "prototype/contract_airflow_callback_full.json": [],
    "prototype/doc_airflow_task_failure.json": [],
    "prototype/doc_azure_log_alert_databricks_cluster.json": [],
    "prototype/doc_azure_log_alert_v1_search_results_adf.json": [(None, "my-pipeline", "run-123-abc")],
    "prototype/doc_databricks_custom_pascal_case.json": [],
    "prototype/real_adf_pipeline_run_get_queued.json": [],
    "prototype/real_azure_log_alert_v2_adf.json": [(None, "Copy_to_database", "531b0498-3d4b-4fa0-b5ed-2c0a7a4075a9")],
    "prototype/test_adf_flat_network_timeout.json": [
        ("test-adf-instance", "load_customer_data_pipeline", "test-run-<epoch>")
    ],
    "prototype/test_azure_common_schema_context_properties.json": [
        ("adf-example", "sales_etl_pipeline", "run-20251120-001")
    ],
    "prototype/test_azure_gateway_timeout_properties.json": [
        ("adf-example", "Test_Timeout_Error", "test-run-<epoch>-auto-remediation")
    ],
    "prototype/test_azure_minimal_context_properties.json": [(None, "TestPipeline", "test-run-123")],
    "prototype/test_databricks_driver_unreachable.json": [],
    "prototype/test_databricks_flat.json": [],
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_published_payload_is_read_as_what_it_is(name: str):
    found = [(a.resource and a.resource.rpartition("/")[2], a.pipeline, a.run_id) for a in alerts_in(sample(name))]

    assert found == PUBLISHED[name]
