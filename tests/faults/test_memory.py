"""What is too long is not held in memory, however much of it comes at once."""

import asyncio
import gc
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipemend.twin import spoiled
from tests.faults.calls import CALLS
from tests.faults.faults import FAULTS
from tests.faults.matrix import Matrix

STATM = Path("/proc/self/statm")
MOST = 100 * 1024 * 1024  # for two dozen answers of 50 MB at once


@contextmanager
def growth() -> Iterator[list[int]]:
    """By how many bytes the process was larger than at the beginning, at its largest."""
    gc.collect()
    at, begin, done = [0], _resident(), threading.Event()

    def watch() -> None:
        while not done.is_set():
            at[0] = max(at[0], _resident() - begin)
            time.sleep(0.005)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield at
    finally:
        done.set()
        watcher.join()


def _resident() -> int:
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the size of a process is read from /proc")
@pytest.mark.parametrize("kind", ["huge", "gzip_bomb"])
async def test_answers_that_are_too_long_take_no_room(matrix: Matrix, kind: str):
    (fault,) = (fault for fault in FAULTS if fault.kind == kind)
    spoiled.bomb(fault.more["megabytes"])  # made once, and not measured

    with growth() as grown:
        found = await asyncio.gather(*(matrix.complaints(call, [fault]) for call in CALLS))

    assert "\n".join(complaint for some in found for complaint in some) == ""
    assert grown[0] < MOST
