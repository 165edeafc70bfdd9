"""What Prometheus is told."""

import asyncio
import re
import sys
import time
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from pipemend import meters
from pipemend.core.errors import NotAllowed
from pipemend.core.events import TicketOpened
from pipemend.core.run import Resource
from pipemend.core.ticket import Status
from pipemend.notifiers.jira.api import Conflict, JiraRefused
from pipemend.store import events, feeds, schema
from tests.web.world import FACTORY, World

PAGE = Path(__file__).parents[2] / "docs/reference/metrics.md"


async def scraped(world: World, reader: str = "a reader") -> dict[tuple[str, ...], float]:
    """Every sample, by its name and the values of its labels."""
    async with world.client(await world.token("viewer", reader)) as client:
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


async def test_calls_are_measured_by_what_they_asked_and_how_they_ended(small_world: World):
    with meters.outside("jira", "GET issue/{key}"):
        pass
    with pytest.raises(JiraRefused), meters.outside("jira", "GET issue/{key}"):
        raise JiraRefused("no", status=400, errors={})
    with pytest.raises(Conflict), meters.outside("jira", "PUT issue/{key}"):
        raise Conflict("busy")
    with pytest.raises(asyncio.CancelledError), meters.outside("slack", "chat.update"):
        raise asyncio.CancelledError  # as a deadline does
    with meters.outside("playbook", "retry_pipeline") as call:
        call.error = NotAllowed("no")
    told = await scraped(small_world)

    counted = {key[1:] for key in told if key[0] == "pipemend_outside_call_seconds_count"}
    assert counted >= {
        ("GET issue/{key}", "ok", "jira"),
        ("GET issue/{key}", "refused", "jira"),
        ("PUT issue/{key}", "failed", "jira"),
        ("chat.update", "no_answer", "slack"),
        ("retry_pipeline", "not_allowed", "playbook"),
    }


async def test_a_loop_that_is_blocked_is_late(small_world: World):
    soon = ("pipemend_loop_lag_seconds_bucket", "0.05")
    before = await scraped(small_world)
    async with meters.watching_the_loop():
        await asyncio.sleep(0.01)
        time.sleep(meters.NAP + 0.2)  # noqa: ASYNC251
        await asyncio.sleep(0.01)
    after = await scraped(small_world, "another")

    assert after["pipemend_loop_lag_seconds_count",] == before["pipemend_loop_lag_seconds_count",] + 1
    assert after[soon] == before[soon]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="figures of the process are read from /proc")
async def test_the_page_names_every_figure_with_its_labels_and_no_other(small_world: World):
    now = small_world.clock.now()
    with meters.outside("heartbeat", "beat"):
        pass
    await small_world.database.write(partial(feeds.begin, resource=FACTORY, now=now))
    event = TicketOpened(ticket_id="ADF-1", pipeline="nightly-load")
    await small_world.database.write(partial(events.record, event=event, at=now, notifiers=["slack"]))
    async with await small_world.a_client("viewer") as client:
        text = (await client.get("/metrics")).text

    served = {name_of(family): (family.type, labels_of(family)) for family in text_string_to_metric_families(text)}
    assert documented() | {"pipemend_breaker_open": ("gauge", set())} == served  # no breaker is open


def name_of(family: Metric) -> str:
    return f"{family.name}_total" if family.type == "counter" else family.name


def labels_of(family: Metric) -> set[str]:
    return {label for sample in family.samples for label in sample.labels} - {"le"}


def documented() -> dict[str, tuple[str, set[str]]]:
    """The rows of the page's tables: name, type (a gauge, where there is no such column), labels."""
    rows = [row.split("|")[1:-1] for row in re.findall(r"^\| `p.*$", PAGE.read_text(), re.MULTILINE)]
    full = [row if len(row) == 4 else [row[0], "gauge", *row[1:]] for row in rows]
    return {name.strip(" `"): (kind.strip(), set(re.findall(r"\w+", labels))) for name, kind, labels, _ in full}
