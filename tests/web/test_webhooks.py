"""The door for alerts: who may come in, what is kept, what is answered."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from pipemend.core.alert import Alert, Call, Door, Reading
from pipemend.core.commands import Acknowledge
from pipemend.core.errors import BadDelivery
from pipemend.core.ticket import Status
from pipemend.store import schema, tickets
from tests.web.world import FACTORY, SECRET, World, build

HEADERS = {"X-Pipemend-Secret": SECRET}
FAILED = {"pipeline_name": "nightly-load", "run_id": "run-1", "error": "Gateway timed out"}


async def test_an_alert_is_kept_and_accepted(world: World):
    async with world.client() as client:
        answer = await client.post("/azure-monitor", json=FAILED, headers=HEADERS)

    assert answer.status_code == 202
    assert answer.json() == {"delivery": 1, "accepted": 1, "tickets": []}
    (alert,) = await world.all_of(schema.alerts)
    assert (alert.pipeline, alert.run_id, alert.state, alert.due_at) == (
        "nightly-load",
        "run-1",
        "new",
        world.clock.now(),
    )
    (delivery,) = await world.all_of(schema.deliveries)
    assert json.loads(delivery.body) == FAILED


async def test_the_same_bytes_within_five_minutes_are_counted(world: World):
    async with world.client() as client:
        first = await client.post("/azure-monitor", json=FAILED, headers=HEADERS)
        again = await client.post("/azure-monitor", json=FAILED, headers=HEADERS)

    assert first.json() == again.json()
    (delivery,) = await world.all_of(schema.deliveries)
    assert delivery.count == 2
    assert len(await world.all_of(schema.alerts)) == 1


async def test_the_same_bytes_later_are_a_new_delivery(world: World):
    async with world.client() as client:
        await client.post("/azure-monitor", json=FAILED, headers=HEADERS)
        world.clock.pass_by(minutes=5)
        later = await client.post("/azure-monitor", json=FAILED, headers=HEADERS)

    assert later.json()["delivery"] != 1
    assert len(await world.all_of(schema.alerts)) == 2


async def test_twenty_at_once_are_one_delivery(world: World):
    async with world.client() as client:
        answers = await asyncio.gather(
            *(client.post("/azure-monitor", json=FAILED, headers=HEADERS) for _ in range(20))
        )

    assert {answer.status_code for answer in answers} == {202}
    (delivery,) = await world.all_of(schema.deliveries)
    assert delivery.count == 20
    assert len(await world.all_of(schema.alerts)) == 1


async def test_the_answer_names_the_ticket_that_a_run_has_already(world: World):
    ticket = await world.ticket(run_id="run-1")
    of_factory = {**FAILED, "factory": FACTORY.name}
    async with world.client() as client:
        answer = await client.post("/azure-monitor", json=_with_target(of_factory), headers=HEADERS)
        again = await client.post("/azure-monitor", json=_with_target(of_factory), headers=HEADERS)

    assert answer.json()["tickets"] == again.json()["tickets"] == [ticket.id]


@pytest.mark.parametrize(
    ("address", "headers"),
    [
        ("/azure-monitor", HEADERS),
        (f"/azure-monitor?secret={SECRET}", {}),
        (f"/azure-monitor?secret={SECRET.replace('+', '%2B')}", {}),
        (f"/azure-monitor/{SECRET}", {}),
    ],
)
async def test_the_secret_may_come_three_ways(small_world: World, address: str, headers: dict[str, str]):
    async with small_world.client() as client:
        answer = await client.post(address, json=FAILED, headers=headers)

    assert answer.status_code == 202


@pytest.mark.parametrize(
    ("address", "headers"),
    [
        ("/azure-monitor", {}),
        ("/azure-monitor", {"X-Pipemend-Secret": "wrong"}),
        ("/azure-monitor?secret=", {}),
        ("/azure-monitor?secret=wrong", {}),
        ("/azure-monitor/wrong", {}),
        ("/azure-monitor/%ff%fe", {}),
        ("/azure-monitor/", {}),
    ],
)
async def test_a_wrong_secret_is_refused_and_nothing_is_kept(small_world: World, address: str, headers: dict[str, str]):
    async with small_world.client() as client:
        answer = await client.post(address, json=FAILED, headers=headers)

    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert await small_world.all_of(schema.deliveries) == []


async def test_without_a_secret_of_its_own_the_door_is_closed(sqlite_url: str):
    world = build(sqlite_url, azure_monitor_secret=None)
    async with world.client() as client:
        answer = await client.post("/azure-monitor", json=FAILED, headers=HEADERS)

    assert answer.status_code == 404
    world.database.close()


async def test_the_secret_stands_in_no_log_line(small_world: World, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    async with small_world.client() as client:
        for address in (f"/azure-monitor/{SECRET}", f"/azure-monitor?secret={SECRET}", f"/azuremonitor/{SECRET}"):
            await client.post(address, json=FAILED)
        await client.post(f"//azure-monitor/{SECRET}", json=FAILED)

    said = [record for record in caplog.records if record.name.startswith("pipemend")]
    assert len(said) == 4
    assert not [record for record in said if SECRET in record.getMessage() or SECRET in str(record.__dict__)]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"garbage",
        b"<html>not JSON</html>",
        b"[1, 2]",
        b'"text"',
        b"null",
        b"\xff\xfe\x00",
        b'{"data": 7}',
        b'{"data": {"essentials": []}}',
        b"[" * 100_000,
        b'{"a":' * 40_000,
    ],
    ids=lambda body: body[:20].decode("latin-1"),
)
async def test_a_body_that_makes_no_sense_is_kept_and_answered_400(world: World, body: bytes):
    async with world.client() as client:
        answer = await client.post("/azure-monitor", content=body, headers=HEADERS)

    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["field"]
    (delivery,) = await world.all_of(schema.deliveries)
    assert (delivery.outcome, delivery.body, delivery.accepted) == ("unreadable", body, 0)
    assert delivery.reason


async def test_an_alert_about_something_else_is_accepted_and_opens_nothing(world: World):
    essentials = {"alertTargetIDs": ["/subscriptions/s/providers/Microsoft.Compute/virtualMachines/vm"]}
    machine = {"schemaId": "azureMonitorCommonAlertSchema", "data": {"essentials": essentials, "alertContext": {}}}
    async with world.client() as client:
        answer = await client.post("/azure-monitor", json=machine, headers=HEADERS)

    assert (answer.status_code, answer.json()["accepted"]) == (202, 0)
    (delivery,) = await world.all_of(schema.deliveries)
    assert delivery.outcome == "ignored"
    assert "microsoft.compute/virtualmachines" in delivery.reason


async def test_an_installation_without_a_platform_says_why_it_opens_nothing(small_world: World):
    dict.clear(small_world.services.platforms)  # type: ignore[arg-type]
    async with small_world.client() as client:
        answer = await client.post("/azure-monitor", json=FAILED, headers=HEADERS)

    assert (answer.status_code, answer.json()["accepted"]) == (202, 0)
    (delivery,) = await small_world.all_of(schema.deliveries)
    assert delivery.reason == "no platform is connected that could read it"


async def test_a_resolved_alert_opens_nothing(small_world: World, wire: Path):
    body = (wire / "azmon-common-metric-resolved.json").read_bytes()
    async with small_world.client() as client:
        answer = await client.post("/azure-monitor", content=body, headers=HEADERS)

    assert (answer.status_code, answer.json()["accepted"]) == (202, 0)


async def test_a_body_of_five_megabytes_is_refused(small_world: World):
    async with small_world.client() as client:
        answer = await client.post("/azure-monitor", content=b"x" * 5_000_000, headers=HEADERS)

    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"
    assert await small_world.all_of(schema.deliveries) == []


async def test_a_long_body_without_a_length_is_stopped_while_it_comes(small_world: World):
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(1000):
            sent += 1
            yield b"x" * 65536

    async with small_world.client() as client:
        answer = await client.post("/azure-monitor", content=endless(), headers=HEADERS)

    assert answer.status_code == 413
    assert sent < 10


async def test_a_body_just_within_the_limit_is_read(small_world: World):
    body = json.dumps({**FAILED, "error": "x" * 200_000})
    async with small_world.client() as client:
        answer = await client.post("/azure-monitor", content=body, headers=HEADERS)

    assert answer.status_code == 202


async def test_odd_characters_reach_both_databases(world: World):
    body = b'{"pipeline_name": "na\\u0000me", "run_id": "r\\ud800", "error": "caf\\u00e9 \\ud83d\\ude00"}'
    async with world.client() as client:
        answer = await client.post("/azure-monitor", content=body, headers=HEADERS)

    assert answer.status_code == 202
    (alert,) = await world.all_of(schema.alerts)
    assert "\0" not in alert.pipeline
    assert alert.error_message == "café 😀"


async def test_a_database_that_is_locked_is_answered_503(small_world: World, tmp_path: Path):
    other = sa.create_engine(small_world.database.url)
    with other.connect() as db:
        db.exec_driver_sql("BEGIN IMMEDIATE")
        async with small_world.client() as client:
            answer = await client.post("/azure-monitor", json=FAILED, headers=HEADERS)
        db.exec_driver_sql("ROLLBACK")
    other.dispose()

    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_database_that_is_away_is_answered_503(small_world: World, monkeypatch: pytest.MonkeyPatch):
    async def write(unit: object) -> None:
        raise sa.exc.OperationalError("INSERT", {}, Exception("server closed the connection"))

    monkeypatch.setattr(small_world.database, "write_at_once", write)
    async with small_world.client() as client:
        answer = await client.post("/azure-monitor", json=FAILED, headers=HEADERS)

    assert answer.status_code == 503
    assert "retry-after" in answer.headers


async def test_a_slow_commit_is_answered_503_within_its_time(small_world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("pipemend.web.webhooks.KEEP_SECONDS", 0.05)

    async def write(unit: object) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(small_world.database, "write_at_once", write)
    async with small_world.client() as client:
        answer = await client.post("/azure-monitor", json=FAILED, headers=HEADERS)

    assert answer.status_code == 503


async def test_a_reader_of_ours_that_stumbles_loses_no_delivery(small_world: World, monkeypatch: pytest.MonkeyPatch):
    def stumble(*_: object) -> None:
        raise KeyError("essentials")

    monkeypatch.setattr(small_world.services.platforms["data_factory"], "read", stumble)
    async with small_world.client() as client:
        answer = await client.post("/azure-monitor", json=FAILED, headers=HEADERS)

    assert answer.status_code == 400
    (delivery,) = await small_world.all_of(schema.deliveries)
    assert delivery.outcome == "unreadable"


async def test_a_kept_delivery_can_be_replayed(world: World):
    admin = await world.a_client("admin")
    async with admin as client:
        await client.post("/azure-monitor", json=FAILED, headers=HEADERS)
        answer = await client.post("/api/deliveries/1/replay")
        listed = (await client.get("/api/deliveries")).json()

    assert answer.status_code == 202
    assert answer.json()["accepted"] == 1
    assert [(d["id"] == 1, d["replay_of"], len(d["alerts"])) for d in listed["deliveries"]] == [
        (False, 1, 1),
        (True, None, 1),
    ]
    (entry,) = await world.all_of(schema.audit_trail)
    assert (entry.action, entry.user_name) == ("delivery_replayed", "admin")


async def test_a_delivery_that_is_not_there_cannot_be_replayed(small_world: World):
    async with await small_world.a_client("admin") as client:
        assert (await client.post("/api/deliveries/77/replay")).status_code == 404


async def test_only_posts_go_through_the_door(small_world: World):
    async with small_world.client() as client:
        assert (await client.get("/azure-monitor")).status_code == 405


class Plugged:
    """A platform's own door, as a plug-in brings it."""

    def door(self) -> Door:
        return Door("/other-monitor", lambda call: call.headers.get("x-key") == "k", self.read)

    def read(self, call: Call) -> Reading:
        told: dict[str, Any] = json.loads(call.body)
        if "job" not in told:
            raise BadDelivery("job: is missing", field="job")
        return Reading((Alert(platform="other", pipeline=str(told["job"])),))


