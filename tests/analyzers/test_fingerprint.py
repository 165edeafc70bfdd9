"""The same failure has the same fingerprint, whatever ids, times, paths and numbers stand in it."""

import re
from datetime import datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipemend.analyzers.fingerprint import skeleton
from pipemend.analyzers.rules import classify

SAME = {
    "a path": "ErrorCode=UserErrorSourceBlobNotExist,Message=The required Blob is missing. ContainerName:"
    " https://{word}.blob.core.windows.net/in, path: raw/{number}/{number}/{word}.csv.",
    "a process": "Transaction (Process ID {number}) was deadlocked on lock resources with another process. Rerun it.",
    "a time": "The request timed out at {time}. Activity ID: {id}.",
    "a cluster": "Run failed: cluster {number}-{number}-{word}{number} was terminated. Run id {number}, attempt {id}.",
    "an address": "Cannot open server 'sales' requested by the login. Client with IP address '{ip}' is not allowed.",
    "a stack": "java.lang.OutOfMemoryError: Java heap space\n\tat org.apache.Sort.run(Sort.java:{number})",
}
WORDS = st.from_regex(r"[a-z][a-z0-9]{2,8}", fullmatch=True)
TIMES = st.datetimes(datetime(2000, 1, 1)).flatmap(  # noqa: DTZ001 - texts often leave the zone out
    lambda at: st.sampled_from(
        (at.isoformat(), f"{at:%m/%d/%Y %I:%M:%S %p}", f"{at:%Y-%m-%d %H:%M:%S}Z", f"{at:%d %b %Y}")
    )
)
VALUES = st.fixed_dictionaries(
    {
        "word": WORDS,
        "number": st.integers(0, 10**12).map(str),
        "time": TIMES,
        "id": st.uuids().map(lambda value: str(UUID(int=value.int))),
        "ip": st.ip_addresses(v=4).map(str),
    }
)


@pytest.mark.parametrize("kind", SAME)
@given(first=VALUES, second=VALUES)
def test_what_differs_each_time_does_not_count(kind: str, first: dict[str, str], second: dict[str, str]):
    one, other = (SAME[kind].format(**values) for values in (first, second))

    assert skeleton(one.lower()) == skeleton(other.lower())
    assert classify("data_factory", one).fingerprint == classify("data_factory", other).fingerprint


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Invalid object name 'dbo.orders'.", "Invalid object name 'dbo.customers'."),
        ("The server answered with status code 429.", "The server answered with status code 503."),
        ("SQL error number 1205 at the database.", "SQL error number 2627 at the database."),
    ],
)
def test_another_failure_has_another_fingerprint(one: str, other: str):
    assert classify("data_factory", one).fingerprint != classify("data_factory", other).fingerprint


def test_platforms_do_not_share_one():
    assert classify("data_factory", "timeout").fingerprint != classify("databricks", "timeout").fingerprint


@given(st.text())
def test_any_text_has_one(text: str):
    assert re.fullmatch("[0-9a-f]{16}", classify("data_factory", text).fingerprint)
