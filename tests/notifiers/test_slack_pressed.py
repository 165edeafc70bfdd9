"""People press in Slack, by the request URL and by Socket Mode: the same things happen, and the message follows."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from pipemend.core.commands import Stop
from pipemend.core.run import RunStatus
from pipemend.core.ticket import Approval, Status
from pipemend.flows.presses import Presses
from pipemend.notifiers.slack import build
from pipemend.store.database import Database
from tests.flows.test_approvals import asked
from tests.notifiers.office import KIM, LU, Office, office, settings_of

SOCKET = {"SLACK_APP_TOKEN": "xapp-twin"}


@pytest.fixture(params=["door", "socket"])
async def pressed(request: pytest.FixtureRequest, database: Database) -> AsyncIterator[Office]:
    async with office(database, **(SOCKET if request.param == "socket" else {})) as made:
        if request.param == "socket":
            await made.until(lambda told: told["sockets"])
        yield made


async def test_a_yes_starts_the_rerun_and_the_buttons_follow_the_ticket(pressed: Office) -> None:
    ticket = await asked(pressed.world)
    assert await pressed.buttons() == ["Approve", "Reject", "Acknowledge"]

    press = await pressed.press("Approve")

    assert (press["done"], press["answers"]) == (True, [])
    assert len(pressed.world.adf.rerun.calls) == 1
    assert await pressed.buttons() == ["Acknowledge", "Stop automation", "Hand over"]
    assert (await pressed.world.ticket()).approval_by == "rosa (Slack U0ROSA0001)"
    pressed.world.adf.ends(pressed.world.adf.rerun.started_runs[0], RunStatus.SUCCEEDED)
    await pressed.world.after(31)
    assert await pressed.buttons() == []
    assert (await pressed.world.audit_line("approval_approved")).user_name == "rosa (Slack U0ROSA0001)"
    assert (await pressed.world.ticket()).id == ticket.id
    assert await pressed.world.broken() == set()


async def test_a_press_of_an_old_screen_gets_a_polite_answer(pressed: Office) -> None:
    await asked(pressed.world)
    await pressed.press("Reject")
    late = await pressed.press("Approve", KIM, "kim", stale=True)

    assert late["done"]
    assert await pressed.told(2) == "Nothing was done: it was rejected already, by rosa (Slack U0ROSA0001)."
    assert (await pressed.world.audit_line("press_refused")).user_name == "kim (Slack U0KIM00002)"
    assert await pressed.buttons() == ["Acknowledge", "Retry now"]


async def test_the_same_press_again_does_nothing_and_tells_nobody(pressed: Office) -> None:
    await asked(pressed.world)
    await pressed.press("Approve")
    for _ in range(3):
        assert (await pressed.press_again(1))["done"]
    await pressed.world.after(60)

    assert len(pressed.world.adf.rerun.calls) == 1
    assert (await pressed.world.audit()).count("approval_approved") == 1
    assert all(press["answers"] == [] for press in (await pressed.until(bool))["presses"])


async def test_a_member_of_a_group_may_press_and_a_stranger_may_not(pressed: Office) -> None:
    ticket = await asked(pressed.world)
    stranger = await pressed.press("Approve", LU, "lu")
    assert stranger["done"]
    assert "you may not do this here" in await pressed.told()
    assert (await pressed.world.ticket()).approval is Approval.AWAITING

    await pressed.press("Acknowledge", KIM, "kim")
    after = await pressed.world.ticket()
    assert (after.status, after.ack_user, after.id) == (Status.ACKNOWLEDGED, "kim (Slack U0KIM00002)", ticket.id)


async def test_without_the_scope_only_named_people_count_and_it_says_so(pressed: Office) -> None:
    await asked(pressed.world)
    await pressed.twin.put("/twin/slack", json={"withdrawn": ["usergroups:read"]})
    await pressed.press("Approve", KIM, "kim")

    told = await pressed.told()
    assert "missing_scope (usergroups:read)" in told
    assert "could not be read" in told
    assert (await pressed.world.ticket()).approval is Approval.AWAITING
    await pressed.press("Approve")
    assert (await pressed.world.ticket()).approval is Approval.APPROVED


async def test_handing_over_rings_people_in_the_thread(pressed: Office) -> None:
    await asked(pressed.world)
    await pressed.press("Approve")
    await pressed.press("Hand over")

    assert await pressed.buttons() == ["Acknowledge"]
    last = (await pressed.thread())[-1]
    assert "handed over by rosa (Slack U0ROSA0001)" in last


@pytest.mark.parametrize("abruptly", [False, True])
async def test_a_socket_that_ends_is_opened_again(database: Database, abruptly: bool) -> None:
    async with office(database, **SOCKET) as made:
        await asked(made.world)
        await made.until(lambda told: told["sockets"])
        await made.twin.post("/twin/slack/disconnect", json={"abruptly": abruptly})
        await made.until(lambda told: not told["sockets"])
        await made.until(lambda told: told["sockets"])
        assert (await made.press("Acknowledge"))["done"]
        assert (await made.world.ticket()).status is Status.ACKNOWLEDGED


async def test_what_makes_no_sense_over_a_socket_is_let_go(database: Database) -> None:
    async with office(database, **SOCKET) as made:
        await asked(made.world)
        await made.until(lambda told: told["sockets"])
        odd = {"type": "interactive", "envelope_id": "e1"}
        for message in ("no JSON", "[" * 100_000, [1], None, {"type": 7}, odd, {**odd, "payload": {"type": "x"}}):
            await made.twin.post("/twin/slack/socket/say", json={"message": message})
        for payload in ({"type": "block_actions"}, {"type": "block_actions", "user": {"id": "U"}, "actions": [7]}):
            await made.twin.post("/twin/slack/socket/say", json={"message": {**odd, "payload": payload}})

        assert (await made.press("Acknowledge"))["done"]
        assert (await made.world.ticket()).status is Status.ACKNOWLEDGED


async def test_several_workers_listen_and_one_press_has_one_effect(database: Database) -> None:
    async with office(database, **SOCKET) as made:
        other = build(settings_of(str(made.twin.base_url).rstrip("/"), **SOCKET))
        assert other
        listening = asyncio.create_task(other.listen(Presses(made.world.services).take))
        await made.until(lambda told: told["sockets"] == 2)
        await asked(made.world)
        await made.press("Approve")
        for _ in range(3):  # over one line, then over the other
            assert (await made.press_again(1))["done"]
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await other.close()
        assert len(made.world.adf.rerun.calls) == 1
        assert (await made.world.audit()).count("approval_approved") == 1


async def test_a_stopped_ticket_answers_a_second_stop_politely(pressed: Office) -> None:
    ticket = await asked(pressed.world)
    await pressed.press("Approve")
    await pressed.world.command(Stop(ticket_id=ticket.id, by="lu"))
    await pressed.press("Stop automation", stale=True)
    assert await pressed.told(2) == "Nothing was done: automation has stopped already: stopped by lu."
