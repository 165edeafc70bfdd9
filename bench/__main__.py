"""`python -m bench [NAME…] [--db sqlite|postgresql] [--tickets N] [--small]`: measures, and prints a table for each."""

import argparse
import os
from dataclasses import replace

from rich.console import Console

from bench.figures import show
from bench.place import KINDS
from bench.registry import BENCHES
from bench.size import SMALL, Size


def main() -> None:
    asked = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    asked.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(BENCHES)}; all without any")
    asked.add_argument("--db", choices=KINDS, help="one kind of database only")
    asked.add_argument("--tickets", type=int, help="stored before anything is measured")
    asked.add_argument("--many", type=int, help="alerts of a burst, reruns in flight")
    asked.add_argument("--small", action="store_true", help="only show that it runs")
    given = asked.parse_args()
    if unknown := set(given.names) - set(BENCHES):
        asked.error(f"unknown: {', '.join(sorted(unknown))}")
    size = SMALL if given.small else Size()
    size = replace(size, **{name: n for name in ("tickets", "many") if (n := getattr(given, name)) is not None})
    console = Console()
    for name in given.names or BENCHES:
        for kind in (given.db,) if given.db else KINDS:
            load = os.getloadavg()[0]
            show(f"{name}, {kind} (load before: {load:.1f})", BENCHES[name](kind, size), console)


if __name__ == "__main__":
    main()
