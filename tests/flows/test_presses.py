"""A press is kept and carried out together: whatever dies in between, it has one effect, or leaves no trace."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
import sqlalchemy as sa

from pipemend.core.alert import Press
from pipemend.core.commands import Acknowledge, Approve, Command, Escalate, Reject, Retry, Stop
from pipemend.core.offers import Offer
from pipemend.core.run import RunStatus
from pipemend.core.ticket import Approval, Status, Ticket
from pipemend.flows import commands
from pipemend.flows.presses import Presses
from pipemend.store.database import Database
from pipemend.store.schema import deliveries
from tests.flows.test_approvals import asked
from tests.world import World

DOOR, ROSA = "/slack/interactions", "rosa (Slack U1)"


@dataclass
class Finger:
    """Somebody who presses, and what they were told."""

    world: World
    told: list[str] = field(default_factory=list)
    stranger: bool = False

    async def press(self, wish: Command, once: str = "1", door: str = DOOR) -> bool:
        return await Presses(self.world.services).take(
            door, [Press(command=wish, once=once, refusal=self._refusal, reply=self._reply)]
        )

    async def _refusal(self) -> str:
        return "you may not do this here" if self.stranger else ""

    async def _reply(self, words: str) -> None:
        self.told.append(words)


@pytest.fixture
def finger(world: World) -> Finger:
    return Finger(world)


def yes(ticket: Ticket) -> Approve:
    return Approve(ticket_id=ticket.id, by=ROSA, proposal=(ticket.proposal or {})["id"])


async def kept(world: World) -> int:
    return await world.database.read(lambda db: db.scalar(sa.select(sa.func.count()).select_from(deliveries))) or 0


async def test_dying_before_the_commit_leaves_nothing_and_the_same_press_again_counts(
    world: World, finger: Finger, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket = await asked(world)
    with monkeypatch.context() as patched:
        patched.setattr(commands, "carry_out_in", dies_after(commands.carry_out_in))
        assert not await finger.press(yes(ticket))
    assert await kept(world) == 0
    assert (await world.ticket()).approval is Approval.AWAITING

    assert await finger.press(yes(ticket))
    await world.settle()
    assert len(world.adf.rerun.calls) == 1
    assert await world.broken() == set()


async def test_dying_after_the_commit_loses_nothing_and_the_same_press_again_does_nothing(
    world: World, finger: Finger, database: Database
) -> None:
    ticket = await asked(world)
    assert await finger.press(yes(ticket))  # and the process is gone before the attempt begins

    risen = World(database)
    risen.clock.move((world.clock.now() - risen.clock.now()).total_seconds())
    risen.adf.runs = world.adf.runs
    risen.services.platforms = world.services.platforms
    again = Finger(risen)
    assert await again.press(yes(ticket))  # Slack has heard no answer and sends it once more
    await risen.settle()
    await risen.after(120)

    assert len(world.adf.rerun.calls) == 1
    assert again.told == []
    assert (await risen.audit()).count("approval_approved") == 1
    assert await risen.broken() == set()


async def test_one_press_by_several_ways_at_once_is_one_effect(world: World, finger: Finger) -> None:
    ticket = await asked(world)
    taken = await asyncio.gather(*(finger.press(yes(ticket), door=f"way {n}") for n in range(6)))
    await world.settle()

    assert taken == [True] * 6
    assert (len(world.adf.rerun.calls), await kept(world), finger.told) == (1, 1, [])
    assert (await world.audit()).count("approval_approved") == 1


async def test_what_comes_too_late_is_kept_told_once_and_in_the_audit_trail(world: World, finger: Finger) -> None:
    ticket = await asked(world)
    await world.command(Acknowledge(ticket_id=ticket.id, by="kim"))
    for _ in range(3):
        assert await finger.press(yes(ticket))
    await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})

    assert finger.told == ["Nothing was done: it is closed, by kim."]
    line = await world.audit_line("press_refused")
    assert (line.user_name, line.details["why"]) == ("rosa (Slack U1)", "it is closed, by kim")
    assert await kept(world) == 1


async def test_a_stranger_changes_nothing(world: World, finger: Finger) -> None:
    ticket = await asked(world)
    finger.stranger = True
    assert await finger.press(Acknowledge(ticket_id=ticket.id, by="nobody (Slack U9)"))
    assert ((await world.ticket()).status, await kept(world)) == (Status.OPEN, 1)
    assert (await world.audit_line("press_refused")).user_name == "nobody (Slack U9)"


WISHES: dict[str, tuple[Callable[[str], Command], str]] = {
    Offer.APPROVE: (lambda t: Approve(ticket_id=t, by=ROSA), "approval_approved"),
    Offer.REJECT: (lambda t: Reject(ticket_id=t, by=ROSA), "approval_rejected"),
    Offer.RETRY: (lambda t: Retry(ticket_id=t, by=ROSA), "retry_granted"),
    Offer.STOP: (lambda t: Stop(ticket_id=t, by=ROSA), "automation_stopped"),
    Offer.ESCALATE: (lambda t: Escalate(ticket_id=t, by=ROSA), "handed_over"),
    Offer.ACKNOWLEDGE: (lambda t: Acknowledge(ticket_id=t, by=ROSA), "acknowledged"),
}


async def test_every_press_is_in_the_audit_trail_with_the_person(world: World, finger: Finger) -> None:
    """One ticket through all that can be pressed below its message."""
    ticket = await asked(world)
    for n, (offer, (wish, action)) in enumerate(WISHES.items()):
        assert await finger.press(wish(ticket.id), str(n)), offer
        assert (await world.audit_line(action)).user_name == ROSA
        await world.settle()
        if offer is Offer.APPROVE:
            world.adf.ends(world.adf.rerun.started_runs[-1], RunStatus.FAILED, "ServerBusy")
            await world.after(62)

    assert set(WISHES) == set(Offer)
    assert finger.told == []
    assert await world.broken() == set()


async def test_a_press_of_the_same_button_later_is_another_press(world: World, finger: Finger) -> None:
    ticket = await asked(world)
    assert await finger.press(yes(ticket), "1")
    assert await finger.press(yes(ticket), "2")
    await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})
    assert finger.told == ["Nothing was done: it was approved already, by rosa (Slack U1)."]
    assert await kept(world) == 2


def dies_after(carry_out_in):
    """Everything is written, nothing is committed: here the process ends."""

    def dying(*args):
        carry_out_in(*args)
        raise RuntimeError("killed")

    return dying
