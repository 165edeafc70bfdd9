"""HTTP with a deadline, a limit and errors of ours."""

import asyncio
import gzip
from collections.abc import AsyncIterator

import pytest

from pipemend.clients.http import LIMIT, Http
from pipemend.core.errors import Missing, NoAnswer, OutsideError, Throttled, Unreachable, Unreadable
from tests.clients.vendor import SLOWLY, http, nobody, vendor


@pytest.fixture
async def pool() -> AsyncIterator[Http]:
    pool = Http(connections=2)
    yield pool
    await pool.close()


async def test_an_answer_has_status_headers_and_body(pool: Http):
    async with vendor(http(201, '{"a": 1}', X_Ms_Run="7")) as outside:
        answer = await pool.send("the vendor", "POST", outside.url, json={"b": 2})

    assert (answer.status, answer.headers["x-ms-run"], answer.json("the vendor")) == (201, "7", {"a": 1})
    assert outside.requests[0].endswith(b'{"b":2}')


async def test_a_refused_connection_has_sent_nothing(pool: Http):
    with pytest.raises(Unreachable):
        await pool.send("the vendor", "POST", nobody())


async def test_a_dropped_connection_leaves_the_outcome_unknown(pool: Http):
    async with vendor(None) as outside:
        with pytest.raises(NoAnswer):
            await pool.send("the vendor", "POST", outside.url)


async def test_half_an_answer_is_no_answer(pool: Http):
    async with vendor(http(200, "x" * 100)[:-50]) as outside:
        with pytest.raises(NoAnswer):
            await pool.send("the vendor", "GET", outside.url)


async def test_the_deadline_holds_whatever_the_vendor_does(pool: Http):
    async with vendor(SLOWLY) as outside:
        with pytest.raises(NoAnswer, match=r"within 0\.1 s"):
            await pool.send("the vendor", "GET", outside.url, deadline=0.1)


async def test_waiting_for_a_free_connection_does_not_count(pool: Http):
    async with vendor(SLOWLY, SLOWLY, http(200)) as outside:
        calls = [pool.send("the vendor", "GET", outside.url, deadline=2) for _ in range(3)]
        slow, slow_too, third = await asyncio.gather(*calls, return_exceptions=True)

    assert isinstance(slow, NoAnswer)
    assert isinstance(slow_too, NoAnswer)
    assert not isinstance(third, BaseException)


@pytest.mark.parametrize("packed", [False, True])
async def test_a_huge_answer_is_not_read(pool: Http, packed: bool):
    body = b"x" * (LIMIT + 1)
    answer = http(200, gzip.compress(body), Content_Encoding="gzip") if packed else http(200, body)
    async with vendor(answer) as outside:
        with pytest.raises(Unreadable, match="more than 2 MB"):
            await pool.send("the vendor", "GET", outside.url)


async def test_what_cannot_be_unpacked_makes_no_sense(pool: Http):
    async with vendor(http(200, "plain", Content_Encoding="gzip")) as outside:
        with pytest.raises(Unreadable):
            await pool.send("the vendor", "GET", outside.url)


@pytest.mark.parametrize("body", ["<html>", "", '{"a":', "[" * 100_000])
async def test_an_answer_that_is_no_json_makes_no_sense(pool: Http, body: str):
    async with vendor(http(200, body)) as outside:
        answer = await pool.send("the vendor", "GET", outside.url)
    with pytest.raises(Unreadable):
        answer.json("the vendor")


async def test_a_redirect_is_not_followed(pool: Http):
    async with vendor(http(302, Location="http://127.0.0.1:9/")) as outside:
        answer = await pool.send("the vendor", "GET", outside.url)

    assert answer.status == 302
    with pytest.raises(Unreadable):
        answer.checked("the vendor")


async def test_a_refusal_is_raised_when_asked_for(pool: Http):
    async with vendor(http(404, "no such thing"), http(429, Retry_After="3")) as outside:
        missing = await pool.send("the vendor", "GET", outside.url)
        busy = await pool.send("the vendor", "GET", outside.url)

    with pytest.raises(Missing, match="no such thing"):
        missing.checked("the vendor")
    with pytest.raises(Throttled) as slow_down:
        busy.checked("the vendor")
    assert slow_down.value.retry_after == 3


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/?sig=geheim", "ftp://geheim/", "http://[geheim", "geheim"])
async def test_an_address_never_shows_in_an_error(pool: Http, address: str):
    with pytest.raises(OutsideError) as error:
        await pool.send("the vendor", "GET", address)

    assert "geheim" not in str(error.value)
