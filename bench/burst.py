"""A burst of alerts over 64 connections, also with a kill -9 in its middle: nothing is lost, nothing is doubled."""

import asyncio
import itertools
import time
from collections.abc import Iterator

from bench.clients import Running, Tally, drive, request, running, until
from bench.door import DOOR
from bench.figures import Figure, ms
from bench.invented import deliveries
from bench.place import place
from bench.size import Size

CONNECTIONS = 64


def burst(kind: str, size: Size) -> Iterator[Figure]:
    yield from _burst(kind, size, "of as many pipelines", "load-{n}", killed=False)
    yield from _burst(kind, size, "of one cause", "storm", killed=False)
    yield from _burst(kind, size, "of as many pipelines, killed in the middle", "load-{n}", killed=True)


def _burst(kind: str, size: Size, what: str, pipeline: str, *, killed: bool) -> Iterator[Figure]:
    whole = [request("POST", DOOR, body) for body in itertools.islice(deliveries(pipeline), size.many)]
    with place(kind) as url, running(url) as server:
        begun = time.monotonic()
        tally = asyncio.run(_send(server, whole, killed))
        kept = time.monotonic() - begun
        until(lambda: _all(server, size.many), 600)
        ticketed = time.monotonic() - begun
        state = server.state() or {}
    yield Figure(f"{size.many} alerts {what}: all kept after", f"{kept:.1f} s")
    lost, doubled = max(size.many - state["tickets"], 0), max(state["tickets"] - size.many, 0)
    yield Figure("  lost, doubled", f"{lost}, {doubled}", "0, 0", not lost and not doubled)
    yield Figure("  refused and repeated", str(tally.refused))
    yield Figure("  all ticketed after", f"{ticketed:.1f} s", "30 s", ticketed <= 30)
    yield Figure("  loop lag p99", ms(state["lag_p99"]), "50 ms", state["lag_p99"] <= 0.05)


def _all(server: Running, number: int) -> bool:
    time.sleep(0.5)
    state = server.state(keep=True)
    return bool(state and state["tickets"] >= number and not state["waiting"])


async def _send(server: Running, whole: list[bytes], killed: bool) -> Tally:
    sending = asyncio.create_task(drive(server.port, iter(whole), CONNECTIONS, again=True))
    if killed:
        await asyncio.sleep(1.0)
        await asyncio.to_thread(server.dies)
        await asyncio.to_thread(server.begins)
    return await sending
