"""What the rules make of messages: facts before words, the inner cause before its wrapper, and no guessing."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipemend.analyzers.rules import Rules, classify, explain
from pipemend.core.playbook import ERROR_TYPES
from pipemend.core.rca import UNCLASSIFIED, Failure, Fault, History, Remediable

HOUSE = Path(__file__).resolve().parents[2]

# Short forms of what the vendors print, one or more for every error type.
SAID = [
    ("data_factory", "2108", "Invoking endpoint failed with status code: '504', message: 'x'", "GatewayTimeout"),
    ("data_factory", "", "502 - Web server received a response while acting as a gateway", "GatewayTimeout"),
    ("data_factory", "", "An existing connection was forcibly closed by the remote host", "HttpConnectionFailed"),
    ("databricks", "", "('Connection aborted.', RemoteDisconnected('Remote end closed'))", "HttpConnectionFailed"),
    ("data_factory", "", "Rest call failed, status code 429 TooManyRequests", "ThrottlingError"),
    ("databricks", "REQUEST_LIMIT_EXCEEDED", "nope", "ThrottlingError"),
    ("databricks", "", "Cluster terminated. Reason: Unexpected Launch Failure", "DatabricksClusterStartFailure"),
    ("databricks", "", "java.lang.OutOfMemoryError: GC overhead limit exceeded", "ClusterMemoryExhausted"),
    ("databricks", "", "Library installation failed for library due to user error", "LibraryInstallationFailed"),
    ("databricks", "", "Workload failed, see run output for details.", "DatabricksJobExecutionError"),
    ("data_factory", "3204", "Job execution failed.", "DatabricksJobExecutionError"),
    ("data_factory", "", "ErrorCode=UserErrorSourceBlobNotExist,Message=x", "UserErrorSourceBlobNotExists"),
    ("data_factory", "", "ErrorCode: 'PathNotFound'. Message: 'x'", "UserErrorSourceBlobNotExists"),
    ("data_factory", "LinkedServiceError", "", "LinkedServiceError"),
    ("data_factory", "", "Execution Timeout Expired. SqlErrorNumber=-2", "DataFactoryTimeout"),
    ("data_factory", "", "SqlException, SqlErrorNumber=40613, State=1", "SqlTransientError"),
    ("data_factory", "", "SqlException: Error code 1205", "SqlDeadlock"),
    ("data_factory", "", "The remote server returned an error: (503) Server Unavailable.", "ServerBusy"),
    ("data_factory", "500", "", "InternalServerError"),
    ("data_factory", "2010", "The Self-hosted Integration Runtime 'r' is offline", "IntegrationRuntimeOffline"),
    ("data_factory", "", "Unable to load DLL 'jvm.dll'", "IntegrationRuntimeError"),
    ("data_factory", "", "SqlErrorNumber=18456", "AuthenticationFailed"),
    ("databricks", "", "HTTP ERROR 401", "AuthenticationFailed"),
    ("data_factory", "AuthorizationFailed", "", "PermissionDenied"),
    ("data_factory", "", "Client with IP address '1.2.3.4' is not allowed to access the server.", "NetworkBlocked"),
    ("databricks", "", "Failed to resolve 'x' ([Errno -2] Name or service not known)", "NameResolutionFailed"),
    ("data_factory", "", "The remote certificate is invalid according to the validation", "CertificateError"),
    ("data_factory", "2103", "Please provide value for the required property 'x'.", "InvalidConfiguration"),
    ("data_factory", "", "Column 'x' is not found in source side.", "SchemaMismatch"),
    ("data_factory", "", "Arithmetic overflow error converting expression to data type int.", "DataConversionError"),
    ("data_factory", "DelimitedTextMoreColumnsThanDefined", "", "DataFormatError"),
    ("data_factory", "", "Violation of UNIQUE KEY constraint 'x'.", "ConstraintViolation"),
    ("data_factory", "", "Incorrect syntax near ','.", "SqlQueryError"),
    ("databricks", "", "[TABLE_OR_VIEW_NOT_FOUND] x", "ObjectNotFound"),
    ("data_factory", "InvalidTemplate", "The template function 'x' is not defined or not valid.", "ExpressionError"),
    ("databricks", "", "[DELTA_CONCURRENT_APPEND] x", "ConcurrentWriteConflict"),
    ("databricks", "AZURE_QUOTA_EXCEEDED_EXCEPTION", "", "CloudQuotaExceeded"),
    ("databricks", "", "azure_error_code:SkuNotAvailable", "CloudCapacityUnavailable"),
    ("databricks", "SPOT_INSTANCE_TERMINATION", "", "SpotInstanceReclaimed"),
    ("databricks", "", "Cluster scoped init script failed: Script exit status is non-zero", "InitScriptFailure"),
    ("databricks", "", "NameError: name 'df' is not defined", "NotebookError"),
    ("databricks", "", "driver state change (exit code: 137)", "SparkDriverOutOfMemory"),
    ("databricks", "DRIVER_UNREACHABLE", "Cannot reach Spark driver", "DriverUnavailable"),
    ("databricks", "", "ExecutorLostFailure (executor 2 exited) Reason: x", "SparkExecutorLost"),
    ("databricks", "", "Cluster 'c' was terminated. Reason: INACTIVITY (SUCCESS).", "ClusterTerminated"),
    ("databricks", "", "java.io.IOException: No space left on device", "DiskSpaceExhausted"),
    ("databricks", "", "Run canceled by user", "RunCancelled"),
    ("data_factory", "", "Request size is too large.", "ResourceLimitExceeded"),
    ("data_factory", "400", "", "HttpClientError"),
    ("databricks", "", "Run timed out after 3600 seconds", "JobTimeout"),
    ("data_factory", "", "Something is odd today", UNCLASSIFIED),
]


@pytest.mark.parametrize(("platform", "code", "message", "error_type"), SAID)
def test_every_error_type_is_recognised(platform, code, message, error_type):
    assert classify(platform, message, code).error_type == error_type


def test_the_examples_above_speak_of_every_error_type():
    assert {error_type for *_, error_type in SAID} == ERROR_TYPES


@pytest.mark.parametrize(
    ("message", "error_type"),
    [
        ("ErrorCode=UserErrorOdbcOperationFailed,Message=ERROR [HY000] HTTP Response code: 503", "ServerBusy"),
        ("Operation on target Load failed: ErrorCode=SqlOperationFailed,SqlErrorNumber=2627", "ConstraintViolation"),
        ("The service has encountered an error (40197). Error code 4815. SqlException", "DataConversionError"),
        ("ErrorCode=SqlFailedToConnect,''Type=SqlException,Message=Login failed for user 'x'.", "AuthenticationFailed"),
        ("ErrorCode=RestCallFailedWithClientError, status code 429 TooManyRequests", "ThrottlingError"),
        ("Failed to get access token. ADAL Error: (503) Server Unavailable.", "ServerBusy"),
        ("Job aborted. Lost task 0.0: java.lang.OutOfMemoryError: Java heap space", "ClusterMemoryExhausted"),
        ("Cloud Provider Launch Failure: exceeding quota limits of Core", "CloudQuotaExceeded"),
    ],
)
def test_the_inner_cause_beats_the_wrapper(message, error_type):
    assert classify("data_factory", message).error_type == error_type


def test_what_sql_failed_to_connect_always_says_is_no_evidence_beside_an_inner_cause():
    always = (
        "Cannot connect to SQL Database. Check the linked service configuration is correct, and make sure the SQL "
        "Database firewall allows the integration runtime to access."
    )
    inner = ",''Type=SqlException,Message=Database 'd' is not currently available.,SqlErrorNumber=40613"

    assert classify("adf", always).error_type == "NetworkBlocked"
    assert classify("adf", always + inner).error_type == "SqlTransientError"


@pytest.mark.parametrize("failure_type", ["UserError", "SystemError"])
def test_the_failure_type_is_no_evidence(failure_type):
    message = f'{{"errorCode": "2200", "message": "odd", "failureType": "{failure_type}", "target": "Copy"}}'

    assert classify("adf", message, "2200").error_type == UNCLASSIFIED


def test_the_name_of_an_activity_is_no_evidence():
    said = classify("adf", "Operation on target Retry on deadlock victim failed: odd")

    assert said.error_type == UNCLASSIFIED


@pytest.mark.parametrize("platform", [None, "", "adf", "ADF", "data_factory", "databricks", "something else"])
def test_any_platform_gets_an_answer(platform):
    assert classify(platform, "HTTP 429 Too Many Requests").error_type == "ThrottlingError"


def test_what_nobody_knows_is_said_to_be_unknown():
    said = classify("adf", "Wombat out of cheese")

    assert (said.error_type, said.remediable, said.sure) == (UNCLASSIFIED, Remediable.NO, False)
    assert said.details["action"] == "none"
    assert "Wombat out of cheese" in said.root_cause


def test_the_explanation_names_activity_cause_quote_and_steps():
    fault = Fault(activity="Copy orders", code="2200", message="SqlErrorNumber=1205 in table 'dbo.orders'")

    said = explain(Failure(platform="data_factory", pipeline="p", run_id="1", faults=(fault,)))

    assert said.root_cause.startswith("Activity 'Copy orders' failed because the statement was chosen as deadlock")
    assert "SqlErrorNumber=1205" in said.root_cause
    assert said.affected_entity == "table 'dbo.orders'"
    assert any("https://" in step for step in said.recommendations)
    assert said.sure


def test_secrets_are_not_quoted():
    said = classify("adf", "Login failed for user 'etl'; Password=hunter2; AccountKey=c2VjcmV0c2VjcmV0")

    assert "hunter2" not in said.root_cause + str(said.details)


def failure(*messages: str) -> Failure:
    faults = tuple(Fault(activity=f"step {n}", message=message) for n, message in enumerate(messages))
    return Failure(platform="data_factory", pipeline="p", run_id="1", faults=faults)


def test_the_innermost_fault_that_says_something_decides():
    said = explain(failure("odd", "HTTP 503 Service Unavailable", "Activity failed because an inner activity failed"))

    assert said.error_type == "ServerBusy"


def test_of_several_faults_the_one_that_no_repeat_heals_decides():
    said = explain(failure("HTTP 503 Service Unavailable", "Login failed for user 'etl'."))

    assert (said.error_type, said.remediable) == ("AuthenticationFailed", Remediable.NO)


async def test_a_failure_without_faults_is_read_by_its_message():
    alone = Failure(platform="databricks", pipeline="p", run_id="1", message="Driver is temporarily unavailable")

    assert (await Rules().diagnose(alone, History())).error_type == "DriverUnavailable"


def test_a_failure_that_says_nothing_is_unclassified():
    assert explain(Failure(platform="databricks", pipeline="p", run_id="1")).error_type == UNCLASSIFIED


@given(st.text(max_size=3000), st.text(max_size=100), st.sampled_from(["adf", "databricks", None]))
@settings(deadline=None, max_examples=150)
def test_any_text_gets_a_whole_answer(message, code, platform):
    said = classify(platform, message, code)

    assert said.error_type in ERROR_TYPES
    assert 0 <= said.confidence <= 1
    assert (said.remediable is Remediable.NO) == (said.details["action"] == "none")
    assert said == classify(platform, message, code)


def test_the_answer_does_not_depend_on_the_process():
    code = "from tests.analyzers.test_rules import SAID, classify; print([classify(p, m, c) for p, c, m, _ in SAID])"
    runs = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, cwd=HOUSE
        ).stdout
        for seed in ("1", "2", "3")
    }

    assert len(runs) == 1
    assert runs.pop()


NASTY = {
    "spaces": " " * 200_000,
    "quotes": "'" * 200_000,
    "backslashes": "\\" * 200_000,
    "escapes": "\\r\\n\\u0027" * 20_000,
    "digits": "1" * 200_000,
    "status": "status code: " * 15_000,
    "codes": "ErrorCode=" * 20_000,
    "wrappers": "Operation on target " * 10_000,
    "tokens": "DELTA_CONCURRENT_ " * 11_000,
    "humps": "aB" * 100_000,
    "phrase heads": "connection was cluster failed driver token " * 4_000,
    "causes": "Caused by: x\n" * 15_000,
    "dotted": "İ" * 200_000,
}


@pytest.mark.parametrize("text", NASTY.values(), ids=NASTY)
def test_a_huge_and_nasty_text_is_read_in_no_time(text):
    classify("adf", text[:100])  # what is compiled once
    started = time.thread_time()
    classify("adf", text)

    assert time.thread_time() - started < 5  # 0.05 on a quiet machine, see bench/diagnosis.py


@pytest.mark.parametrize("where", ["at the end", "behind the last Caused by"])
def test_the_cause_of_a_long_text_is_found(where):
    noise = "\tat org.apache.spark.scheduler.Task.run(Task.scala:99)\n" * 3500
    cause = "Caused by: java.io.IOException: No space left on device\n"

    said = classify("databricks", noise + cause if where == "at the end" else noise[:90_000] + cause + noise[90_000:])

    assert said.error_type == "DiskSpaceExhausted"
