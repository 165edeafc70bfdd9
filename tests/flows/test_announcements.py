"""Telling: in order, again when it may not have been heard, and never in the way of a repair."""

from pipemend.core.errors import NoAnswer, Refused, Throttled
from pipemend.core.ticket import RemediationStatus
from pipemend.store import events
from tests.world import World


async def test_a_deaf_listener_delays_no_repair_and_hears_everything_in_order_later(world: World) -> None:
    world.slack.deaf = [NoAnswer("no answer in time")] * 3
    world.adf.fails("nightly-load")
    await world.after(31)
    assert (await world.ticket()).remediation_status is RemediationStatus.IN_PROGRESS

    await world.after(120, step=5)

    assert world.slack.words == ["new_ticket", "attempt_update", "remediation_started"]
    assert world.slack.told[0].repeated  # it may have been said: the listener looks before it repeats


async def test_a_throttled_listener_is_left_alone_for_as_long_as_it_asked(world: World) -> None:
    world.slack.deaf = [Throttled("ratelimited", retry_after=50)]
    world.adf.fails("nightly-load")
    await world.after(31)
    await world.after(45, step=5)
    assert world.slack.told == []
    await world.after(10, step=5)
    assert world.slack.words[0] == "new_ticket"
    assert not world.slack.told[0].repeated


async def test_a_message_refused_for_good_is_parked_and_the_next_one_goes_out(world: World) -> None:
    world.slack.deaf = [Refused("invalid_blocks")]
    world.adf.fails("nightly-load")
    await world.after(31)
    assert world.slack.words == ["attempt_update", "remediation_started"]
    assert await world.database.read(events.counts) == {("slack", "parked"): 1}


async def test_the_first_message_is_noted_on_the_ticket(world: World) -> None:
    world.adf.fails("nightly-load")
    await world.after(31)
    ticket = await world.ticket()
    assert (ticket.slack_channel, ticket.slack_ts) == ("C1", f"{world.slack.told[0].id}.0")
