"""The heartbeat is heard while work is done and feeds are fresh."""

import logging

import pytest

from pipemend.bootstrap import heartbeat as built
from pipemend.clients.http import Http
from pipemend.core.errors import NoAnswer, OutsideError, SettingsError, Unreachable
from pipemend.flows import heartbeat
from pipemend.settings import Settings
from tests.clients.vendor import http, nobody, vendor
from tests.world import World


class Outside:
    """Counts the beats it hears. `deaf`: the error it answers with."""

    def __init__(self, world: World, deaf: OutsideError | None = None) -> None:
        self.beats, self.deaf = 0, deaf
        world.services.heartbeat = self.ping

    async def ping(self) -> None:
        self.beats += 1
        if self.deaf:
            raise self.deaf


async def test_it_beats_while_the_feeds_are_fresh(world: World) -> None:
    outside = Outside(world)
    await world.after(600)
    await heartbeat.beat(world.services, None)

    assert outside.beats == 1


async def test_it_is_silent_while_a_feed_is_stale(world: World) -> None:
    outside = Outside(world)
    await world.settle()
    world.adf.down = Unreachable("connection refused")
    await world.after(180)
    await heartbeat.beat(world.services, None)
    assert outside.beats == 1

    await world.after(60)
    await heartbeat.beat(world.services, None)
    assert outside.beats == 1


async def test_it_is_silent_while_the_worker_stands_still(world: World) -> None:
    outside = Outside(world)
    await heartbeat.beat(world.services, "standing still: feeds")

    assert outside.beats == 0


async def test_a_ping_that_fails_is_logged_and_nothing_else(world: World, caplog: pytest.LogCaptureFixture) -> None:
    outside = Outside(world, NoAnswer("no answer in time"))
    with caplog.at_level(logging.WARNING):
        await heartbeat.beat(world.services, None)

    assert outside.beats == 1
    assert "the heartbeat was not heard" in caplog.text


async def test_the_address_of_the_setting_is_called() -> None:
    pool = Http()
    async with vendor(http(200, "ok")) as outside:
        ping = built(Settings.of({"HEARTBEAT_URL": outside.url, "ALLOWED_HOSTS": "127.0.0.1,localhost"}), pool)
        assert ping
        await ping()
    assert outside.requests[0].startswith(b"GET ")

    ping = built(Settings.of({"HEARTBEAT_URL": nobody(), "ALLOWED_HOSTS": "127.0.0.1,localhost"}), pool)
    assert ping
    with pytest.raises(Unreachable):
        await ping()
    await pool.close()


def test_the_address_must_be_https_to_an_allowed_host() -> None:
    with pytest.raises(SettingsError, match=r"HEARTBEAT_URL: ping\.example is not among ALLOWED_HOSTS"):
        Settings.of({"HEARTBEAT_URL": "https://ping.example/key"})
    with pytest.raises(SettingsError, match="HEARTBEAT_URL: https is required"):
        Settings.of({"HEARTBEAT_URL": "http://ping.example/key", "ALLOWED_HOSTS": "ping.example"})
    assert built(Settings.of({}), Http()) is None
