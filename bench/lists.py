"""Lists, search and figures over many tickets, as pages and API ask for them."""

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from bench.figures import Figure, at, median, ms, timed
from bench.place import opened, place
from bench.seed import seed
from bench.size import Size
from pipemend.cli.audit import look
from pipemend.core.badge import Tab
from pipemend.store import gauges, reports
from pipemend.store.database import Database
from pipemend.store.reports import View

WANTED = 0.1
VIEWS: Mapping[str, View] = {
    "first page": View(),
    "oldest first": View(sort="oldest"),
    "most severe first": View(sort="severity"),
    "by pipeline": View(sort="pipeline"),
    "a small tab": View(tab=Tab.ESCALATED),
    "a large tab, page 100": View(tab=Tab.CLOSED, page=100),
    "search: a common word": View(q="deadlock"),
    "search: two words": View(q="sales timeout"),
    "search: one run": View(q="5eed0123-run-77"),
    "search: found nowhere": View(q="nothing-is-like-this"),
    "filter by pipeline": View(filters=(("pipeline", "sales_a_load"),)),
    "filter by error in a tab": View(filters=(("error_type", "SqlDeadlock"),), tab=Tab.OPEN),
    "filter by team, search in it": View(q="timeout", filters=(("team", "sales"),)),
}
REPORTS: Mapping[str, Callable[[sa.Connection], Any]] = {
    "success rate": reports.success_rate,
    "mean time to repair": reports.avg_mttr_minutes,
    "top errors": reports.top_errors,
    "recent attempts": reports.recent_attempts,
    "per day": reports.per_day,
    "tickets by tab": gauges.tickets_by_tab,
}


def lists(kind: str, size: Size) -> Iterator[Figure]:
    with place(kind) as url, opened(url) as database:
        seed(database, size.tickets)
        took = {name: timed(lambda view=view: _list(database, view), size.times) for name, view in VIEWS.items()}  # type: ignore[misc]
        everything = [seconds for times in took.values() for seconds in times]
        p95 = at(everything, 0.95)
        yield Figure(f"all lists, {size.tickets} tickets, p95", ms(p95), ms(WANTED), p95 <= WANTED)
        for name, times in took.items():
            yield Figure(f"  {name}, median", ms(median(times)))
        whole = sum(median(timed(lambda ask=ask: database._read(ask), size.times)) for ask in REPORTS.values())  # type: ignore[misc]
        yield Figure("all reports together, medians", ms(whole))
        checked = timed(lambda: look(url, None, timedelta(0)), 1)
        yield Figure("pipemend audit verify", f"{checked[0]:.1f} s")


def _list(database: Database, view: View) -> object:
    return database._read(lambda db: reports.listing(db, view))
