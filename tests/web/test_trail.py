"""The audit trail as a page and as a file: found by who, what, when and where."""

import csv
import io
import json
from datetime import timedelta

import pytest

from pipemend.store import audit
from tests.web.test_pages import words_of
from tests.web.world import World


async def remember(world: World, action: str, user: str, pipeline: str = "orders", hours: float = 1) -> None:
    ticket = await world.ticket(pipeline)
    at = world.clock.now() - timedelta(hours=hours)
    await world.database.write(
        lambda db: audit.write(
            db, action, at=at, user=user, ticket=ticket, details={"reason": f"{action}, said {user}"}
        )
    )


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {"stop, said ada", "retry, said ada", "stop, said =bob"}),
        ("user=ada", {"stop, said ada", "retry, said ada"}),
        ("action=stop", {"stop, said ada", "stop, said =bob"}),
        ("q=PRICES", {"retry, said ada"}),
        ("days=1", {"stop, said ada", "retry, said ada"}),
        ("days=1&action=stop&user=ada&q=orders", {"stop, said ada"}),
        ("q=%25", set()),
    ],
)
async def test_lines_are_found_by_who_what_when_and_where(world: World, query: str, found: set[str]):
    await remember(world, "stop", "ada")
    await remember(world, "retry", "ada", "prices")
    await remember(world, "stop", "=bob", hours=30)
    async with await world.browser("viewer") as client:
        page = words_of((await client.get(f"/dashboard/audit?{query}")).text)
        told = (await client.get(f"/api/audit-trail?{query}")).json()
        file = list(csv.DictReader(io.StringIO((await client.get(f"/api/audit-trail.csv?{query}")).text)))

    assert {line["details"]["reason"] for line in told["entries"]} == found
    assert {json.loads(line["details"])["reason"] for line in file} == found
    assert all(reason in page for reason in found)
    assert ("Nothing here" in page) == (not found)
    assert not [line for line in file if line["user_name"].startswith("=")]
