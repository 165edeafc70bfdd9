"""A flood is first kept, then worked on."""

import pytest

from pipemend.flows.services import Flood


class Time:
    """Passes only while somebody sleeps."""

    def __init__(self, flood: Flood | None = None) -> None:
        self.at, self.flood = 100.0, flood

    def monotonic(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += seconds
        if self.flood:
            self.pours(self.flood)

    def pours(self, flood: Flood) -> None:
        for _ in range(Flood.AT_ONCE):
            flood.came()


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    made = Time()
    monkeypatch.setattr("pipemend.flows.services.time.monotonic", made.monotonic)
    monkeypatch.setattr("pipemend.flows.services.asyncio.sleep", made.sleep)
    return made


async def test_a_few_deliveries_hold_nobody_back(time: Time) -> None:
    flood = Flood()
    for _ in range(Flood.AT_ONCE - 1):
        flood.came()
    await flood.over()
    assert time.at == 100.0


async def test_many_that_wait_at_the_doors_are_a_flood_too(time: Time) -> None:
    flood = Flood()
    flood.inside = Flood.AT_ONCE
    await flood.over()
    assert time.at == pytest.approx(100.0 + Flood.LONGEST)


async def test_work_goes_on_as_soon_as_a_flood_ends(time: Time) -> None:
    flood = Flood()
    time.pours(flood)
    await flood.over()
    assert 100.0 < time.at <= 100.2


async def test_a_flood_without_end_holds_work_back_for_a_while_only(time: Time) -> None:
    time.flood = flood = Flood()
    time.pours(flood)
    await flood.over()
    assert time.at == pytest.approx(100.0 + Flood.LONGEST)
