"""Libraries read no more than they should."""

import gzip
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from pipemend.clients import model_http
from pipemend.clients.bounded import session
from pipemend.clients.http import LIMIT
from pipemend.core.errors import Unreadable
from tests.clients.vendor import http, vendor

BODY = b"x" * (LIMIT + 1)


@pytest.fixture
async def models() -> AsyncIterator[httpx2.AsyncClient]:
    async with model_http.client(5) as client:
        yield client


@pytest.mark.parametrize("packed", [False, True])
async def test_a_session_stops_at_the_limit(packed: bool):
    answer = http(200, gzip.compress(BODY), Content_Encoding="gzip") if packed else http(200, BODY)
    async with vendor(answer) as outside, session() as opened:
        with pytest.raises(Unreadable, match="longer than 2 MB"):
            await (await opened.get(outside.url)).read()


async def test_a_session_reads_what_is_short_as_often_as_it_is_asked():
    async with vendor(http(200, gzip.compress(b'{"a": 1}'), Content_Encoding="gzip")) as outside, session() as opened:
        answer = await opened.get(outside.url)

        assert (await answer.json(content_type=None), await answer.text()) == ({"a": 1}, '{"a": 1}')


async def test_the_connections_of_a_model_stop_at_the_limit(models: httpx2.AsyncClient):
    async with vendor(http(200, BODY)) as outside:
        with pytest.raises(Unreadable, match="longer than 2 MB"):
            await models.get(outside.url)


async def test_a_model_that_packs_its_answer_is_not_unpacked(models: httpx2.AsyncClient):
    async with vendor(http(200, gzip.compress(BODY), Content_Encoding="gzip")) as outside:
        with pytest.raises(Unreadable, match="packed"):
            await models.get(outside.url)

    assert b"accept-encoding: identity" in outside.requests[0].lower()


async def test_a_short_answer_of_a_model_is_read(models: httpx2.AsyncClient):
    async with vendor(http(200, '{"a": 1}')) as outside:
        told: Any = (await models.get(outside.url)).json()

    assert told == {"a": 1}
