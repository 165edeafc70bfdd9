"""A yes or a no at the doors for people: the dashboard and the API."""

from typing import Any, cast

import pytest

from pipemend.core.playbook import Playbook, Playbooks
from pipemend.core.ticket import Approval, Ticket
from pipemend.flows.decision import Grounds, decide
from pipemend.store import schema, tickets
from tests.web.test_pages import words_of
from tests.web.world import World

RISKY = Playbook(error_type="GatewayTimeout", action="retry_pipeline", approval=True)


async def asked(world: World) -> Ticket:
    """A ticket that waits for a yes."""
    platform = cast(Any, world.services.platforms["data_factory"])
    platform.remedies = {"retry_pipeline": object()}
    world.services.playbooks = Playbooks({("GatewayTimeout", None): RISKY})
    ticket = await world.ticket(run_ended_at=world.clock.now())
    now = world.clock.now()
    return await world.database.write(
        lambda db: decide(db, world.services, tickets.lock(db, ticket.id), Grounds.of_ticket(ticket), now)
    )


async def test_an_operator_approves_what_the_api_shows(world: World):
    ticket = await asked(world)
    path = f"/api/tickets/{ticket.id}"
    async with await world.a_client("operator") as client:
        shown = (await client.get(path)).json()
        other = await client.post(f"{path}/approve", json={"proposal": "0badc0de"})
        yes = await client.post(f"{path}/approve", json={"proposal": shown["proposal"]["id"]})
        again = await client.post(f"{path}/approve")

    assert (shown["tab"], shown["badge"]["text"]) == ("approval", "Needs approval")
    assert (other.status_code, "has changed since" in other.json()["detail"]) == (409, True)
    assert (yes.status_code, yes.json()["approval_by"], yes.json()["tab"]) == (200, "operator", "healing")
    assert (again.status_code, again.json()["detail"]) == (409, "it was approved already, by operator")
    (attempt,) = await world.all_of(schema.attempts)
    assert (attempt.status, attempt.approved_by) == ("waiting", "operator")


async def test_a_no_is_told_with_its_reason(world: World):
    ticket = await asked(world)
    async with await world.a_client("operator") as client:
        no = await client.post(f"/api/tickets/{ticket.id}/reject", json={"reason": "not today"})
    assert (no.json()["approval"], no.json()["badge"]["text"]) == ("rejected", "Rejected")
    assert "not today" in no.json()["hands_off"]


async def test_a_viewer_may_not_answer(world: World):
    ticket = await asked(world)
    async with await world.a_client("viewer") as client:
        said = [(await client.post(f"/api/tickets/{ticket.id}/{word}")).status_code for word in ("approve", "reject")]
    assert said == [403, 403]


@pytest.mark.parametrize(("word", "becomes"), [("approve", Approval.APPROVED), ("reject", Approval.REJECTED)])
async def test_the_page_asks_and_takes_the_answer(world: World, word: str, becomes: Approval):
    ticket = await asked(world)
    proposal = (ticket.proposal or {})["id"]
    async with await world.browser("operator") as client:
        page = (await client.get(f"/dashboard?ticket={ticket.id}")).text
        pressed = await client.post(f"/dashboard/tickets/{ticket.id}/{word}", data={"proposal": proposal})
        late = await client.post(f"/dashboard/tickets/{ticket.id}/approve", data={"proposal": proposal})
        after = (await client.get(f"/dashboard?ticket={ticket.id}")).text

    assert "Needs approval: Re-run the pipeline, attempt 1, because of GatewayTimeout." in words_of(page)
    assert f'name="proposal" value="{proposal}"' in page
    assert "/retry" not in page
    assert (pressed.status_code, late.status_code) == (303, 409)
    assert "already, by operator" in late.text
    assert "/approve" not in after
    assert (await world.database.read(lambda db: tickets.get(db, ticket.id))).approval is becomes
