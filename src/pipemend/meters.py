"""What this process measures since its start: how outside calls ended, and how late the event loop is.

Labels are few: systems and operations are words of our code, never a host, an address, a run or a pipeline.
"""

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Histogram, ProcessCollector, disable_created_metrics

from pipemend.core.errors import OutsideError

disable_created_metrics()  # type: ignore[no-untyped-call]
MEASURED = CollectorRegistry()
ProcessCollector(registry=MEASURED)
CALLS = Histogram(
    "pipemend_outside_call_seconds",
    "Requests that left this process, by the way they ended.",
    ["system", "operation", "outcome"],
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
    registry=MEASURED,
)
LAG = Histogram(
    "pipemend_loop_lag_seconds",
    "How late the event loop of this process woke a sleeper.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
    registry=MEASURED,
)
NAP = 0.1  # seconds between two looks at the loop


@dataclass(slots=True)
class Call:
    """A call on its way. `error` is what its answer means, where that is not raised."""

    error: OutsideError | None = None


@contextlib.contextmanager
def outside(system: str, operation: str) -> Iterator[Call]:
    """Measures a call, named by a word of ours and by what it asks for."""
    call, begun = Call(), time.perf_counter()
    outcome = "failed"
    try:
        yield call
        outcome = "ok" if call.error is None else word(call.error)
    except OutsideError as error:
        outcome = word(error)
        raise
    except (TimeoutError, asyncio.CancelledError):  # our deadline ended, around it
        outcome = "no_answer"
        raise
    finally:
        took(system, operation, outcome, time.perf_counter() - begun)


def took(system: str, operation: str, outcome: str, seconds: float) -> None:
    CALLS.labels(system, operation, outcome).observe(seconds)


def word(error: OutsideError) -> str:
    """The outcome that an error stands for: its kind, e.g. `not_allowed`; of a plug-in's own kind the one it is of."""
    kind = next((kind for kind in type(error).__mro__ if kind.__module__ == OutsideError.__module__), OutsideError)
    return "failed" if kind is OutsideError else re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()


@contextlib.asynccontextmanager
async def watching_the_loop() -> AsyncIterator[None]:
    """Measures the lag of the running loop until the block ends."""
    watch = asyncio.create_task(_watch(), name="loop lag")
    try:
        yield
    finally:
        watch.cancel()


async def _watch() -> None:
    while True:
        asleep = time.perf_counter()
        await asyncio.sleep(NAP)
        LAG.observe(max(time.perf_counter() - asleep - NAP, 0.0))
