"""Faults, as they look on the wire."""

import asyncio
import time

import httpx
import pytest

from tests.twin.stage import Stage

IDENTITY = {"X-IDENTITY-HEADER": "twin-identity"}


async def ask(stage: Stage, seconds: float = 2) -> httpx.Response:
    """A POST that makes something, so that one can see whether it was made."""
    path = "/rest/api/3/issue"
    fields = {"project": {"key": "OPS"}, "issuetype": {"name": "Task"}, "summary": "nightly failed"}
    auth = ("twin@example.com", "twin-jira-token")
    return await stage.http.post(path, json={"fields": fields}, auth=auth, timeout=seconds)


async def made(stage: Stage) -> int:
    return len((await stage.get("jira/issues"))["issues"])


@pytest.mark.parametrize(("kind", "count"), [("timeout_before", 0), ("timeout_after", 1)])
async def test_no_answer_comes(stage: Stage, kind, count):
    await stage.fault("jira", "createIssue", kind)

    with pytest.raises(httpx.ReadTimeout):
        await ask(stage, 0.2)

    assert await made(stage) == count


@pytest.mark.parametrize(("kind", "count"), [("timeout_before", 0), ("timeout_after", 1)])
async def test_the_silence_ends_with_a_dropped_connection(stage: Stage, kind, count):
    await stage.fault("jira", "createIssue", kind, seconds=0.1)

    with pytest.raises(httpx.RemoteProtocolError):
        await ask(stage)

    assert await made(stage) == count


@pytest.mark.parametrize(("kind", "count"), [("drop_before", 0), ("drop_after", 1)])
async def test_the_connection_is_dropped(stage: Stage, kind, count):
    await stage.fault("jira", "createIssue", kind)

    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        await ask(stage)

    assert await made(stage) == count


@pytest.mark.parametrize("kind", ["half_close", "wrong_length"])
async def test_half_an_answer_comes(stage: Stage, kind):
    await stage.fault("jira", "createIssue", kind, seconds=5)

    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete"):
        await ask(stage)

    assert await made(stage) == 1


async def test_a_half_closed_connection_stays_open_on_the_other_side(stage: Stage):
    await stage.fault("identity", "token", "half_close", seconds=8)
    host, port = stage.base_url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET /identity/token?api-version=1&resource=x HTTP/1.1\r\nHost: 127.0.0.1\r\n")
    writer.write(b"X-IDENTITY-HEADER: twin-identity\r\n\r\n")
    started = time.monotonic()

    answer = await reader.read()

    assert time.monotonic() - started < 6
    assert answer.startswith(b"HTTP/1.1 200 OK")
    writer.write(b"still here")
    await writer.drain()
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize(("kind", "count"), [("status", 0), ("status_after", 1)])
async def test_a_status_comes_instead(stage: Stage, kind, count):
    await stage.fault("jira", "createIssue", kind, status=429, headers={"Retry-After": "2"})

    answer = await ask(stage)

    assert (answer.status_code, answer.headers["retry-after"]) == (429, "2")
    assert answer.json() == {"errorMessages": ["Too Many Requests"], "errors": {}}
    assert await made(stage) == count


async def test_a_web_page_comes_instead(stage: Stage):
    await stage.fault("jira", "createIssue", "html")

    answer = await ask(stage)

    assert answer.headers["content-type"].startswith("text/html")
    assert (answer.status_code, await made(stage)) == (200, 0)


async def test_a_web_page_may_come_with_another_status(stage: Stage):
    await stage.fault("jira", "createIssue", "html", status=502)

    assert (await ask(stage)).status_code == 502


async def test_garbage_comes_instead(stage: Stage):
    await stage.fault("jira", "createIssue", "garbage")

    answer = await ask(stage)

    assert answer.headers["content-type"].startswith("application/json")
    with pytest.raises(ValueError):
        answer.json()


@pytest.mark.parametrize(("kind", "count"), [("empty", 0), ("empty_after", 1), ("html_after", 1)])
async def test_an_answer_with_nothing_in_it_comes(stage: Stage, kind, count):
    await stage.fault("jira", "createIssue", kind)

    answer = await ask(stage)

    assert answer.status_code == 200
    assert (answer.text == "") is kind.startswith("empty")
    assert await made(stage) == count


async def test_the_connection_is_reset_in_the_middle_of_a_body(stage: Stage):
    await stage.fault("jira", "createIssue", "reset")

    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        await ask(stage)

    assert await made(stage) == 1


async def test_a_body_may_be_longer_than_anybody_wants(stage: Stage):
    await stage.fault("jira", "createIssue", "huge", megabytes=5)

    assert len((await ask(stage)).content) > 5_000_000


async def test_a_small_body_may_unpack_to_a_big_one(stage: Stage):
    await stage.fault("jira", "createIssue", "gzip_bomb", megabytes=5)

    answer = await ask(stage)

    assert int(answer.headers["content-length"]) < 50_000
    assert len(answer.content) > 5_000_000


async def test_the_caller_may_hang_up_on_a_body_that_is_too_long(stage: Stage):
    await stage.fault("jira", "createIssue", "huge")
    async with stage.http.stream("POST", "/rest/api/3/issue", auth=("twin@example.com", "twin-jira-token")) as answer:
        async for _ in answer.aiter_bytes():
            break

    assert (await ask(stage)).status_code in (200, 201)


