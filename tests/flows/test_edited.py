"""A pipeline that somebody edits after its failure: the machine steps back before its next start and says why."""

from typing import Any

import pytest

from pipemend.core.attempt import AttemptStatus
from pipemend.core.commands import Retry, Switch
from pipemend.core.errors import NotAllowed, Throttled
from pipemend.core.run import RunStatus
from pipemend.core.ticket import Status
from tests.world import World

EDITED = "somebody has edited the pipeline since it failed: a person decides"


async def failed(world: World, definition: Any = "as it was") -> None:
    """A failure whose repair is held by the red button."""
    world.adf.definitions["nightly-load"] = definition
    await world.command(Switch(by="rosa", enabled=False))
    run = world.adf.fails("nightly-load", "ThrottlingError")
    await world.hears("nightly-load", run)
    await world.settle()


async def let_go(world: World) -> None:
    await world.command(Switch(by="rosa", enabled=True))
    await world.after(62)


async def test_the_machine_steps_back_before_the_first_start(world: World) -> None:
    await failed(world)
    world.adf.definitions["nightly-load"] = "mended"
    await let_go(world)

    ticket = await world.ticket()
    assert world.adf.rerun.calls == []
    assert (ticket.status, ticket.decision["why"]) == (Status.OPEN, EDITED)
    assert [a.status for a in await world.attempts()] == [AttemptStatus.CANCELLED]
    assert EDITED in str(world.slack.told[-1].event)
    assert await world.broken() == set()


async def test_and_before_the_second_one(world: World) -> None:
    await failed(world)
    await let_go(world)
    world.adf.ends(world.adf.rerun.started_runs[0], RunStatus.FAILED, "ThrottlingError")
    world.adf.definitions["nightly-load"] = "mended"
    await world.after(120)

    assert len(world.adf.rerun.calls) == 1
    assert (await world.ticket()).decision["why"] == EDITED


async def test_a_person_may_retry_what_was_edited(world: World) -> None:
    await failed(world)
    world.adf.definitions["nightly-load"] = "mended"
    await let_go(world)
    await world.command(Retry(ticket_id=(await world.ticket()).id, by="rosa"))
    await world.after(31)
    assert len(world.adf.rerun.calls) == 1


async def test_a_pipeline_that_nobody_edits_is_repaired(world: World) -> None:
    await failed(world)
    await let_go(world)
    assert len(world.adf.rerun.calls) == 1


@pytest.mark.parametrize("then", [None, NotAllowed("may not read it")], ids=["not told", "not allowed"])
async def test_who_cannot_tell_stops_nothing(world: World, then: Any) -> None:
    await failed(world)
    world.adf.definitions["nightly-load"] = then
    await let_go(world)
    assert len(world.adf.rerun.calls) == 1


async def test_who_cannot_tell_now_is_asked_again(world: World) -> None:
    await failed(world)
    world.adf.definitions["nightly-load"] = Throttled("slow down")
    await let_go(world)
    assert world.adf.rerun.calls == []
    assert "nobody can say" in (await world.ticket()).decision["why"]

    world.adf.definitions["nightly-load"] = "as it was"
    await world.after(62)
    assert len(world.adf.rerun.calls) == 1


async def test_a_ticket_opens_also_when_nobody_can_say_what_was_run(world: World) -> None:
    await failed(world, Throttled("slow down"))
    assert (await world.ticket()).definition is None

    world.adf.definitions["nightly-load"] = "whatever"
    await let_go(world)
    assert len(world.adf.rerun.calls) == 1
