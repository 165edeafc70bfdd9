"""What a benchmark hands back, and how it is shown."""

import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Figure:
    """One line: what was measured, and what is wanted of it."""

    what: str
    measured: str
    wanted: str = ""
    holds: bool | None = None


def show(title: str, figures: Iterable[Figure], console: Console) -> None:
    table = Table("", "measured", "wanted", "", title=title, title_justify="left")
    marks = {True: "holds", False: "missed", None: ""}
    for figure in figures:
        table.add_row(figure.what, figure.measured, figure.wanted, marks[figure.holds])
    console.print(table)


def timed(work: Callable[[], object], times: int) -> list[float]:
    """Seconds that each run took."""
    took = []
    for _ in range(times):
        begun = time.perf_counter()
        work()
        took.append(time.perf_counter() - begun)
    return took


def at(values: Sequence[float], share: float) -> float:
    """The value that this share of all stays below: 0.5 the median, 0.99 nearly the worst."""
    return sorted(values)[min(int(len(values) * share), len(values) - 1)] if values else 0.0


def median(values: Iterable[float]) -> float:
    return statistics.median(values)


def ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds >= 0.01 else f"{seconds * 1000:.1f} ms"
