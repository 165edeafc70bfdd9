"""No answer keeps the event loop busy, however odd or long it is.

Processor time is counted, without the collector's, and the quieter of two rounds, so that a busy machine adds little.
"""

import asyncio
import gc
import threading
import time
from asyncio import events
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.faults.calls import CALLS
from tests.faults.faults import FAULTS
from tests.faults.matrix import Matrix

MOST = 0.05  # seconds of the processor at a stretch
LONG = ("huge", "gzip_bomb", "fields_extra", "garbage", "html_after")


@contextmanager
def stretches(patch: pytest.MonkeyPatch) -> Iterator[list[tuple[float, str]]]:
    """How long each piece of work on this thread's loop took of the processor, and what it was."""
    took, us, run = list[tuple[float, str]](), threading.get_ident(), events.Handle._run

    def timed(handle: Any) -> None:
        begun = time.thread_time()
        run(handle)
        if threading.get_ident() == us:
            took.append((time.thread_time() - begun, repr(handle)))

    gc.disable()  # this process holds all that the tests have loaded
    try:
        with patch.context() as while_it_lasts:
            while_it_lasts.setattr(events.Handle, "_run", timed)
            yield took
    finally:
        gc.enable()


@pytest.mark.soak
@pytest.mark.parametrize("kind", LONG)
async def test_no_answer_keeps_the_loop_busy(matrix: Matrix, monkeypatch: pytest.MonkeyPatch, kind: str):
    fault = next(fault for fault in FAULTS if fault.kind == kind)
    rounds = []
    for _ in range(3):  # the first loads libraries and makes connections
        with stretches(monkeypatch) as took:
            await asyncio.gather(*(matrix.complaints(call, [fault]) for call in CALLS))
        rounds.append(max(took))

    seconds, what = min(rounds[1:])
    assert seconds < MOST, what
