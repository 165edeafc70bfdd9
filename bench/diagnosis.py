"""How good and how fast the rules are: python bench/diagnosis.py LABELLED.jsonl [--sources NAME,NAME…]

Prints figures for all labelled lines, for each group of sources, and for the sources that are named; then whether the
confidence holds on sources left out, and speed. Rules are written, not trained: leaving a source out says nothing of
them, unless their author had not read it. How often a confidence is right is learned from labels, and can be left out.
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from pipemend.analyzers.figures import Figures, by_rules, labelled, measure
from pipemend.analyzers.rules import classify
from pipemend.cli.evaluate import show

FOLDS = 5
LARGE = 10  # sources with fewer lines are counted together
LONG = "\tat org.apache.spark.scheduler.Task.run(Task.scala:99)\n" * 3700


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("labelled", type=Path)
    asked.add_argument("--sources", default="", help="source_key values, comma-separated")
    given = asked.parse_args()
    console = Console()
    figures = measure(labelled(given.labelled))
    show(figures, console)
    console.print(by_source(figures))
    if names := set(filter(None, given.sources.split(","))):
        console.rule(f"only {', '.join(sorted(names))}")
        show(figures.where(lambda line: line.get("source_key") in names), console)
    console.print(held_out(figures))
    console.print(speed(figures))


def by_source(figures: Figures) -> Table:
    counts = Counter(str(answer.label.get("source_key")) for answer in figures.answers)
    table = Table("source", "messages", "strict", "defensible", "precision", "recall", "dangerous", title="By source")
    groups: dict[str, Callable[[str], bool]] = {
        name: name.__eq__ for name, count in counts.most_common() if count >= LARGE
    }
    groups["all others"] = lambda name: counts[name] < LARGE
    for name, belongs in groups.items():
        part = figures.where(partial(_of, belongs))
        shares = (part.strict, part.lenient, part.remediable_precision, part.remediable_recall)
        table.add_row(name, str(len(part.answers)), *(f"{share:.2f}" for share in shares), str(len(part.dangerous)))
    return table


def _of(belongs: Callable[[str], bool], line: Mapping[str, Any]) -> bool:
    return belongs(str(line.get("source_key")))


def held_out(figures: Figures) -> Table:
    """How far confidence is from the share of right answers, as told and as learned from the other sources."""
    names = sorted({str(answer.label.get("source_key")) for answer in figures.answers})
    told, learned = [], []
    for fold in range(FOLDS):
        inside, outside = set(names[fold::FOLDS]), set(names) - set(names[fold::FOLDS])
        known = figures.where(partial(_of, outside.__contains__))
        for answer in figures.where(partial(_of, inside.__contains__)).answers:
            told.append((answer.said.confidence - answer.defensible) ** 2)
            learned.append((_learned(known, answer.said.confidence) - answer.defensible) ** 2)
    table = Table("", "mean squared error", title=f"Confidence on sources left out, {FOLDS} parts")
    table.add_row("as told", f"{statistics.mean(told):.3f}")
    table.add_row("learned from the other sources", f"{statistics.mean(learned):.3f}")
    return table


def _learned(known: Figures, confidence: float) -> float:
    return next((share for low, high, _, _, share in known.calibration if low <= confidence <= high), confidence)


def speed(figures: Figures) -> Table:
    table = Table("", "measured", title="Speed, one core")
    lines = [answer.label for answer in figures.answers]
    best = max(len(lines) / _seconds(lambda: [by_rules(line) for line in lines]) for _ in range(5))
    table.add_row("messages per second", f"{best:.0f}")
    long = LONG[:200_000] + "Caused by: java.lang.OutOfMemoryError: Java heap space"
    times = [_seconds(lambda: classify("databricks", long)) for _ in range(20)]
    table.add_row("200 KB, cause in its last line, median", f"{statistics.median(times) * 1000:.0f} ms")
    first = "from pipemend.analyzers.rules import classify; classify('adf', 'HTTP 503')"
    table.add_row("first answer of a new process", f"{_seconds(lambda: _python(first)):.2f} s")
    table.add_row("import pipemend in a new process", f"{_seconds(lambda: _python('import pipemend')):.2f} s")
    return table


def _python(code: str) -> None:
    subprocess.run([sys.executable, "-c", code], check=True)


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
