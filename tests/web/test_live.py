"""The socket: every event once and in order, to whoever may know."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from pipemend.core.events import RemediationStarted, StatusChanged
from pipemend.store import access, schema
from pipemend.web import live as live_module
from pipemend.web import sockets
from pipemend.web.live import Reader, TooSlow
from tests.web.serving import serving
from tests.web.world import World


@pytest.fixture
async def address(world: World) -> AsyncIterator[str]:
    async with serving(world.app) as address:
        yield address


@pytest.fixture
async def small_address(small_world: World) -> AsyncIterator[str]:
    async with serving(small_world.app) as address:
        yield address


async def socket(address: str, token: str, query: str = "") -> ClientConnection:
    return await connect(f"ws://{address}/ws{query}", additional_headers={"Authorization": f"Bearer {token}"})


async def hear(following: ClientConnection, number: int) -> list[dict[str, Any]]:
    async with asyncio.timeout(5):
        return [json.loads(await following.recv()) for _ in range(number)]


async def silent(following: ClientConnection) -> bool:
    try:
        async with asyncio.timeout(0.4):
            await following.recv()
    except TimeoutError:
        return True
    return False


async def test_a_turned_switch_is_told_at_once_and_belongs_to_no_ticket(world: World, address: str):
    operator = world.client(await world.token("operator", "ada"))
    async with operator as client, await socket(address, await world.token("viewer")) as following:
        await client.post("/api/automation", json={"enabled": False, "reason": "storm"})
        await client.post("/api/automation", json={"pipeline": "sales/load", "enabled": False})
        stopped, paused = await hear(following, 2)

    assert (stopped["event"], stopped["ticket_id"], stopped["state"]) == ("automation_changed", None, "stopped")
    assert (stopped["user"], stopped["reason"]) == ("ada", "storm")
    assert (paused["state"], paused["pipeline"]) == ("paused", "sales/load")


async def test_events_come_as_they_happen(world: World, address: str):
    await world.ticket("before")
    async with await socket(address, await world.token("viewer")) as following:
        await asyncio.sleep(0.2)
        ticket = await world.ticket("after")
        number = await world.happens(RemediationStarted(ticket_id=ticket.id, attempt=1, remediation_run_id="r"))
        opened, started = await hear(following, 2)

    assert (opened["event"], opened["ticket_id"], opened["pipeline"]) == ("new_ticket", ticket.id, "after")
    assert started == {
        "id": number,
        "event": "remediation_started",
        "ticket_id": ticket.id,
        "at": "2026-11-23T10:15:00.000000+00:00",
        "attempt": 1,
        "remediation_run_id": "r",
    }


async def test_pages_hear_what_was_found_together_in_one_message(small_world: World, small_address: str):
    for number in range(3):
        await small_world.ticket(f"p{number}")
    headers = {"Authorization": f"Bearer {await small_world.token('viewer')}"}
    async with connect(f"ws://{small_address}/dashboard/live?since=1", additional_headers=headers) as page:
        (missed,) = await hear(page, 1)
        await small_world.ticket("p3")
        (new,) = await hear(page, 1)

    assert (missed["id"], [event["pipeline"] for event in missed["events"]]) == (3, ["p1", "p2"])
    assert (new["id"], [event["pipeline"] for event in new["events"]]) == (4, ["p3"])


async def test_a_replay_gives_what_came_after_and_then_follows(world: World, address: str):
    world.clock.pass_by(minutes=-5)  # older than what PostgreSQL may still be committing
    for number in range(5):
        await world.ticket(f"p{number}")
    world.clock.pass_by(minutes=5)
    async with await socket(address, await world.token("viewer"), "?since=2") as following:
        replayed = await hear(following, 3)
        await world.ticket("p5")
        (new,) = await hear(following, 1)

    assert [event["pipeline"] for event in replayed] == ["p2", "p3", "p4"]
    assert [event["id"] for event in (*replayed, new)] == [3, 4, 5, 6]


async def test_a_long_replay_under_fire_loses_and_doubles_nothing(world: World, address: str):
    def many(db: sa.Connection) -> None:
        event = {"at": world.clock.now(), "name": "explained", "ticket_id": "T", "data": {"by": "rules"}}
        db.execute(schema.events.insert(), [event] * 1200)

    world.clock.pass_by(minutes=-5)
    await world.database.write(many)
    world.clock.pass_by(minutes=5)
    token = await world.token("viewer")
    async with await socket(address, token) as _, await socket(address, token, "?since=0") as following:
        for number in range(40):
            await world.happens(StatusChanged(ticket_id="T", new_status=f"s{number}"))
        heard = await hear(following, 1240)
        assert await silent(following)

    assert [event["id"] for event in heard] == list(range(1, 1241))


async def test_without_since_only_new_events_come(small_world: World, small_address: str):
    await small_world.ticket("before")
    async with await socket(small_address, await small_world.token("viewer")) as following:
        assert await silent(following)


@pytest.mark.parametrize("query", ["?since=-1", "?since=x", "?since=1.5", f"?since={'9' * 30}", "?since=%00"])
async def test_a_wrong_since_is_refused(small_world: World, small_address: str, query: str):
    with pytest.raises(InvalidStatus) as refused:
        await socket(small_address, await small_world.token("viewer"), query)

    assert refused.value.response.status_code == 422


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Cookie": "pipemend=wrong"}])
async def test_strangers_hear_nothing(small_address: str, headers: dict[str, str]):
    with pytest.raises(InvalidStatus) as refused:
        await connect(f"ws://{small_address}/ws", additional_headers=headers)

    assert refused.value.response.status_code == 401
    assert json.loads(refused.value.response.body or b"")["status"] == 401


async def test_a_session_may_follow_from_our_own_page_alone(small_world: World, small_address: str):
    await small_world.token("viewer")
    value = await small_world.database.write(lambda db: access.sign_in(db, "viewer", small_world.clock.now()))
    cookie = {"Cookie": f"pipemend={value}"}

    ours = {**cookie, "Origin": f"http://{small_address}"}
    async with connect(f"ws://{small_address}/ws", additional_headers=ours):
        pass
    for origin in ("https://evil.test", "null"):
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"ws://{small_address}/ws", additional_headers={**cookie, "Origin": origin})
        assert refused.value.response.status_code == 403


async def test_a_revoked_token_ends_its_socket(small_world: World, small_address: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sockets, "LOOK_AGAIN", 0.05)
    async with await socket(small_address, await small_world.token("viewer")) as following:
        await small_world.database.write(lambda db: access.revoke_token(db, "viewer", small_world.clock.now()))
        async with asyncio.timeout(5):
            with pytest.raises(ConnectionClosed) as closed:
                await following.recv()

    assert closed.value.rcvd
    assert closed.value.rcvd.code == 1008


async def test_a_slow_follower_is_told_to_come_back(small_world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(live_module, "ASK_EVERY", 0.01)
    live = small_world.app.state.live
    live.batches = type(live.batches)(maxlen=3)
    following = live.follow(None)
    await small_world.happens(StatusChanged(ticket_id="T", new_status="open"))
    waiting = asyncio.ensure_future(anext(following))
    await asyncio.sleep(0.1)
    await small_world.happens(StatusChanged(ticket_id="T", new_status="open"))
    await waiting
    for _ in range(5):
        await small_world.happens(StatusChanged(ticket_id="T", new_status="open"))
        await asyncio.sleep(0.05)

    with pytest.raises(TooSlow):
        await anext(following)


async def test_the_reader_outlives_a_database_that_was_away(
    small_world: World, small_address: str, monkeypatch: pytest.MonkeyPatch
):
    live, broken = small_world.app.state.live, True

    def read(self: Reader, db: sa.Connection, now: float) -> Any:
        if broken:
            raise sa.exc.OperationalError("SELECT", {}, Exception("away"))
        return whole(self, db, now)

    whole = Reader.read
    async with await socket(small_address, await small_world.token("viewer")) as following:
        await asyncio.sleep(0.2)
        monkeypatch.setattr(Reader, "read", read)
        await asyncio.sleep(0.3)
        await small_world.ticket("meanwhile")
        broken = False
        (event,) = await hear(following, 1)

    assert event["pipeline"] == "meanwhile"
    assert live.number


async def test_an_id_that_postgresql_commits_late_still_comes(postgresql_world: World):
    engine = postgresql_world.database.engine
    event = {"at": postgresql_world.clock.now(), "name": "explained", "ticket_id": "late", "data": {"by": "rules"}}
    token = await postgresql_world.token("viewer")
    async with serving(postgresql_world.app) as address, await socket(address, token) as following:
        await asyncio.sleep(0.2)
        with engine.connect() as slow:
            slow.execute(schema.events.insert().values(**event))
            await postgresql_world.happens(StatusChanged(ticket_id="quick", new_status="open"))
            (first,) = await hear(following, 1)
            slow.commit()
        (second,) = await hear(following, 1)

    assert (first["ticket_id"], second["ticket_id"]) == ("quick", "late")
    assert second["id"] < first["id"]


async def test_the_sender_of_five_megabytes_hears_why_they_are_refused(small_address: str):
    async with httpx.AsyncClient() as client:
        headers = {"X-Pipemend-Secret": "open+sesame"}
        answer = await client.post(f"http://{small_address}/azure-monitor", content=b"x" * 5_000_000, headers=headers)

    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_connection_that_breaks_off_half_way_leaves_nothing_behind(small_world: World, small_address: str):
    host, port = small_address.split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /azure-monitor?secret=open+sesame HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n{")
    await writer.drain()
    await asyncio.sleep(0.1)
    writer.close()
    await asyncio.sleep(0.2)

    assert await small_world.all_of(schema.deliveries) == []
    assert small_world.app.state.doors.inside == 0
