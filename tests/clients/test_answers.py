"""What an answer means, and how often a call is sent."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipemend.clients.answers import read_again, refusal, retry_after, start_once
from pipemend.core.errors import (
    Missing,
    NoAnswer,
    NotAllowed,
    OutsideError,
    Refused,
    Throttled,
    Unreachable,
    Unreadable,
)


class Caller:
    """Calls that go wrong as told and then well, and the pauses between them."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0
        self.pauses: list[float] = []

    async def call(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)


@pytest.mark.parametrize(
    ("status", "kind", "transient"),
    [
        (302, Unreadable, True),
        (400, Refused, False),
        (401, NotAllowed, False),
        (403, NotAllowed, False),
        (404, Missing, False),
        (408, NoAnswer, True),
        (409, Refused, False),
        (429, Throttled, True),
        (500, OutsideError, True),
        (503, Throttled, True),
    ],
)
def test_a_status_has_one_meaning(status: int, kind: type[OutsideError], transient: bool):
    error = refusal(status, "Data Factory", "why not")

    assert type(error) is kind
    assert error.transient is transient
    assert str(error) == f"Data Factory answered {status}: why not"


def test_a_server_that_says_when_to_come_again_has_started_nothing():
    assert isinstance(refusal(503, "Data Factory", starts=True, retry_after=2), Throttled)


def test_of_a_web_page_only_its_title_is_quoted():
    page = "\n<!DOCTYPE html><html><head><title> Sign in </title></head><body><h1>no</h1></body></html>"

    assert str(refusal(500, "Jira", page)) == 'Jira answered 500: a web page, "Sign in"'
    assert str(refusal(500, "Jira", "<?xml?><Error/>")) == "Jira answered 500: a web page"


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_broken_server_may_have_started_what_it_was_asked_to_start(status: int):
    assert isinstance(refusal(status, "Data Factory", starts=True), NoAnswer)


def test_an_error_never_quotes_a_secret():
    error = refusal(400, "the playbook", "POST https://x/?sig=abc%2Bdef failed, password=hunter2")

    assert "abc" not in str(error)
    assert "hunter2" not in str(error)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0"}, 0),
        ({"retry-after": "600"}, 60),
        ({"retry-after": "-5"}, 0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({"x-ms-retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "Tue, 24 Nov 2026 10:00:20 GMT", "date": "Tue, 24 Nov 2026 10:00:00 GMT"}, 20),
        ({"retry-after": "Tue, 24 Nov 2026 09:00:00 GMT", "date": "Tue, 24 Nov 2026 10:00:00 GMT"}, 0),
    ],
)
def test_the_wait_that_is_asked_for_is_read_and_capped(headers: dict[str, str], seconds: float | None):
    assert retry_after(headers) == seconds


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_header_gives_a_short_wait_or_none(value: str, date: str):
    found = retry_after({"retry-after": value, "date": date})

    assert found is None or 0 <= found <= 60


async def test_a_start_is_repeated_while_nobody_answers_the_door():
    caller = Caller(Unreachable("refused"), Throttled("slow down"))

    assert await start_once(caller.call, caller.sleep) == "done"
    assert caller.pauses == [2, 4]


async def test_a_start_is_given_up_after_three_tries():
    caller = Caller(*(Throttled("slow down") for _ in range(9)))

    with pytest.raises(Throttled):
        await start_once(caller.call, caller.sleep)
    assert caller.calls == 3


@pytest.mark.parametrize(("asked", "waited"), [(1, 2), (5, 5), (60, 10)])
async def test_the_pause_before_a_repeated_start_honours_what_is_asked(asked: float, waited: float):
    caller = Caller(Throttled("slow down", retry_after=asked))
    await start_once(caller.call, caller.sleep)

    assert caller.pauses == [waited]


@pytest.mark.parametrize("error", [NoAnswer("?"), Unreadable("?"), Refused("no"), OutsideError("500", transient=True)])
async def test_a_start_whose_outcome_is_unclear_is_never_repeated(error: OutsideError):
    caller = Caller(error)

    with pytest.raises(OutsideError):
        await start_once(caller.call, caller.sleep)
    assert caller.calls == 1


async def test_a_question_is_asked_again_after_a_passing_trouble():
    caller = Caller(NoAnswer("?"), Unreadable("?"))

    assert await read_again(caller.call, "Data Factory", 10, caller.sleep) == "done"
    assert caller.calls == 3


async def test_a_question_that_is_refused_is_not_asked_again():
    caller = Caller(NotAllowed("no"))

    with pytest.raises(NotAllowed):
        await read_again(caller.call, "Data Factory", 10, caller.sleep)
    assert caller.calls == 1


async def test_a_question_is_not_kept_waiting_beyond_its_deadline():
    caller = Caller(Throttled("slow down", retry_after=60))

    with pytest.raises(Throttled):
        await read_again(caller.call, "Data Factory", 10, caller.sleep)
    assert caller.calls == 1


async def test_a_question_without_an_answer_ends_in_time():
    with pytest.raises(NoAnswer, match=r"did not answer within 0\.05 s"):
        await read_again(lambda: asyncio.sleep(5), "Data Factory", 0.05)
