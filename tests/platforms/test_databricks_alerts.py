"""Whatever Databricks, an alert rule or a person's script posts about a failed job."""

import json
from base64 import b64encode

import pytest

from pipemend.clients.azure_monitor import open_envelope
from pipemend.core.alert import Alert, Call, Door, Reading
from pipemend.core.clock import WallClock
from pipemend.core.errors import BadDelivery
from pipemend.platforms.databricks import Databricks, build
from pipemend.settings import Settings
from tests.clients.samples import sample

SETTINGS = {
    "DATABRICKS_HOST": "adb-12345.7.azuredatabricks.net",
    "DATABRICKS_TOKEN": "secret",
    "DATABRICKS_WEBHOOK_USER": "databricks",
    "DATABRICKS_WEBHOOK_PASSWORD": "pass:word",
}
HOST = "adb-12345.7.azuredatabricks.net"


@pytest.fixture
def dbx() -> Databricks:
    return build(Settings.of(SETTINGS), WallClock())


def read(dbx: Databricks, body: object) -> Reading:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    found = dbx.doors[0].read(Call("/databricks-monitor", {}, {}, raw))
    assert isinstance(found, Reading)
    return found


def only(dbx: Databricks, body: object) -> Alert:
    [alert] = read(dbx, body).alerts
    return alert


def knocks(door: Door, given: str) -> bool:
    return door.admits(Call(door.path, {}, {"authorization": given}, b""))


def test_the_door_asks_for_user_and_password(dbx: Databricks):
    [door] = dbx.doors
    right = b64encode(b"databricks:pass:word").decode()
    assert knocks(door, f"Basic {right}")
    assert knocks(door, f"basic {right}")
    wrong = ("", "Basic", "Basic !", f"Bearer {right}", "Basic " + b64encode(b"databricks:").decode(), "Basic Zé")
    assert not any(knocks(door, given) for given in wrong)


def test_without_its_secret_the_door_is_not_there():
    assert build(Settings.of({"DATABRICKS_HOST": HOST, "DATABRICKS_TOKEN": "x"}), WallClock()).doors == ()


@pytest.mark.parametrize(
    ("name", "run_id", "job", "message"),
    [
        ("databricks-webhook-job-on-failure.json", "run_id", "job_name", ""),
        ("databricks-webhook-task-on-failure-filled.json", "54321", "production_pipeline", ""),
        ("prototype/doc_databricks_event_delivery_on_failure.json", "204354054874177", "test4", "Run failed"),
        ("prototype/doc_databricks_job_failure.json", "123456", "TEST_Job", "TEST: Job failed intentionally"),
        ("prototype/doc_databricks_custom_pascal_case.json", "204354054874177", "test4", "Job failed"),
        ("prototype/test_databricks_flat.json", "test-12345", "TestJob", "Cluster failed to start"),
        (
            "prototype/test_databricks_driver_unreachable.json",
            "test-dbx-run-<epoch>",
            "daily_etl_job",
            "DRIVER_UNREACH",
        ),
        ("prototype/doc_databricks_runs_get.json", "456", "job-name", "Run failed with error"),
    ],
)
def test_every_shape_names_its_run(dbx: Databricks, name: str, run_id: str, job: str, message: str):
    alert = only(dbx, sample(name))
    assert (alert.platform, alert.run_id, alert.pipeline) == ("databricks", run_id, job)
    assert alert.error_message.startswith(message)


def test_a_failed_task_speaks_of_the_run_of_its_job(dbx: Databricks):
    alert = only(dbx, sample("databricks-webhook-task-on-failure-filled.json"))
    assert (alert.activity, alert.resource) == ("process_data", HOST)


@pytest.mark.parametrize(
    "name",
    [
        "databricks-webhook-task-on-start.json",
        "prototype/test_databricks_cluster_webhook_config.json",
        "prototype/real_databricks_clusters_get_terminated.json",
        "prototype/real_databricks_clusters_get_running.json",
    ],
)
def test_what_is_no_failure_opens_nothing(dbx: Databricks, name: str):
    try:
        found = read(dbx, sample(name))
    except BadDelivery:
        return
    assert not found.alerts
    assert found.ignored


@pytest.mark.parametrize("event", ["jobs.on_success", "jobs.on_start", "jobs.on_duration_warning_threshold_exceeded"])
def test_other_events_open_nothing(dbx: Databricks, event: str):
    found = read(dbx, {"event_type": event, "run": {"run_id": 1}, "job": {"job_id": 2, "name": "x"}})
    assert (found.alerts, found.ignored) == ((), f"{event} is no failure")


@pytest.mark.parametrize(
    ("name", "cluster", "code"),
    [
        ("prototype/doc_databricks_cluster_failed_to_start.json", "1234-567890-abc123", "INSTANCE_UNREACHABLE"),
        ("prototype/doc_databricks_cluster_terminated.json", "1234-567890-abc123", "DRIVER_NOT_RESPONDING"),
        ("prototype/doc_databricks_cluster_event.json", "0123-456789-abc123", "DRIVER_UNREACHABLE"),
        ("prototype/doc_databricks_clusters_get.json", "0123-456789-abc123", "DRIVER_UNREACHABLE"),
    ],
)
def test_a_broken_cluster_is_an_alert_without_a_run(dbx: Databricks, name: str, cluster: str, code: str):
    alert = only(dbx, sample(name))
    assert (alert.run_id, alert.activity, alert.activity_type) == (None, cluster, "cluster")
    assert alert.error_code == code


@pytest.mark.parametrize("end", [{"code": "INACTIVITY", "type": "SUCCESS"}, {"code": "USER_REQUEST"}])
def test_an_idle_cluster_opens_nothing(dbx: Databricks, end: dict[str, str]):
    body = {
        "event": "cluster.terminated",
        "cluster": {"cluster_id": "c", "state": "TERMINATED", "termination_reason": end},
    }
    assert "ended as it should" in read(dbx, body).ignored


@pytest.mark.parametrize("number", [12345, "12345"])
def test_a_workspace_is_known_by_its_number(dbx: Databricks, number: object):
    body = {"event_type": "jobs.on_failure", "workspace_id": number, "run": {"run_id": 1}, "job": {"name": "x"}}
    assert only(dbx, body).resource == HOST
    assert only(dbx, {**body, "workspace_id": "999"}).resource == "999"
    assert only(dbx, {**body, "workspace_id": "your_workspace_id"}).resource == HOST
    del body["workspace_id"]
    assert only(dbx, body).resource is None


def test_an_alert_of_azure_monitor_on_a_cluster_is_read(dbx: Databricks):
    [signal] = open_envelope(sample("prototype/doc_azure_log_alert_databricks_cluster.json")).signals
    alert = dbx.read(signal)
    assert alert is not None
    assert (alert.pipeline, alert.error_code) == ("cluster prod-ml-cluster", "DRIVER_UNREACHABLE")
    assert (alert.failure_type, alert.window is not None) == ("CLOUD_FAILURE", True)
    assert only(dbx, sample("prototype/doc_azure_log_alert_databricks_cluster.json")) == alert


@pytest.mark.parametrize("body", [b"", b"[1]", b"{}", b'"text"', b'{"event_type": "jobs.on_failure"}'])
def test_a_body_that_makes_no_sense_is_refused(dbx: Databricks, body: bytes):
    with pytest.raises(BadDelivery):
        read(dbx, body)