async def test_the_head_of_the_answer_drips(stage: Stage):
    await stage.fault("jira", "createIssue", "slow_head", seconds=0.3)
    started = time.monotonic()

    answer = await ask(stage)

    assert answer.json()["key"] == "OPS-1"
    assert time.monotonic() - started > 0.25


@pytest.mark.parametrize(
    ("kind", "fields", "key"),
    [
        ("fields_missing", ["key"], None),
        ("fields_missing", [], None),
        ("fields_null", ["key"], None),
        ("fields_null", [], None),
        ("fields_wrong", ["key"], {"was": "OPS-1"}),
        ("fields_extra", [], "OPS-1"),
    ],
)
async def test_the_fields_of_an_answer_may_be_odd(stage: Stage, kind, fields, key):
    await stage.fault("jira", "createIssue", kind, fields=fields)

    answer = (await ask(stage)).json()

    assert answer.get("key") == key
    assert ("id" in answer) is not (kind == "fields_missing" and not fields)
    assert ("reticulated" in answer) is (kind == "fields_extra")


async def test_a_fault_may_be_aimed_at_what_a_request_holds(stage: Stage):
    await stage.fault("jira", "createIssue", "status", times=-1, text=["nightly", "weekly"])
    await stage.fault("identity", "token", "status", times=-1, text="client_id=somebody")
    params = {"api-version": "1", "resource": "x"}

    spared = await stage.http.get("/identity/token", params=params, headers=IDENTITY)
    struck = await stage.http.get("/identity/token", params={**params, "client_id": "somebody"}, headers=IDENTITY)

    assert (await ask(stage)).status_code == 201
    assert (spared.status_code, struck.status_code) == (200, 503)


async def test_the_requests_that_a_fault_has_hit_can_be_counted(stage: Stage):
    fault = await stage.fault("jira", "createIssue", "status", times=2)
    for _ in range(3):
        await ask(stage)

    assert len((await stage.get("requests", fault=fault))["requests"]) == 2


async def test_a_heartbeat_is_heard(stage: Stage):
    await stage.fault("heartbeat", "beat", "status")

    assert [(await stage.http.get("/heartbeat/pipemend")).status_code for _ in range(2)] == [503, 200]


async def test_the_answer_drips(stage: Stage):
    await stage.fault("jira", "createIssue", "slow_drip", seconds=0.3)
    started = time.monotonic()

    answer = await ask(stage)

    assert answer.status_code == 201
    assert time.monotonic() - started > 0.25


async def test_a_status_may_be_a_word_nobody_knows(stage: Stage):
    await stage.pipeline("nightly", "Succeeded")
    run_id = await stage.trigger("nightly")
    await stage.fault("arm", "getRun", "unknown_status")

    first = (await stage.arm("GET", f"/pipelineruns/{run_id}")).json()
    second = (await stage.arm("GET", f"/pipelineruns/{run_id}")).json()

    assert first["status"] == "Reticulating"
    assert second["status"] in ("Queued", "InProgress", "Succeeded")


async def test_a_fault_strikes_as_often_as_it_is_told(stage: Stage):
    await stage.fault("jira", "createIssue", "status", times=2)

    assert [(await ask(stage)).status_code for _ in range(3)] == [503, 503, 201]


async def test_a_fault_may_last_until_it_is_taken_away(stage: Stage):
    fault = await stage.fault("jira", None, "status", times=-1)
    before = [(await ask(stage)).status_code for _ in range(3)]

    await stage.http.delete(f"/twin/faults/{fault}")

    assert before == [503, 503, 503]
    assert (await ask(stage)).status_code == 201
    assert (await stage.http.delete(f"/twin/faults/{fault}")).status_code == 404


async def test_a_fault_may_strike_by_chance(stage: Stage):
    await stage.fault("identity", "token", "status", times=-1, probability=0.5)
    params = {"api-version": "1", "resource": "x"}

    got = [(await stage.http.get("/identity/token", params=params, headers=IDENTITY)).status_code for _ in range(60)]

    assert 10 < got.count(503) < 50


async def test_each_service_refuses_in_its_own_form(stage: Stage):
    shapes = {}
    for service, path in {
        "arm": "/subscriptions/s/resourceGroups/r/providers/Microsoft.DataFactory/factories/f",
        "identity": "/identity/token",
        "slack": "/slack/api/auth.test",
        "jira": "/rest/api/3/myself",
        "gemini": "/gemini/v1beta/models",
    }.items():
        await stage.fault(service, None, "status", status=503)
        shapes[service] = set((await stage.http.get(path)).json())

    assert shapes == {
        "arm": {"error"},
        "identity": {"statusCode", "message", "correlationId"},
        "slack": {"ok", "error"},
        "jira": {"errorMessages", "errors"},
        "gemini": {"error"},
    }


async def test_the_log_tells_faults_and_whether_the_work_was_done(stage: Stage):
    await stage.fault("jira", "createIssue", "drop_after")
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        await ask(stage)
    await ask(stage)

    logged = await stage.requests("jira", "createIssue")

    seen = [(one["fault"], one["executed"], one["status"]) for one in logged]
    assert seen == [("drop_after", True, None), (None, True, 201)]


@pytest.mark.parametrize(
    "fault",
    [
        {},
        {"kind": "quake"},
        {"kind": "html", "match": {"service": "post"}},
        {"kind": "html", "match": {"route": "/"}},
        {"kind": "html", "wen": 1},
        {"kind": "fields_null", "fields": "status"},
    ],
)
async def test_a_fault_that_cannot_be_is_refused(stage: Stage, fault):
    assert (await stage.http.post("/twin/faults", json=fault)).status_code == 400
