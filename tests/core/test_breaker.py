"""A circuit breaker, by how repairs of its kind have ended."""

from datetime import timedelta

from pipemend.core.breaker import Breaker, BreakerPolicy, Outcome, breaker
from tests.fakes.clock import START

POLICY = BreakerPolicy(failures=3, outcomes=4, open_for=timedelta(minutes=10))


def after(words: str) -> Breaker | None:
    """What outcomes a minute apart make of it: `x` failed, `o` succeeded."""
    ended = [Outcome(START + timedelta(minutes=minute), word == "o") for minute, word in enumerate(words)]
    return breaker(ended, POLICY)


def test_it_is_closed_until_enough_of_the_last_ones_have_failed() -> None:
    assert all(after(words) is None for words in ("", "xx", "oxx", "xooxox", "xoxooxo"))


def test_it_opens_with_the_failure_that_fills_the_measure_and_stays_so_for_a_while() -> None:
    found = after("oxxox")
    assert found == Breaker(failed=3, of=4, until=START + timedelta(minutes=14))
    assert found.state(START + timedelta(minutes=13)) == "open"
    assert found.state(START + timedelta(minutes=14)) == "half_open"


def test_a_failure_opens_it_anew_and_a_success_closes_it_and_forgets_what_was() -> None:
    again = after("xxx" + "x")
    assert again
    assert again.until == START + timedelta(minutes=13)
    assert after("xxxx" + "o") is None
    assert after("xxxx" + "oxx") is None
    assert after("xxxx" + "oxxx")
