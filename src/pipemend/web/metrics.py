"""Figures for Prometheus: what the database counts when it asks, and what this process has measured."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

import sqlalchemy as sa
from fastapi import APIRouter
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.responses import PlainTextResponse, Response

from pipemend import meters
from pipemend.flows import breakers
from pipemend.flows.services import Services
from pipemend.store import attempts, events, feeds, gauges
from pipemend.web.auth import Served, Viewer

TEXT = "text/plain; version=0.0.4; charset=utf-8"
router = APIRouter(tags=["operations"])


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(services: Served, _: Viewer) -> Response:
    """The state of the installation in the text format of Prometheus."""
    return await page(services)


async def page(services: Services) -> Response:
    """The figures as they are now."""
    families = await services.database.read(partial(families_of, services=services))
    registry = CollectorRegistry()
    registry.register(Counted(families))
    return Response(generate_latest(registry) + generate_latest(meters.MEASURED), headers={"content-type": TEXT})


class Counted(Collector):
    """What has been counted already."""

    def __init__(self, families: Sequence[GaugeMetricFamily]) -> None:
        self.families = families

    def collect(self) -> Iterable[GaugeMetricFamily]:
        return self.families


def families_of(db: sa.Connection, services: Services) -> Sequence[GaugeMetricFamily]:
    now = services.clock.now()
    return [
        _by("pipemend_tickets", "Tickets by tab of the dashboard.", ["tab"], _keyed(gauges.tickets_by_tab(db))),
        _one("pipemend_repairs_in_flight", "Attempts being started or running.", attempts.in_flight(db)),
        _by("pipemend_attempts", "Attempts so far by status.", ["status"], _keyed(gauges.attempts_by_status(db))),
        _by(
            "pipemend_breaker_open",
            "1 while a circuit breaker is open or half-open.",
            ["error_type", "action"],
            {kind: float(found is not None) for kind, found in breakers.all_of(db, services, now).items()},
        ),
        _one("pipemend_oldest_due_seconds", "For how long the oldest due work waits.", gauges.oldest_due(db, now)),
        _by(
            "pipemend_feed_age_seconds",
            "Seconds since the resource was last read.",
            ["resource"],
            {(resource,): age.total_seconds() for resource, age in feeds.ages(db, services.connections, now).items()},
        ),
        _by(
            "pipemend_messages",
            "Messages not told, by notifier.",
            ["notifier", "state"],
            _messages(db, services),
        ),
    ]


def _messages(db: sa.Connection, services: Services) -> Mapping[tuple[str, ...], float]:
    words = ("waiting", "parked", "superseded")
    counts: dict[tuple[str, ...], float] = {(name, word): 0 for name in sorted(services.notifiers) for word in words}
    counts.update({(name, word): number for (name, word), number in events.counts(db).items()})
    return counts


def _keyed(counts: Mapping[str, int]) -> Mapping[tuple[str, ...], float]:
    return {(name,): number for name, number in counts.items()}


def _one(name: str, meaning: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, meaning, value=value)


def _by(name: str, meaning: str, labels: Sequence[str], values: Mapping[tuple[str, ...], float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, meaning, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family
