"""Tickets from the command line: a list, one with its story, and handing over, through the API of a server."""

import json

import pytest

from pipemend.core.errors import NotAllowed, NotFound, OutsideError, Unreachable
from pipemend.core.ticket import RemediationStatus
from tests.cli.test_switches import says, small_world
from tests.web.test_approving import asked
from tests.web.world import World

__all__ = ["small_world"]


async def a_few(world: World) -> None:
    await world.ticket("nightly-load", severity="Critical", finops_team="sales")
    await world.ticket("hourly-load", error_type="ThrottlingError", sla_status="Breached")
    await world.ticket(
        "daily-load",
        remediation_status=RemediationStatus.FAILED,
        remediation_attempts=2,
        max_attempts=3,
        hands_off="handed over by kim",
    )


async def test_tickets_are_listed_with_the_count_of_every_tab(small_world: World):
    await a_few(small_world)
    said = await says(small_world, "viewer", ["tickets", "--sort", "pipeline"])

    assert said.splitlines()[0].startswith("Open 2   In Progress 0   Auto-Healing 0   Needs approval 0   Escalated 1")
    rows = said.splitlines()[2:]
    assert [row.split()[1] for row in rows[:3]] == ["sales/daily-load", "sales/hourly-load", "sales/nightly-load"]
    assert "2/3" in rows[0]
    assert "Failed" in rows[0]
    assert rows[3].strip() == "1 to 3 of 3"


async def test_what_is_asked_for_is_what_is_shown(small_world: World):
    await a_few(small_world)
    said = await says(
        small_world,
        "viewer",
        ["tickets", "--search", "hourly"],
        ["tickets", "--tab", "escalated"],
        ["tickets", "--severity", "Critical", "--team", "sales"],
        ["tickets", "--error-type", "Nothing"],
        ["tickets", "--page", "2", "--page-size", "2"],
    )

    shown = [word for word in said.split() if word.startswith("sales/")]
    assert shown[:3] == ["sales/hourly-load", "sales/daily-load", "sales/nightly-load"]
    assert len(shown) == 4
    assert "No ticket fits." in said
    assert "3 to 3 of 3" in said


async def test_json_is_what_the_api_says(small_world: World):
    await a_few(small_world)
    said = json.loads(await says(small_world, "viewer", ["tickets", "--tab", "escalated", "--json"]))
    assert [ticket["pipeline"] for ticket in said["tickets"]] == ["daily-load"]

    one = said["tickets"][0]["id"]
    whole = json.loads(await says(small_world, "operator", ["ticket", one, "--json"]))
    assert (whole["ticket"]["id"], whole["attempts"], whole["audit"]) == (one, [], [])


async def test_one_ticket_tells_why_what_was_tried_and_who_did_what(small_world: World):
    ticket = await asked(small_world)
    proposal = (ticket.proposal or {})["id"]
    asks, done = ["ticket", ticket.id], ["approve", ticket.id, "--proposal", proposal]
    said = await says(small_world, "operator", asks, done, asks)

    before, after = said.split(f"{ticket.id} (nightly-load): open, 🤖 Auto-Healing\n")
    assert f"pipemend approve {ticket.id} --proposal {proposal}" in before
    assert "sales/nightly-load  Needs approval" in before
    assert "✗" in before
    assert "Attempts" in after
    assert "approval approved" in after
    assert f"pipemend approve {ticket.id}" not in after


async def test_text_from_outside_does_nothing_to_the_terminal(small_world: World):
    await small_world.ticket("[red]x[/red]\x1b[2J\x9b1m", error_message="\x1b]0;owned\x07[bold]no[/bold]", rca={})
    said = await says(small_world, "viewer", ["tickets"])
    one = next(line for line in said.splitlines() if "[red]x[/red]" in line).split()[0]
    whole = await says(small_world, "operator", ["ticket", one])

    for printed in (said, whole):
        assert not {"\x1b", "\x9b", "\x07"} & set(printed)
    assert "[bold]no[/bold]" in whole


async def test_a_ticket_is_handed_over_closed_and_opened_again(small_world: World):
    ticket = await small_world.ticket(run_ended_at=small_world.clock.now())
    over = ["escalate", ticket.id, "--reason", "the source is gone"]
    said = await says(
        small_world,
        "operator",
        over,
        ["ack", ticket.id],
        ["reopen", ticket.id, "--reason", "no"],
        ["ticket", ticket.id],
    )

    name = f"{ticket.id} (nightly-load)"
    assert said.startswith(f"{name}: open\n{name}: acknowledged\n{name}: open\n")
    assert "Automation: reopened by operator: no" in said
    assert "handed over by operator: the source is gone" in said
    with pytest.raises(OutsideError, match="it is open"):
        await says(small_world, "admin", ["reopen", ticket.id])


MISTAKES = {
    "no such ticket": (["ticket", "ADF-1"], NotFound, "there is no ticket ADF-1"),
    "a role that may not": (["escalate", "ADF-1"], NotAllowed, "needs the role operator"),
    "a token nobody knows": (["tickets", "--token", "wrong"], NotAllowed, "does not know this token"),
    "no server": (["tickets", "--url", "http://127.0.0.1:1"], Unreachable, "is the server running"),
    "a severity nobody knows": (["tickets", "--severity", "Awful"], OutsideError, "severity"),
}


@pytest.mark.parametrize(("command", "kind", "words"), MISTAKES.values(), ids=list(MISTAKES))
async def test_what_goes_wrong_is_named(small_world: World, command: list[str], kind: type[Exception], words: str):
    with pytest.raises(kind, match=words):
        await says(small_world, "viewer", command)
