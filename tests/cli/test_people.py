"""What people ask of a ticket from the command line."""

import pytest

from pipemend.core.errors import NotAllowed, OutsideError
from tests.cli.test_switches import says, small_world
from tests.web.test_approving import asked
from tests.web.world import World

__all__ = ["small_world"]


async def test_a_proposal_is_approved_and_the_ticket_acknowledged(small_world: World):
    ticket = await asked(small_world)
    proposal = (ticket.proposal or {})["id"]
    said = await says(small_world, "operator", ["approve", ticket.id, "--proposal", proposal], ["ack", ticket.id])

    assert said == (f"{ticket.id} (nightly-load): open, 🤖 Auto-Healing\n{ticket.id} (nightly-load): acknowledged\n")


async def test_a_no_takes_its_reason_along_and_comes_once(small_world: World):
    ticket = await asked(small_world)
    with pytest.raises(NotAllowed, match="needs the role operator"):
        await says(small_world, "viewer", ["stop", ticket.id])
    with pytest.raises(OutsideError, match="it was rejected already, by operator"):
        await says(small_world, "operator", ["reject", ticket.id, "--reason", "not today"], ["approve", ticket.id])
