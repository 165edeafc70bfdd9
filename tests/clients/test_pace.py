"""So many calls at once, then one after the other; and silence where the other side asks for it."""

import asyncio

import pytest

from pipemend.clients.azure import Identity
from pipemend.clients.pace import Pace
from pipemend.core.errors import Throttled


def unused() -> None:
    raise AssertionError("nobody asks for a token")


async def test_a_burst_goes_at_once_and_what_would_wait_too_long_is_refused_at_once():
    pace = Pace("Azure", per_second=0.01, at_once=3)
    for _ in range(4):
        await pace.turn()
    with pytest.raises(Throttled, match="Azure is asked too much") as refused:
        await pace.turn()
    assert 0 < (refused.value.retry_after or 0) <= 100


async def test_who_waits_for_a_turn_gets_it():
    pace = Pace("Azure", per_second=20, at_once=1)
    begun = asyncio.get_running_loop().time()
    for _ in range(5):
        await pace.turn()
    assert asyncio.get_running_loop().time() - begun > 0.1


async def test_nobody_asks_while_the_other_side_rests():
    pace = Pace("Azure", per_second=100, at_once=100)
    pace.rest(60)
    pace.rest(1)  # a shorter one takes nothing away from it
    with pytest.raises(Throttled) as refused:
        await pace.turn()
    assert (refused.value.retry_after or 0) > 50


async def test_a_budget_belongs_to_an_identity_in_a_subscription():
    mine, theirs = Identity(unused), Identity(unused)  # type: ignore[arg-type]
    assert mine.pace("SUB-1") is mine.pace("sub-1")
    assert len({mine.pace("sub-1"), mine.pace("sub-2"), theirs.pace("sub-1")}) == 3
