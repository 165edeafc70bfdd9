"""The figures of the last days: on the page, in the API, and as a file."""

import csv
import io
import itertools
from datetime import timedelta
from typing import Any

import pytest

from pipemend.core.ticket import AI_USER, RemediationStatus, Status
from pipemend.web.tables import csv_of
from tests.web.world import World

NUMBERS = itertools.count(1)
ESCALATED = {"remediation_status": RemediationStatus.MAX_RETRIES_EXCEEDED}


async def opened(world: World, pipeline: str, hours: float, **more: Any) -> None:
    """A ticket that was opened so many hours ago, a minute after the failure."""
    at = world.clock.now() - timedelta(hours=hours)
    run = f"run-{next(NUMBERS)}"
    await world.ticket(pipeline, run_id=run, timestamp=at, failed_at=at - timedelta(minutes=1), **more)


async def closed(world: World, pipeline: str, hours: float, minutes: float, by: str = AI_USER, **more: Any) -> None:
    """The same, closed so many minutes later."""
    at = world.clock.now() - timedelta(hours=hours) + timedelta(minutes=minutes)
    status = {"remediation_status": RemediationStatus.SUCCEEDED} if by == AI_USER else {}
    end = {"status": Status.ACKNOWLEDGED, "ack_user": by, "ack_ts": at, "ack_seconds": minutes * 60.0}
    await opened(world, pipeline, hours, **{"sla_status": "Met", **status, **end, **more})


async def figures(world: World, days: int = 30) -> Any:
    async with await world.a_client("viewer") as client:
        answer = await client.get(f"/api/metrics?days={days}")
        assert answer.status_code == 200, answer.text
        return answer.json()


async def test_rates_and_times_are_told_of_all_and_of_what_was_healed(world: World):
    await closed(world, "a", 30, minutes=6)
    await closed(world, "b", 30, minutes=12)
    await closed(world, "c", 30, minutes=90, by="rosa", sla_status="Breached")
    await opened(world, "d", 30, **ESCALATED)
    await opened(world, "e", 30)

    told = await figures(world)

    assert (told["opened"], told["healed"], told["escalated"], told["closed"]) == (5, 2, 1, 3)
    assert told["success_rate"] == pytest.approx(200 / 3)
    assert told["escalation_rate"] == 20.0
    assert told["sla_rate"] == pytest.approx(200 / 3)
    assert told["hours_saved"] == 1.0
    assert told["times"] == pytest.approx(
        {"mttr": 36.0, "mttr_from_failure": 37.0, "healed_mttr": 9.0, "healed_mttr_from_failure": 10.0}, abs=1e-3
    )


async def test_a_healed_pipeline_that_fails_again_within_a_day_is_a_relapse(world: World):
    await closed(world, "a", 60, minutes=6)
    await opened(world, "a", 40)
    await closed(world, "b", 60, minutes=6)
    await opened(world, "b", 20)
    await closed(world, "c", 60, minutes=6)

    told = await figures(world)

    assert (told["relapsed"], told["healed"]) == (1, 3)


async def test_every_day_of_the_range_has_a_line_and_older_tickets_are_left_out(world: World):
    await opened(world, "a", 24 * 3)
    await opened(world, "b", 24 * 10)

    told = await figures(world, days=7)

    assert len(told["days"]) == 7
    assert [day["opened"] for day in told["days"]] == [0, 0, 0, 1, 0, 0, 0]
    assert told["opened"] == 1


async def test_merged_tickets_count_nowhere(world: World):
    await opened(world, "a", 5)
    await opened(world, "b", 5, merged_into="ADF-1")

    assert (await figures(world))["opened"] == 1


async def test_what_most_tickets_are_about_comes_first(world: World):
    for _ in range(3):
        await opened(world, "busy", 5, error_type="SqlDeadlock")
    await closed(world, "calm", 5, minutes=3)

    told = await figures(world)

    assert [(row["name"], row["count"], row["healed"]) for row in told["pipelines"]] == [("busy", 3, 0), ("calm", 1, 1)]
    assert [row["name"] for row in told["errors"]] == ["SqlDeadlock", "GatewayTimeout"]


async def test_an_empty_installation_has_no_rates(world: World):
    told = await figures(world)

    assert {told[name] for name in ("success_rate", "escalation_rate", "relapse_rate", "sla_rate")} == {None}
    assert told["times"]["mttr"] is None


@pytest.mark.parametrize("days", ["0", "367", "-1", "many"])
async def test_a_range_that_makes_no_sense_is_refused(small_world: World, days: str):
    async with await small_world.a_client("viewer") as client:
        answer = await client.get(f"/api/metrics?days={days}")

    assert (answer.status_code, "days" in answer.text) == (422, True)


async def test_the_days_are_a_table_for_spreadsheets(small_world: World):
    await closed(small_world, "a", 30, minutes=6)
    async with await small_world.a_client("viewer") as client:
        answer = await client.get("/api/metrics.csv?days=7")

    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert 'filename="pipemend-days.csv"' in answer.headers["content-disposition"]
    assert len(rows) == 7
    assert [row["healed_mttr_minutes"] for row in rows if row["closed"] == "1"] == ["6.0"]


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-2", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_is_a_formula(text: str):
    body = bytes(csv_of("x", ["a"], [[text]]).body).decode()

    assert next(iter(csv.reader(io.StringIO(body.split("\r\n", 1)[1])))) == [f"'{text}"]
