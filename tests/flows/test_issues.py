"""Jira both ways, the whole road: people change issues in the twin's Jira, its webhook calls us, we answer there."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from pipemend.core.attempt import AttemptStatus
from pipemend.core.commands import Reopen, Retry
from pipemend.core.run import RunStatus
from pipemend.core.ticket import RemediationStatus, Status
from pipemend.notifiers import jira
from pipemend.settings import Settings
from pipemend.store import deliveries, schema
from pipemend.store.database import Database
from pipemend.twin import running
from pipemend.web.app import create_app
from tests.fakes.people import Listener
from tests.web.serving import serving
from tests.world import World

SECRET = "a secret that both have"


class Site:
    """The twin's Jira and what is known of it, beside a Pipemend that it calls."""

    def __init__(self, world: World, http: httpx.AsyncClient, slack: Listener) -> None:
        self.world, self.http, self.slack = world, http, slack

    async def asks(self, method: str, path: str, **body: Any) -> Any:
        return (await self.http.request(method, f"/twin/jira/{path}", json=body)).raise_for_status().json()

    async def webhook(self, **how: Any) -> None:
        await self.asks("PUT", "webhook", **how)

    async def does(self, by: str = "Rosa Lindt", **change: Any) -> None:
        """Somebody changes the issue; Jira reports it, and everything that follows happens."""
        await self.asks("POST", "issues/OPS-1/change", by=by, **change)
        await self.settle()

    async def settle(self) -> None:
        for _ in range(3):  # what we do there is reported too
            await self.world.settle()
            await self.delivered()

    async def delivered(self) -> None:
        async with asyncio.timeout(60):
            while not all(report["done"] for report in await self.reports() if report["tries"] or not self.held):
                await asyncio.sleep(0.02)

    held = False

    async def reports(self) -> list[dict[str, Any]]:
        return list((await self.http.get("/twin/jira/reports")).json()["reports"])

    async def issue(self) -> dict[str, Any]:
        (only,) = (await self.http.get("/twin/jira/issues")).json()["issues"]
        return dict(only)

    async def moves(self) -> int:
        """How often we have moved the issue."""
        asked = (await self.http.get("/twin/requests", params={"service": "jira", "operation": "transition"})).json()
        return len(asked["requests"])

    async def outcomes(self) -> list[str]:
        rows = await self.world.database.read(lambda db: db.execute(sa.select(schema.deliveries)).all())
        return [f"{row.outcome}: {row.reason}" for row in rows]


@pytest.fixture
async def site(database: Database) -> AsyncIterator[Site]:
    async with running() as base, httpx.AsyncClient(base_url=base, trust_env=False) as http:
        settings = Settings.of(
            {
                "ALLOWED_HOSTS": "127.0.0.1, management.azure.com, login.microsoftonline.com",
                "JIRA_DOMAIN": base,
                "JIRA_USER_EMAIL": "twin@example.com",
                "JIRA_API_TOKEN": "twin-jira-token",
                "JIRA_WEBHOOK_SECRET": SECRET,
            }
        )
        told = jira.build(settings)
        assert told
        slack = Listener()
        world = World(database, notifiers={"jira": told, "slack": slack})
        await world.begin()
        async with serving(create_app(world.services, settings)) as address:
            made = Site(world, http, slack)
            await made.webhook(url=f"http://{address}/webhook/jira", secret=SECRET)
            yield made
        await told.close()


async def waiting(site: Site) -> None:
    """A ticket whose second attempt waits."""
    site.world.adf.fails("nightly-load", "ThrottlingError")
    await site.world.after(31)
    site.world.adf.ends(site.world.adf.rerun.started_runs[0], RunStatus.FAILED, "ThrottlingError")
    await site.world.after(31, step=31)
    await site.settle()
    assert [a.status for a in await site.world.attempts()] == [AttemptStatus.FAILED, AttemptStatus.WAITING]