async def test_the_door_of_a_plugged_in_platform_works_alike(sqlite_url: str):
    world = build(sqlite_url, doors=(Plugged().door(),))
    async with world.client(headers={"X-Key": "k"}) as client:
        good = await client.post("/other-monitor", json={"job": "etl"})
        bad = await client.post("/other-monitor", json={})
        stranger = await client.post("/other-monitor", json={"job": "etl"}, headers={"X-Key": "?"})

    assert (good.status_code, bad.status_code, stranger.status_code) == (202, 400, 401)
    assert bad.json()["field"] == "job"
    assert [alert.pipeline for alert in await world.all_of(schema.alerts)] == ["etl"]
    world.database.close()


async def test_the_door_of_a_notifier_carries_out_commands(sqlite_url: str):
    def wishes(call: Call) -> Sequence[object]:
        return [Acknowledge(by="ada", ticket_id=call.body.decode())]

    world = build(sqlite_url, doors=(Door("/chat", lambda call: True, wishes),))
    ticket = await world.ticket()
    async with world.client() as client:
        done = await client.post("/chat", content=ticket.id)
        late = await client.post("/chat", content=ticket.id)

    assert (done.status_code, late.status_code) == (200, 200)
    closed = await world.database.read(lambda db: tickets.get(db, ticket.id))
    assert (closed.status, closed.ack_user) == (Status.ACKNOWLEDGED, "ada")
    world.database.close()


def _with_target(flat: dict[str, str]) -> dict[str, Any]:
    essentials = {"alertTargetIDs": [FACTORY.id], "alertRule": "failed runs"}
    return {
        "schemaId": "azureMonitorCommonAlertSchema",
        "data": {"essentials": essentials, "alertContext": {"properties": flat}},
    }
