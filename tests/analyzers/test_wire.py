"""Published payloads, as the platforms deliver them."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipemend.analyzers.rules import classify

WIRE = Path(__file__).resolve().parents[3] / "shared" / "wire"


def sample(name: str) -> Any:
    if not WIRE.is_dir():
        pytest.skip("the collection of published payloads is not beside the repository")
    return json.loads((WIRE / name).read_text())


@pytest.mark.parametrize(
    ("name", "error_type"),
    [
        ("adf-activity-error-copy-2200-sql.json", "SqlQueryError"),
        ("adf-activity-error-lookup-pathnotfound.json", "UserErrorSourceBlobNotExists"),
    ],
)
def test_errors_of_data_factory(name, error_type):
    error = sample(name)

    assert classify("data_factory", error["message"], error["errorCode"]).error_type == error_type


def test_a_run_that_failed_in_user_code():
    state = sample("databricks-run-get-user-code-failed.json")["state"]

    assert classify("databricks", state["state_message"]).error_type == "DatabricksJobExecutionError"


def test_a_library_that_nobody_was_allowed_to_install():
    tasks = sample("databricks-run-tasks-library-install-failed.json")["tasks"]

    said = classify("databricks", tasks[0]["state"]["state_message"])

    assert (said.error_type, said.remediable) == ("PermissionDenied", "no")


@pytest.mark.parametrize(
    ("name", "error_type"),
    [
        ("databricks-cluster-reason-launch-timeout.json", "DatabricksClusterStartFailure"),
        ("databricks-cluster-reason-cloud-launch-failure.json", "NetworkBlocked"),
    ],
)
def test_termination_reasons(name, error_type):
    assert classify("databricks", json.dumps(sample(name))).error_type == error_type


def test_error_bodies_of_databricks():
    said = [classify("databricks", json.dumps(body["body"]), str(body["status"])) for body in _bodies()]

    assert [diagnosis.error_type for diagnosis in said] == [
        "ThrottlingError",
        "ThrottlingError",
        "InvalidConfiguration",
        "PermissionDenied",
        "ServerBusy",
        "HttpClientError",
        "ObjectNotFound",
    ]


def _bodies() -> list[dict[str, Any]]:
    return list(sample("databricks-error-bodies.json"))
