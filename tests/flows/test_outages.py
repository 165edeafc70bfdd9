"""Slack and Jira away for an hour, in all the ways of vendors: no repair waits, nothing is lost or doubled."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from pipemend.clients.http import Http
from pipemend.core.run import RunStatus
from pipemend.notifiers.jira import Jira
from pipemend.notifiers.jira.api import Account
from pipemend.notifiers.jira.api import Api as JiraApi
from pipemend.notifiers.slack import Slack
from pipemend.notifiers.slack.api import Api as SlackApi
from pipemend.store import events
from pipemend.store.database import Database
from pipemend.twin import running
from tests.world import World

CHANNEL, DEADLINE = "C0ALERTS01", 0.3
BAD_DAYS: tuple[dict[str, Any], ...] = (
    {"kind": "timeout_before", "seconds": 1},
    {"kind": "timeout_after", "seconds": 1},
    {"kind": "drop_before"},
    {"kind": "drop_after"},
    {"kind": "status", "status": 503},
    {"kind": "status_after", "status": 502},
    {"kind": "html"},
    {"kind": "status", "status": 429, "headers": {"Retry-After": "600"}},
)
PHASE = 3600 / len(BAD_DAYS)


@dataclass
class Town:
    """A Pipemend whose Slack and Jira are the twin's."""

    world: World
    twin: httpx.AsyncClient

    async def bad_day(self, **fault: Any) -> None:
        for service in ("slack", "jira"):
            what = {"match": {"service": service}, "times": -1, **fault}
            (await self.twin.post("/twin/faults", json=what)).raise_for_status()

    async def good_day(self) -> None:
        (await self.twin.delete("/twin/faults")).raise_for_status()

    async def messages(self) -> list[dict[str, Any]]:
        return list((await self.twin.get("/twin/slack/messages")).json()["messages"])

    async def issues(self) -> list[dict[str, Any]]:
        return list((await self.twin.get("/twin/jira/issues")).json()["issues"])

    async def breaks_and_heals(self, pipeline: str) -> None:
        self.world.adf.fails(pipeline)
        await self.world.after(31, step=31)
        self.world.adf.ends(self.world.adf.rerun.started_runs[-1], RunStatus.SUCCEEDED)
        await self.world.after(31, step=31)

    async def drained(self) -> float:
        """The seconds until nothing waits any more."""
        seconds = 0.0
        while any(word == "waiting" for _, word in await self.world.database.read(events.counts)):
            await self.world.after(5, step=5)
            seconds += 5
            assert seconds < 1000
        return seconds


@pytest.fixture
async def town(database: Database) -> AsyncIterator[Town]:
    async def nap(_: float) -> None: ...

    async with running() as base, httpx.AsyncClient(base_url=base, trust_env=False) as client:
        slack = Slack(SlackApi(SecretStr("xoxb-twin"), f"{base}/slack/api/", DEADLINE), CHANNEL)
        account = Account("twin@example.com", SecretStr("twin-jira-token"))
        jira = Jira(JiraApi(Http(), base, account, DEADLINE), "OPS", nap)
        world = World(database, notifiers={"slack": slack, "jira": jira})
        await world.begin()
        yield Town(world, client)
        await slack.close()
        await jira.close()


async def test_an_hour_away_delays_no_repair_loses_nothing_and_doubles_nothing(town: Town) -> None:
    await town.breaks_and_heals("before")
    usual = (await town.world.ticket()).ack_seconds
    for number, fault in enumerate(BAD_DAYS):
        await town.good_day()
        await town.bad_day(**fault)
        await town.breaks_and_heals(f"load-{number}")
        await town.world.after(PHASE - 62, step=(PHASE - 62) / 3)
    await town.good_day()

    seconds = await town.drained()

    tickets = await town.world.tickets()
    assert {ticket.ack_seconds for ticket in tickets} == {usual}  # by the clock: as without an outage
    assert seconds <= 600 + 60  # what Retry-After asked for, and a little
    said = await town.messages()
    originals = [message for message in said if message["thread_ts"] is None]
    assert sorted(message["text"] for message in originals) == sorted(
        f"✅ Auto-remediation successful for {ticket.pipeline}" for ticket in tickets
    )
    keys = [message["metadata"]["event_payload"]["event_id"] for message in said]
    assert len(keys) == len(set(keys))
    for original in originals:
        thread = [m["metadata"]["event_payload"]["event_id"] for m in said if m["thread_ts"] == original["ts"]]
        assert thread == sorted(thread)
    issues = await town.issues()
    assert sorted(issue["labels"] for issue in issues) == sorted([ticket.id] for ticket in tickets)
    assert {issue["status"] for issue in issues} == {"Done"}
    for issue in issues:
        assert max(Counter(map(str, issue["comments"])).values()) == 1
    counts = await town.world.database.read(events.counts)
    assert ("slack", "parked") not in counts
    assert ("jira", "parked") not in counts


async def test_a_revoked_token_stops_no_repair_and_all_is_told_when_there_is_a_new_one(town: Town) -> None:
    slack = town.world.services.notifiers["slack"]
    assert isinstance(slack, Slack)
    token, slack._api._token = slack._api._token, SecretStr("xoxb-revoked")
    await town.breaks_and_heals("nightly-load")

    assert (await town.world.ticket()).closed
    assert ("slack", "parked") not in await town.world.database.read(events.counts)
    waiting = (await town.world.database.read(events.waiting_since))["slack"]
    assert "invalid_auth (SLACK_BOT_TOKEN is not valid any more)" in waiting.error
    (issue,) = await town.issues()
    assert issue["status"] == "Done"

    slack._api._token = token  # as after a restart
    await slack._api.close()
    await town.drained()
    (original,) = [message for message in await town.messages() if message["thread_ts"] is None]
    assert original["text"] == "✅ Auto-remediation successful for nightly-load"


async def test_a_jira_that_does_not_believe_us_is_told_all_when_it_does(town: Town) -> None:
    believes_nobody = {"match": {"service": "jira"}, "kind": "status", "status": 401, "times": -1}
    (await town.twin.post("/twin/faults", json=believes_nobody)).raise_for_status()
    await town.breaks_and_heals("nightly-load")
    waiting = (await town.world.database.read(events.waiting_since))["jira"]
    assert "JIRA_API_TOKEN is not valid any more" in waiting.error
    assert await town.issues() == []

    await town.good_day()
    await town.drained()
    (issue,) = await town.issues()
    assert issue["status"] == "Done"


async def test_a_channel_that_is_gone_is_shown_with_what_helps(town: Town) -> None:
    await town.twin.put("/twin/slack", json={"channels": ["C0OTHER001"]})
    await town.breaks_and_heals("nightly-load")

    parked = await town.world.database.read(events.parked)
    assert {row.notifier for row in parked} == {"slack"}
    assert "channel_not_found (SLACK_ALERT_CHANNEL does not exist" in parked[0].error
    assert (await town.world.ticket()).closed
