"""Accepting alerts, beside the least that a door could do: a bare endpoint of the same server that keeps raw text."""

import asyncio
import itertools
import time
from collections.abc import Iterator

from bench.clients import Running, Tally, drive, request, running
from bench.figures import Figure, at, median, ms
from bench.invented import deliveries
from bench.place import opened, place
from bench.seed import seed
from bench.server import SECRET
from bench.size import Size
from pipemend.store.alerts import OPEN_STATES
from pipemend.store.schema import alerts

CLIENTS, PREPARED, WARM = 16, 20_000, 50
DOOR = f"/azure-monitor?secret={SECRET}"


def door(kind: str, size: Size) -> Iterator[Figure]:
    for stored in sorted({0, size.tickets}):
        with place(kind) as url:
            with opened(url) as database:
                seed(database, stored)
            yield from _beside(url, size, f"{stored} tickets stored")


def _beside(url: str, size: Size, where: str) -> Iterator[Figure]:
    rates, tails, shown = [], [], []
    # Of few runs: what is measured is the door, and the worker has as much to do as in an ordinary storm.
    bodies = list(itertools.islice(deliveries(pipeline="storm", run="{n}"), PREPARED if size.seconds > 1 else 500))
    for _ in range(size.times):
        with running(url) as server:
            _drive(server, DOOR, bodies[:WARM], size.seconds)
            time.sleep(min(size.seconds, 3))  # what is done once is done now
            bare = _drive(server, "/bare", bodies, size.seconds)
            ours = _drive(server, DOOR, bodies[WARM:], size.seconds)
        _forget_what_waits(url)
        rates.append(ours.rate / bare.rate)
        tails.append(at(ours.latencies, 0.99) / at(bare.latencies, 0.99))
        shown.append((bare.rate, ours.rate, at(ours.latencies, 0.99)))
        bodies = [body.replace(b"storm", b"storm2") for body in bodies]
    yield Figure(
        f"alerts a second, beside bare inserts; {where}", f"{median(rates):.2f}", "0.55", median(rates) >= 0.55
    )
    yield Figure("  p99, beside theirs", f"{median(tails):.1f}", "2.5", median(tails) <= 2.5)
    yield Figure("  bare inserts a second", f"{median(b for b, _, _ in shown):.0f}")
    yield Figure("  alerts a second", f"{median(o for _, o, _ in shown):.0f}")
    yield Figure("  p99 of an alert", ms(median(p for _, _, p in shown)))


def _forget_what_waits(url: str) -> None:
    """The next one begins at rest."""
    with opened(url) as database, database.engine.begin() as db:
        waits = alerts.c.state.in_(OPEN_STATES)
        db.execute(alerts.update().where(waits).values(state="ignored", reason="the benchmark went on", due_at=None))


def _drive(server: Running, path: str, bodies: list[bytes], seconds: float) -> Tally:
    requests = (request("POST", path, body) for body in bodies)
    return asyncio.run(drive(server.port, requests, CLIENTS, seconds))
