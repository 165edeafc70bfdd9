"""A ticket says how often its failure was there before, and what helped; a handover says it to people."""

from pipemend.core.events import StatusChanged
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


async def test_people_are_handed_over_all_that_is_known_when_they_have_to_act(world: World) -> None:
    first = await fails_and(world, RunStatus.SUCCEEDED)
    second = await fails_and(world, RunStatus.FAILED)

    (told,) = [n for n in world.slack.told if isinstance(n.event, StatusChanged) and n.event.escalated]
    said = {line.label: line.says for line in told.handover}
    assert told.ticket.id == second.id
    assert said["Failed"].startswith("nightly-load on ")
    assert said["Tried"].startswith("attempt 1, retry pipeline: failed after ")
    assert "is not for a machine to repair" in said["Ruled out"]
    assert said["Before"].startswith("Seen 1 time before; a rerun helped in 1 of 1, median ")
    assert f"Last: {first.id}, healed by retry pipeline after " in said["Before"]
    assert [n.handover for n in world.slack.told if n is not told] == [()] * (len(world.slack.told) - 1)
