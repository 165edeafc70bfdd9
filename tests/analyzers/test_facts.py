"""Facts before words: SQLSTATEs, the names of vendors' lists, and what a permanent fact does to transient words."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipemend.analyzers.catalogue import catalogue
from pipemend.analyzers.evidence import read
from pipemend.analyzers.rules import classify
from pipemend.core.rca import Remediable

TRANSIENT = [
    "HTTP 503 Service Unavailable. Please try again later.",
    "429 Too Many Requests",
    "Connection reset by peer",
    "Transaction was chosen as the deadlock victim.",
    "java.net.SocketTimeoutException: Read timed out",
    "The service is busy. Retry later.",
]
PERMANENT = [
    "Login failed for user 'etl'.",
    "The SELECT permission was denied on the object 'orders'.",
    "Invalid object name 'dbo.orders'.",
    "Violation of PRIMARY KEY constraint 'PK_orders'. Cannot insert duplicate key in object 'dbo.orders'.",
    "Conversion failed when converting the varchar value 'x' to data type int.",
    "AADSTS7000215: Invalid client secret provided.",
    "ModuleNotFoundError: No module named 'pandas'",
]


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("[TABLE_OR_VIEW_NOT_FOUND] The table cannot be found. SQLSTATE: 42P01", "42P01"),
        ("ERROR [08S01] [Microsoft][Hardy] failed", "08S01"),
        ("pyodbc.OperationalError: ('HYT00', '[HYT00] [Microsoft] Login timeout expired')", "HYT00"),
        ("002003 (42S02): SQL compilation error", "42S02"),
    ],
)
def test_sqlstates_are_read_where_drivers_print_them(text, state):
    assert state in {fact.value for fact in read(text, "").states}


def test_five_letters_in_a_sentence_are_no_sqlstate():
    assert read("The order 42P01 was late", "").states == ()


@given(st.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=3, max_size=3))
def test_a_permanent_class_of_sqlstates_never_starts_a_repeat(rest):
    for kind in ("22", "23", "28", "42", "0A", "3D"):
        said = classify("databricks", f"The statement failed. SQLSTATE: {kind}{rest}")

        assert said.remediable is Remediable.NO


@pytest.mark.parametrize("code", ["40P01", "40001", "08006", "57P03", "53300"])
def test_states_that_pass_by_themselves_may_be_repeated(code):
    assert classify("data_factory", f"Npgsql failed. SQLSTATE: {code}").remediable is Remediable.YES


@given(st.sampled_from(TRANSIENT), st.sampled_from(PERMANENT), st.booleans(), st.sampled_from([" ", "\n", " ---> "]))
@settings(deadline=None)
def test_a_permanent_sign_near_a_transient_one_wins(transient, permanent, before, between):
    text = between.join((permanent, transient) if before else (transient, permanent))

    assert classify("data_factory", text).remediable is not Remediable.YES


def test_what_urllib3_was_always_answered_is_a_fact():
    said = classify("databricks", "Max retries exceeded (Caused by ResponseError('too many 503 error responses'))")

    assert (said.error_type, said.remediable) == ("ServerBusy", Remediable.YES)


@pytest.mark.parametrize(
    ("code", "error_type"),
    [
        ("CONTROL_PLANE_REQUEST_FAILURE_DUE_TO_MISCONFIG", "NetworkBlocked"),
        ("GCP_KMS_KEY_PERMISSION_DENIED", "PermissionDenied"),
        ("UNSUPPORTED_INSTANCE_TYPE", "InvalidConfiguration"),
        ("CONTROL_PLANE_REQUEST_FAILURE", "DatabricksClusterStartFailure"),
        ("USER_INITIATED_VM_TERMINATION", "RunCancelled"),
    ],
)
def test_why_a_cluster_ended_is_told_by_its_name(code, error_type):
    assert classify("databricks", f"Cluster terminated. Reason: {code}").error_type == error_type


def test_a_file_that_another_process_may_hold_is_not_repeated():
    said = classify("data_factory", "The file does not exist or is used by another process.")

    assert said.remediable is not Remediable.YES


def test_no_vendors_name_is_both_of_a_permanent_and_of_a_transient_type():
    known = catalogue()
    both = [
        sign
        for index in (known.codes, known.states)
        for sign, entries in index.items()
        if len({entry.permanent for entry in entries}) > 1
    ]

    assert both == []
