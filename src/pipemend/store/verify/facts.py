"""What the checks are told beside the tables, and how they answer."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

# Two processes say the time and commit: what lies closer together than this has no order.
SIMULTANEOUS = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken rule. `row` is the ticket it is about, or the row where no ticket is known."""

    rule: str
    row: str
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A rerun as the platform saw it being asked for. `repeats` is the run it repeats, `key` the attempt's, if told."""

    platform: str
    resource: str
    run_id: str
    repeats: str | None
    at: datetime
    status: str
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """`living`: keys of flows that wait or run. `starts`: what the platform was asked for, if somebody knows.

    A ticket that was closed within `grace` may still have messages to send.
    """

    now: datetime
    living: frozenset[str] = frozenset()
    starts: Sequence[Start] | None = None
    grace: timedelta = timedelta(minutes=2)


Check = Callable[[sa.Connection, Facts], Iterable[Violation]]
