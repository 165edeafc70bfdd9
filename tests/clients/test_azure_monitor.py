"""Every envelope of Azure Monitor is opened, and nothing that is sent makes it stumble."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipemend.clients.azure_monitor import Envelope, open_envelope
from pipemend.core.alert import Signal
from pipemend.core.errors import BadDelivery
from tests.clients.samples import sample

FACTORY = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.DataFactory/factories/ADF-Prod"
WORKSPACE = "/subscriptions/s/resourcegroups/rg/providers/microsoft.operationalinsights/workspaces/logs"


def opened(body: Any) -> Envelope:
    return open_envelope(json.dumps(body).encode())


def common(context: Any = None, **essentials: Any) -> dict[str, Any]:
    told = {"alertRule": "runs failed", "monitorCondition": "Fired", "alertTargetIDs": [FACTORY], **essentials}
    return {
        "schemaId": "azureMonitorCommonAlertSchema",
        "data": {"essentials": told, "alertContext": {} if context is None else context},
    }


def log_v1(columns: list[str], *rows: list[Any], query: str = "ADFPipelineRun", **more: Any) -> dict[str, Any]:
    table = {"name": "PrimaryResult", "columns": [{"name": name} for name in columns], "rows": list(rows)}
    return {"SearchQuery": query, "SearchResults": {"tables": [table]}, **more}


def test_a_metric_alert_gives_dimensions_metric_and_window():
    [signal] = open_envelope(sample("azmon-common-metric-adf-failedruns.json")).signals

    assert signal.target == (
        "/subscriptions/sub-1/resourcegroups/dataq-harness-rg/providers/microsoft.datafactory/factories/dataq-harness-adf"
    )
    assert signal.fields == {"FailureType": "UserError", "Name": "pl_flow_a_orders"}
    assert signal.metric == "PipelineFailedRuns"
    assert signal.window == (datetime(2026, 7, 2, 2, 56, tzinfo=UTC), datetime(2026, 7, 2, 3, 1, tzinfo=UTC))
    assert signal.rule == "dataq-adf-failed-runs"


def test_the_window_is_taken_as_told_when_it_is_one():
    start, end = "2026-07-02T03:00:00Z", "2026-07-02T03:05:00Z"
    condition = {"windowSize": "PT5M", "allOf": [{}], "windowStartTime": start, "windowEndTime": end}
    [signal] = opened(common({"condition": condition})).signals

    assert signal.window == (datetime.fromisoformat(start), datetime.fromisoformat(end))


@pytest.mark.parametrize(
    ("size", "minutes"), [("PT5M", 5), ("PT1H", 60), ("P1D", 1440), ("PT1H30M", 90), ("PT300S", 5), ("15", 15)]
)
def test_a_window_of_which_only_the_size_is_told_ends_when_the_alert_fired(size: str, minutes: int):
    body = common({"condition": {"windowSize": size, "allOf": [{}]}}, firedDateTime="2026-07-02T12:00:00.1234567Z")
    [signal] = opened(body).signals

    assert signal.window is not None
    assert signal.window[1] == signal.fired_at
    assert (signal.window[1] - signal.window[0]).total_seconds() == minutes * 60


@pytest.mark.parametrize("size", ["", "P", "five minutes", "-PT5M", "PT", None, {}, 10**9, "P99999999D"])
def test_a_window_of_no_size_is_none(size: Any):
    body = common({"condition": {"windowSize": size, "allOf": [{}]}}, firedDateTime="2026-07-02T12:00:00Z")

    assert opened(body).signals[0].window is None


def test_a_log_alert_v2_gives_every_set_of_dimensions():
    [signal] = open_envelope(sample("prototype/real_azure_log_alert_v2_adf.json")).signals

    assert signal.target is None
    assert signal.fields["PipelineRunId"] == "531b0498-3d4b-4fa0-b5ed-2c0a7a4075a9"
    assert signal.fields["ErrorCode"] == "2200"


def test_all_criteria_of_an_alert_are_signals():
    criteria = [{"dimensions": [{"name": "PipelineName", "value": name}]} for name in ("a", "b", "c")]

    assert [s.fields["PipelineName"] for s in opened(common({"condition": {"allOf": criteria}})).signals] == list("abc")


def test_a_log_alert_v1_gives_every_row_by_position():
    body = common(log_v1(["RunId", "PipelineName"], ["1", "a"], ["2", None], ["3"], ["4", "d", "too much"]))

    assert [s.fields for s in opened(body).signals] == [
        {"RunId": "1", "PipelineName": "a"},
        {"RunId": "2"},
        {"RunId": "3"},
        {"RunId": "4", "PipelineName": "d"},
    ]


def test_all_tables_are_read():
    results = {"tables": [{"columns": [{"name": "RunId"}], "rows": [[n]]} for n in ("1", "2")]}

    assert [s.fields["RunId"] for s in opened(common({"SearchResults": results})).signals] == ["1", "2"]


def test_the_published_log_alert_v1_is_read_by_its_columns():
    [signal] = open_envelope(sample("prototype/doc_azure_log_alert_v1_search_results_adf.json")).signals

    assert signal.fields["RunId"] == "run-123-abc"
    assert signal.fields["ErrorMessage"] == "File not found error"


def test_a_log_alert_without_a_schema_is_read_as_v1():
    first, second = open_envelope(sample("azmon-noncommon-log-v1-metric-measurement.json")).signals

    assert first.fields["AggregatedValue"] == second.fields["AggregatedValue"] == "11"
    assert first.target is None
    assert first.window == (
        datetime(2021, 11, 15, 15, 16, 49, tzinfo=UTC),
        datetime(2021, 11, 16, 15, 16, 49, tzinfo=UTC),
    )


def test_the_older_schema_of_log_alerts_is_the_same_in_data():
    data = log_v1(["RunId"], ["7"], AlertRuleName="failed", ResourceId=WORKSPACE)
    [signal] = opened({"schemaId": "Microsoft.Insights/LogAlert", "data": data}).signals

    assert (signal.fields, signal.rule, signal.target) == ({"RunId": "7"}, "failed", None)


def test_a_metric_alert_of_the_older_schema_is_read():
    [signal] = open_envelope(sample("azmon-noncommon-metric.json")).signals

    assert signal.metric == "Transactions"
    assert signal.fields == {"customKey1": "value1", "customKey2": "value2", "ApiName": "GetBlob"}
    assert signal.target is not None
    assert signal.target.endswith("/microsoft.storage/storageaccounts/test-storageaccount")


def test_the_classic_alert_of_2015_is_read():
    context = {
        "timestamp": "2015-08-14T22:26:41.9975398Z",
        "name": "failed runs",
        "description": "",
        "condition": {"metricName": "PipelineFailedRuns", "windowSize": "5", "timeAggregation": "Total"},
        "resourceId": FACTORY,
    }
    [signal] = opened({"status": "Activated", "context": context, "properties": {"key1": "value1"}}).signals

    assert (signal.metric, signal.target, signal.rule) == ("PipelineFailedRuns", FACTORY.lower(), "failed runs")
    assert signal.window is not None
    assert signal.fields == {"key1": "value1"}


def test_an_activity_log_alert_is_about_its_target():
    [signal] = open_envelope(sample("azmon-common-activitylog-fired.json")).signals

    assert signal.target is not None
    assert signal.target.endswith("/microsoft.compute/virtualmachines/test-vm")


@pytest.mark.parametrize(
    "name", ["test_azure_common_schema_context_properties", "test_azure_minimal_context_properties"]
)
def test_properties_under_context_are_read(name: str):
    [signal] = open_envelope(sample(f"prototype/{name}.json")).signals

    assert signal.fields["PipelineRunId"].startswith(("run-2025", "test-run"))


def test_properties_of_the_alert_context_are_read_with_what_stands_beside_them():
    [signal] = open_envelope(sample("prototype/test_azure_gateway_timeout_properties.json")).signals

    assert signal.fields["ErrorCode"] == "GatewayTimeout"
    assert signal.fields["factoryName"] == "adf-example"
    assert json.loads(signal.fields["Error"])["failureType"] == "UserError"


def test_flat_json_is_one_failure():
    [signal] = open_envelope(sample("prototype/test_adf_flat_network_timeout.json")).signals

    assert signal.fields["dataFactoryName"] == "test-adf-instance"
    assert signal.fields["errorCode"] == "NetworkTimeout"


@pytest.mark.parametrize(
    "name", ["pipeline_name", "PipelineName", "pipelineName", "run_id", "RunId", "error", "Error-Code"]
)
def test_flat_names_are_compared_without_case_and_underscores(name: str):
    assert opened({name: "x"}).signals[0].fields == {name: "x"}


def test_a_list_of_flat_bodies_is_read_item_by_item():
    signals = opened([{"pipeline_name": "a"}, {"pipeline_name": "b", "status": "Succeeded"}, {"run_id": 7}]).signals

    assert [signal.fields for signal in signals] == [{"pipeline_name": "a"}, {"run_id": "7"}]


@pytest.mark.parametrize("status", ["Succeeded", "InProgress", "success", "Cancelled", "Queued"])
def test_a_flat_body_about_no_failure_opens_nothing(status: str):
    envelope = opened({"pipeline_name": "a", "run_id": "1", "status": status})

    assert envelope == Envelope(ignored=f"the status is {status}: nothing failed")


@pytest.mark.parametrize("name", ["azmon-common-metric-resolved.json", "azmon-noncommon-metric-deactivated.json"])
def test_the_end_of_an_alert_opens_nothing(name: str):
    envelope = open_envelope(sample(name))

    assert envelope.signals == ()
    assert "is over" in envelope.ignored


@pytest.mark.parametrize(
    "essentials",
    [
        {"monitoringService": "Test Notification"},
        {"alertRule": "Test Alert", "description": "This is a test notification of the action group"},
    ],
)
def test_a_test_notification_opens_nothing(essentials: dict[str, str]):
    envelope = opened(common({"condition": {"allOf": [{}]}}, **essentials))

    assert envelope.signals == ()
    assert "test notification" in envelope.ignored


def test_a_rule_that_is_only_called_test_is_no_test():
    assert opened(common({"condition": {"allOf": [{}]}}, alertRule="Test_Timeout_Error_Alert")).signals


@pytest.mark.parametrize(
    "context",
    [
        log_v1(["RunId"], ["1"], query="ADFSandboxPipelineRun | where Status == 'Failed'"),
        log_v1(["RunId", "Type"], ["1", "ADFSandboxActivityRun"], query="union ADF*"),
        {"condition": {"allOf": [{"searchQuery": "ADFSandboxActivityRun", "dimensions": []}]}},
    ],
)
def test_debug_runs_open_nothing(context: dict[str, Any]):
    envelope = opened(common(context))

    assert envelope.signals == ()
    assert "debug runs" in envelope.ignored


def test_real_runs_beside_debug_runs_are_read():
    query = "union ADFPipelineRun, ADFSandboxPipelineRun"
    rows = ["1", "ADFSandboxPipelineRun"], ["2", "ADFPipelineRun"]

    assert [s.fields["RunId"] for s in opened(common(log_v1(["RunId", "Type"], *rows, query=query))).signals] == ["2"]


def test_rows_that_did_not_fail_are_left_out():
    body = common(log_v1(["RunId", "Status"], ["1", "Succeeded"], ["2", "Failed"]))

    assert [s.fields["RunId"] for s in opened(body).signals] == ["2"]


@pytest.mark.parametrize(
    "targets", [None, [], [WORKSPACE], ["/subscriptions/s"], ["/subscriptions/s/resourceGroups/rg"]]
)
def test_a_place_of_logs_is_no_target(targets: Any):
    assert opened(common({}, alertTargetIDs=targets)).signals[0].target is None


def test_of_several_targets_the_one_that_is_a_resource_counts():
    assert opened(common({}, alertTargetIDs=[WORKSPACE, FACTORY])).signals[0].target == FACTORY.lower()


def test_a_dimension_may_name_the_resource():
    other = FACTORY.replace("ADF-Prod", "adf-two")
    criterion = {"dimensions": [{"name": "microsoft.resourceId", "value": other}]}

    assert opened(common({"condition": {"allOf": [criterion]}})).signals[0].target == other.lower()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", "body"),
        (b"<html>", "body"),
        (b'{"a": ', "body"),
        (b"3", "body"),
        (b"null", "body"),
        (b'"text"', "body"),
        (b"[3]", "body[0]"),
        (b"[[]]", "body[0]"),
        (b"{}", "schemaId"),
        (b'{"hello": "world"}', "schemaId"),
        (b'{"schemaId": "azureMonitorCommonAlertSchema"}', "data"),
        (b'{"data": []}', "data"),
        (b'{"data": {}}', "data.essentials"),
        (b'{"data": {"essentials": {}}}', "data.alertContext"),
        (b'{"data": {"essentials": 3, "alertContext": {}}}', "data.essentials"),
        (b'{"data": {"essentials": {"alertTargetIDs": 3}, "alertContext": {}}}', "data.essentials.alertTargetIDs"),
        (b'{"data": {"alertContext": {"condition": []}}}', "data.alertContext.condition"),
        (b'{"data": {"alertContext": {"condition": {"allOf": {}}}}}', "data.alertContext.condition.allOf"),
        (b'{"data": {"alertContext": {"condition": {"allOf": [1]}}}}', "data.alertContext.condition.allOf[0]"),
        (
            b'{"data": {"alertContext": {"condition": {"allOf": [{"dimensions": ["x"]}]}}}}',
            "data.alertContext.condition.allOf[0].dimensions[0]",
        ),
        (b'{"data": {"alertContext": {"SearchResults": []}}}', "data.alertContext.SearchResults"),
        (
            b'{"data": {"alertContext": {"SearchResults": {"tables": [{"rows": [{}]}]}}}}',
            "data.alertContext.SearchResults.tables[0].rows",
        ),
        (b'{"schemaId": "AzureMonitorMetricAlert", "data": {"status": "Activated", "context": 3}}', "data.context"),
        (b"[" * 60 + b"]" * 60, "body"),
        (b'{"data":' * 50_000 + b"1" + b"}" * 50_000, "body"),
    ],
)
def test_what_makes_no_sense_is_refused_by_the_name_of_its_field(body: bytes, field: str):
    with pytest.raises(BadDelivery) as refused:
        open_envelope(body)

    assert refused.value.field == field


def test_odd_characters_and_numbers_do_no_harm():
    body = (
        b'{"pipeline_name": "a\\u0000\\ud800b", "run_id": 1e999, "error": NaN, "error_code": '
        + b"9" * 5000
        + b', "error_code": "2200", "error_message": "caf\xe9"}'
    )
    [signal] = open_envelope(body).signals

    assert signal.fields["pipeline_name"] == "a�b"
    assert signal.fields["error_code"] == "2200"
    assert signal.fields["error_message"] == "caf�"
    assert "error" not in signal.fields
    assert all(value.encode() for value in signal.fields.values())


def test_a_byte_order_mark_is_no_obstacle():
    assert open_envelope(b"\xef\xbb\xbf" + b'{"run_id": "1"}').signals


def test_a_long_error_keeps_head_and_tail():
    [signal] = opened({"run_id": "1", "error": "begin" + "x" * 200_000 + "end"}).signals

    assert len(signal.fields["error"].encode()) <= 32 * 1024
    assert signal.fields["error"].startswith("begin")
    assert signal.fields["error"].endswith("end")


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
NAMES = st.sampled_from(
    [
        *(
            "schemaId",
            "data",
            "essentials",
            "alertContext",
            "context",
            "condition",
            "allOf",
            "dimensions",
            "name",
            "value",
        ),
        *("SearchResults", "SearchQuery", "tables", "columns", "rows", "properties", "status", "monitorCondition"),
        *("alertTargetIDs", "firedDateTime", "windowSize", "windowStartTime", "run_id", "pipelineName", "error"),
        *("activityLog", "customProperties", "Dimensions"),
    ]
)
WORDS = st.sampled_from(
    [
        *(
            "azureMonitorCommonAlertSchema",
            "AzureMonitorMetricAlert",
            "Microsoft.Insights/LogAlert",
            "Fired",
            "Resolved",
        ),
        *("Activated", "PT5M", "2026-07-02T03:00:00Z", "0001-01-01T00:00:00Z", "P99999D", FACTORY, WORKSPACE),
    ]
)
JSON = st.recursive(
    SCALARS | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES | st.text(max_size=5), inner, max_size=6),
    max_leaves=40,
)


ENVELOPES = st.builds(
    lambda essentials, context, outer: {"data": {"essentials": essentials, "alertContext": context, "context": outer}},
    st.dictionaries(NAMES, JSON, max_size=5),
    st.dictionaries(NAMES, JSON, max_size=5),
    st.dictionaries(NAMES, JSON, max_size=3),
)


def stands(body: bytes) -> None:
    """The body is opened, or refused by the name of a field."""
    try:
        envelope = open_envelope(body)
    except BadDelivery as error:
        refused = error
    else:
        assert bool(envelope.signals) != bool(envelope.ignored)
        assert all(isinstance(signal, Signal) for signal in envelope.signals)
        return
    assert refused.field


@given(JSON | ENVELOPES)
def test_any_json_is_an_envelope_or_a_bad_delivery(value: Any):
    stands(json.dumps(value).encode())


@given(st.binary(max_size=200))
def test_any_bytes_are_an_envelope_or_a_bad_delivery(body: bytes):
    stands(body)


PUBLISHED = {
    "azmon-common-activitylog-fired.json": 1,
    "azmon-common-log-v1-numresults-fired.json": 1,
    "azmon-common-log-v2-fired.json": 1,
    "azmon-common-metric-adf-failedruns.json": 1,
    "azmon-common-metric-dynamic-fired.json": 1,
    "azmon-common-metric-resolved.json": 0,
    "azmon-common-metric-static-fired.json": 1,
    "azmon-noncommon-log-v1-metric-measurement.json": 2,
    "azmon-noncommon-metric-deactivated.json": 0,
    "azmon-noncommon-metric.json": 1,
    "prototype/doc_azure_log_alert_databricks_cluster.json": 1,
    "prototype/doc_azure_log_alert_v1_search_results_adf.json": 1,
    "prototype/real_adf_pipeline_run_get_queued.json": 0,
    "prototype/real_azure_log_alert_v2_adf.json": 1,
    "prototype/test_adf_flat_network_timeout.json": 1,
    "prototype/test_azure_common_schema_context_properties.json": 1,
    "prototype/test_azure_gateway_timeout_properties.json": 1,
    "prototype/test_azure_minimal_context_properties.json": 1,
    "prototype/test_databricks_flat.json": 1,
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_published_payload_is_opened(name: str):
    assert len(open_envelope(sample(name)).signals) == PUBLISHED[name]
