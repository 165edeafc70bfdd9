"""What is known when a repair is judged, and the form of an objection."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from pipemend.core.breaker import Breaker
from pipemend.core.freeze import Window
from pipemend.core.playbook import DEFAULT_RULE, PipelineRule, Playbook

LOOK_AGAIN = timedelta(seconds=30)


class Standing(StrEnum):
    """How the failed work stands now, by the latest run of its group or trigger window."""

    FAILED = "failed"
    RERUN_RUNS = "rerun_runs"
    OURS_RUNS = "ours_runs"
    RECOVERED = "recovered"
    TAKEN_OVER = "taken_over"
    MAYBE_OURS_RUNS = "maybe_ours_runs"
    MAYBE_RECOVERED = "maybe_recovered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A person has paused one pipeline; `until` None: until somebody resumes it."""

    by: str
    reason: str
    until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """How many repairs are under way, in all and of one connection, how many began within a minute, how many may."""

    in_flight: int
    most_in_flight: int
    here: int
    most_here: int | None
    started: int
    most_started: int

    @property
    def full(self) -> bool:
        return self.in_flight >= self.most_in_flight or self.started >= self.most_started or self.crowded_here

    @property
    def crowded_here(self) -> bool:
        return self.most_here is not None and self.here >= self.most_here


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """All that is known when a repair is judged."""

    now: datetime
    enabled: bool
    held: str | None = None  # the red button's reason, when pressed
    freeze: tuple[Window, ...] = ()  # windows that hold for every pipeline
    paused: Pause | None = None
    started_today: tuple[datetime, ...] = ()  # when reruns of this pipeline were started, within a day
    connection_known: bool = True
    resource: str = ""
    run_known: bool = True
    root_known: bool = True
    failed_at: datetime | None = None
    max_age: timedelta = timedelta(hours=6)
    error_type: str = ""
    auto_heal_possible: bool = False
    analyzer_says: str = ""
    playbook: Playbook | None = None
    pipeline: PipelineRule = DEFAULT_RULE
    root_ended: bool = True
    hands_off: str | None = None  # why automation has stepped back
    remedy_known: bool = True
    standing: Standing = Standing.FAILED
    unreachable: str | None = None  # why the platform could not be asked how the work stands
    edited: bool = False  # the pipeline is not what it was when it failed
    other_repair: str | None = None  # the ticket whose repair of this pipeline is under way
    attempts: int = 0
    granted: int = 0
    by_person: bool = False  # the next attempt is one that a person granted
    asked: bool = False  # a person is asked about this attempt, or was
    approved: bool = False  # and said yes to it
    masked: bool = False  # its run went well although something in it failed
    wanted: bool = False  # an attempt of another ticket waits for this work
    breaker: Breaker | None = None  # of the error type and the playbook's action; None: closed
    crowd: Crowd | None = None  # None: nobody counts yet, or this attempt has its place already

    @property
    def limit(self) -> int:
        """How many attempts this ticket may have, granted ones included."""
        return limit(self.playbook, self.pipeline, self.granted)


@dataclass(frozen=True, slots=True)
class Objection:
    """Why not. `until` set: not yet, look again then; `asks`: not without a person's yes; else for good."""

    reason: str
    until: datetime | None = None
    asks: bool = False  # a person's yes takes it away

    @property
    def final(self) -> bool:
        return self.until is None and not self.asks


Guardrail = Callable[[Situation], Objection | None]


def limit(playbook: Playbook | None, rule: PipelineRule, granted: int) -> int:
    """Attempts allowed: the pipeline's own number where it has one, else the playbook's, and what people granted."""
    own = rule.max_retries
    return (own if own is not None else playbook.max_retries if playbook else 0) + granted
