"""Measures in a process of its own, so that memory and time are those of what is measured."""

import asyncio
import resource
from collections.abc import Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import TypeVar

T = TypeVar("T")


def alone(work: Callable[..., Awaitable[T]], *given: object) -> T:
    """What the coroutine function returns, run in a fresh process. It has to stand in a module."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(_run, work, *given).result()


def _run(work: Callable[..., Awaitable[T]], *given: object) -> T:
    async def whole() -> T:
        return await work(*given)

    return asyncio.run(whole())


@dataclass(frozen=True, slots=True)
class Use:
    """What this process held and used over a while."""

    megabytes: float
    core: float  # share of one


async def use_over(seconds: float) -> Use:
    begun = _cpu()
    await asyncio.sleep(seconds)
    with open("/proc/self/statm") as file:  # noqa: ASYNC230, PTH123
        pages = int(file.read().split()[1])
    return Use(pages * 4096 / 1e6, (_cpu() - begun) / seconds)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