async def test_our_own_closing_and_reopening_come_back_as_nothing(site: Site):
    world = site.world
    failed = world.adf.fails("nightly-load")
    await world.after(31)
    world.adf.ends(world.adf.rerun.started_runs[0], RunStatus.SUCCEEDED)
    await world.after(31)
    await site.settle()
    assert ((await world.ticket()).ack_user, (await site.issue())["status"]) == ("AI_AUTO_HEAL", "Done")

    await world.command(Reopen(ticket_id=(await world.ticket()).id, by="ada"))
    await site.settle()
    ticket = await world.ticket()
    assert ((await site.issue())["status"], ticket.status) == ("To Do", Status.OPEN)
    assert ticket.hands_off == "reopened by ada"
    assert (await site.outcomes()).count("ignored: our own change") == 2
    assert await site.moves() == 2
    assert failed


async def test_who_closes_the_issue_closes_the_ticket_and_is_not_answered_with_a_move(site: Site):
    await waiting(site)
    site.world.clock.move(5)
    await site.does(status="Done")

    ticket = await site.world.ticket()
    assert (ticket.status, ticket.ack_user) == (Status.ACKNOWLEDGED, "Rosa Lindt (Jira)")
    assert (ticket.sla_status, round(ticket.ack_seconds or 0)) == ("Met", 37)
    assert [a.status for a in await site.world.attempts()] == [AttemptStatus.FAILED, AttemptStatus.CANCELLED]
    await site.world.after(600, step=200)
    assert len(site.world.adf.rerun.calls) == 1
    issue = await site.issue()
    assert (issue["status"], await site.moves()) == ("Done", 0)
    assert issue["comments"][-1].startswith("☑️ Closed by Rosa Lindt (Jira)")


async def test_a_rerun_that_runs_is_not_killed_by_a_closing_and_none_follows_it(site: Site):
    world = site.world
    world.adf.fails("nightly-load")
    await world.after(31)
    await site.settle()
    await site.does(status="Done")
    assert world.adf.cancelled == []
    assert (await world.ticket()).remediation_status is RemediationStatus.IN_PROGRESS

    world.adf.ends(world.adf.rerun.started_runs[0], RunStatus.FAILED, "GatewayTimeout")
    await world.after(600, step=200)
    ticket = await world.ticket()
    assert (ticket.ack_user, ticket.remediation_status) == ("Rosa Lindt (Jira)", RemediationStatus.FAILED)
    assert len(world.adf.rerun.calls) == 1


async def test_who_reopens_the_issue_reopens_the_ticket_and_the_machine_waits_for_a_retry(site: Site):
    await waiting(site)
    await site.does(status="Done")
    await site.does(by="Max Orth", status="To Do")

    ticket = await site.world.ticket()
    assert (ticket.status, ticket.hands_off) == (Status.OPEN, "reopened by Max Orth (Jira)")
    await site.world.after(600, step=200)
    assert len(site.world.adf.rerun.calls) == 1
    assert ((await site.issue())["status"], await site.moves()) == ("To Do", 0)

    await site.world.command(Retry(ticket_id=ticket.id, by="ada"))
    await site.world.after(31)
    assert len(site.world.adf.rerun.calls) == 2


async def test_who_works_on_it_has_it(site: Site):
    await waiting(site)
    await site.does(status="In Progress", assignee="Rosa Lindt")

    ticket = await site.world.ticket()
    assert (ticket.status, ticket.hands_off) == (Status.IN_PROGRESS, "Rosa Lindt (Jira) works on it")
    await site.world.after(600, step=200)
    assert (await site.world.ticket()).status is Status.IN_PROGRESS
    assert len(site.world.adf.rerun.calls) == 1
    assert (await site.issue())["comments"][-1].startswith("👤 Rosa Lindt (Jira) works on it")
    assert await site.world.broken() == set()


