"""A ticket says how often its failure was there before, and what helped."""

from pipemend.core.run import RunStatus
from pipemend.core.ticket import Ticket
from tests.world import World


async def fails_and(world: World, outcome: RunStatus) -> Ticket:
    """One failure whose only rerun ends so; its ticket."""
    world.adf.fails("nightly-load")
    await world.after(31)
    world.adf.ends(world.adf.rerun.started_runs[-1], outcome, "PermissionDenied")
    await world.after(31)
    return (await world.tickets())[-1]


async def test_a_new_failure_says_nothing(world: World) -> None:
    ticket = await fails_and(world, RunStatus.SUCCEEDED)

    assert ticket.rca["before"]["seen"] == 0
    assert ticket.rca["before"]["sentence"] == ""


async def test_it_counts_what_came_before_and_what_a_rerun_healed(world: World) -> None:
    first = await fails_and(world, RunStatus.SUCCEEDED)
    second = await fails_and(world, RunStatus.FAILED)
    third = await fails_and(world, RunStatus.SUCCEEDED)

    before = third.rca["before"]
    assert (before["seen"], before["tried"], before["healed"]) == (2, 2, 1)
    assert before["tickets"] == [second.id, first.id]
    assert before["sentence"].startswith("Seen 2 times before; a rerun helped in 1 of 2, median ")
    assert first.fingerprint == second.fingerprint == third.fingerprint
