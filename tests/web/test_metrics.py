"""What Prometheus is told."""

import re
from datetime import timedelta
from functools import partial
from pathlib import Path

import sqlalchemy as sa
from prometheus_client.parser import text_string_to_metric_families

from pipemend.core.events import TicketOpened
from pipemend.core.run import Resource
from pipemend.core.ticket import Status
from pipemend.store import events, feeds, schema
from tests.web.world import FACTORY, World

PAGE = Path(__file__).parents[2] / "docs/reference/metrics.md"


async def scraped(world: World) -> dict[tuple[str, ...], float]:
    """Every sample, by its name and the values of its labels."""
    async with await world.a_client("viewer") as client:
        answer = await client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    samples = [sample for family in text_string_to_metric_families(answer.text) for sample in family.samples]
    return {(sample.name, *sample.labels.values()): sample.value for sample in samples}


def becomes(db: sa.Connection, number: int, state: str) -> None:
    db.execute(schema.receipts.update().where(schema.receipts.c.event_id == number).values(state=state))


async def test_strangers_get_no_figures(small_world: World):
    async with small_world.client() as client:
        assert (await client.get("/metrics")).status_code == 401


async def test_tickets_and_attempts_are_counted(world: World):
    await world.ticket("closed-load", status=Status.ACKNOWLEDGED)
    ticket = await world.ticket("nightly-load")
    await world.attempt(ticket, 1, status="failed")
    await world.attempt(ticket, 2, status="in_progress")
    told = await scraped(world)

    assert told["pipemend_tickets", "open"] == told["pipemend_tickets", "closed"] == 1
    assert told["pipemend_tickets", "escalated"] == 0
    assert told["pipemend_attempts", "failed"] == told["pipemend_attempts", "in_progress"] == 1
    assert told["pipemend_attempts", "succeeded"] == 0
    assert told["pipemend_repairs_in_flight",] == 1


async def test_due_work_and_feeds_have_an_age(world: World):
    now = world.clock.now()
    gone = Resource("data_factory", "/factories/gone", "gone")
    for resource in (FACTORY, gone):
        await world.database.write(partial(feeds.begin, resource=resource, now=now))
    assert (await scraped(world))["pipemend_oldest_due_seconds",] == 0

    world.clock.moment += timedelta(seconds=90)
    async with world.client(await world.token("viewer", "again")) as client:
        text = (await client.get("/metrics")).text
    assert "pipemend_oldest_due_seconds 90.0" in text
    assert f'pipemend_feed_age_seconds{{resource="{FACTORY.id}"}} 90.0' in text
    assert "gone" not in text


async def test_messages_that_wait_or_were_refused_are_counted(world: World):
    ticket = await world.ticket()
    event = TicketOpened(ticket_id=ticket.id, pipeline=ticket.pipeline)
    for state in ("pending", "sending", "parked", "superseded", "sent"):
        number = await world.database.write(
            partial(events.record, event=event, at=world.clock.now(), notifiers=["slack"])
        )
        await world.database.write(partial(becomes, number=number, state=state))
    told = await scraped(world)

    counts = {word: told["pipemend_messages", "slack", word] for word in ("waiting", "parked", "superseded")}
    assert counts == {"waiting": 2, "parked": 1, "superseded": 1}


async def test_the_page_names_every_gauge_and_no_other(small_world: World):
    async with await small_world.a_client("viewer") as client:
        served = set(re.findall(r"^# TYPE (\S+)", (await client.get("/metrics")).text, re.MULTILINE))

    assert set(re.findall(r"^\| `(pipemend_\w+)`", PAGE.read_text(), re.MULTILINE)) == served