async def test_assigning_it_makes_the_machine_step_back_and_say_so(site: Site):
    await waiting(site)
    await site.does(by="Max Orth", assignee="Rosa Lindt")
    await site.does(by="Max Orth", assignee=None)

    ticket = await site.world.ticket()
    assert ticket.hands_off == "assigned to Rosa Lindt by Max Orth (Jira)"
    await site.world.after(600, step=200)
    assert len(site.world.adf.rerun.calls) == 1
    said = [getattr(news.event, "reason", None) for news in site.slack.told]
    assert said.count(ticket.hands_off) == 1
    assert ticket.hands_off in (await site.issue())["comments"][-1]
    assert await site.world.broken() == set()


async def test_a_run_that_fails_again_takes_a_closed_issue_out_of_done(site: Site):
    world = site.world
    failed = world.adf.fails("nightly-load", "DataConversionError")
    await world.after(31)
    await site.settle()
    await site.does(status="Done")
    world.clock.move(60)
    world.adf.ends(failed, RunStatus.FAILED, "DataConversionError")
    await world.after(62)
    await site.settle()

    ticket = await world.ticket()
    assert (ticket.status, (await site.issue())["status"]) == (Status.OPEN, "To Do")
    assert "failed again" in str(ticket.hands_off)


async def test_reports_that_come_three_times_and_the_newest_first_end_as_jira_stands(site: Site):
    await waiting(site)
    await site.webhook(copies=3, holds=True)
    site.held = True
    for status in ("In Progress", "Done", "To Do"):
        await site.asks("POST", "issues/OPS-1/change", by="Rosa Lindt", status=status)
    await site.asks("POST", "reports/release", newest_first=True)
    site.held = False
    await site.delivered()

    ticket = await site.world.ticket()
    assert (ticket.status, ticket.ack_user) == (Status.OPEN, None)
    assert (await site.issue())["status"] == "To Do"


async def test_a_crash_between_keeping_a_report_and_following_it_loses_and_doubles_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch
):
    await waiting(site)
    came_of = deliveries.came_of
    died: list[Any] = []

    def dies(*args: Any) -> None:
        if not died:
            died.append(args)
            raise sa.exc.OperationalError("the process has gone", {}, Exception())
        came_of(*args)

    monkeypatch.setattr(deliveries, "came_of", dies)
    await site.does(status="Done")

    assert died
    assert (await site.reports())[-1]["event"] in ("jira:issue_updated", "comment_created")
    assert [row for row in await site.outcomes() if row.startswith("accepted")] == [
        "accepted: acknowledge by Rosa Lindt (Jira)"
    ]
    assert (await site.world.audit()).count("acknowledged") == 1


async def test_what_people_wrote_stays_when_an_explanation_comes(site: Site):
    await waiting(site)
    await site.does(description="We know. The gateway is moved tonight.", summary="Gateway is moved")
    assert (await site.issue())["description"] == "We know. The gateway is moved tonight."
    assert (await site.world.ticket()).hands_off is None
    await site.world.after(120, step=60)
    await site.settle()
    assert (await site.issue())["summary"] == "Gateway is moved"


PAGE = Path(__file__).parents[2] / "docs/howto/jira-both-ways.md"


def as_text(issue: dict[str, Any]) -> str:
    """An issue as a person reads it: a rule above each comment, one line for what all guardrails said."""
    assigned = str(issue["assignee"]).removeprefix("twin:")
    head = f"{issue['key']}  {issue['summary']}  [{issue['status']}, assigned to {assigned}]"
    lines = "\n-----\n".join((head, issue["description"], *issue["comments"])).split("\n")
    said = (line.rstrip() for before, line in pairwise(["", *lines]) if not line[:1] == before[:1] == "✓")
    return "\n".join("✓ …" if line.startswith("✓") else line for line in said)


async def test_the_page_shows_the_issue_as_people_read_it(site: Site):
    await waiting(site)
    await site.does(by="Max Orth", assignee="Rosa Lindt")
    site.world.clock.move(600)
    await site.does(status="Done")

    said = as_text(await site.issue())
    assert f"```text\n{said}\n```" in PAGE.read_text(), said
