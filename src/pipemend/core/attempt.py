"""An attempt: one try of a remediation, numbered from 1. States, and the moves between them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from pipemend.core.run import Rerun, Run, RunRef


class AttemptStatus(StrEnum):
    WAITING = "waiting"
    STARTING = "starting"
    UNKNOWN = "unknown"
    IN_PROGRESS = "in_progress"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"

    @property
    def ended(self) -> bool:
        return not MOVES[self] or self is AttemptStatus.TIMED_OUT


A = AttemptStatus
MOVES: Mapping[AttemptStatus, frozenset[AttemptStatus]] = {
    A.WAITING: frozenset({A.STARTING, A.CANCELLED}),
    A.STARTING: frozenset({A.IN_PROGRESS, A.UNKNOWN, A.FAILED}),  # a remedy of several stages starts each of them
    A.UNKNOWN: frozenset({A.IN_PROGRESS, A.FAILED, A.CANCELLED, A.TIMED_OUT}),
    A.IN_PROGRESS: frozenset({A.STARTING, A.SUCCEEDED, A.FAILED, A.CANCELLED, A.TIMED_OUT}),
    A.TIMED_OUT: frozenset({A.SUCCEEDED}),  # late, within a day
    A.SUCCEEDED: frozenset(),
    A.FAILED: frozenset(),
    A.CANCELLED: frozenset(),
}
ACCEPTED = "accepted"  # the stage of an attempt whose playbook said yes and named no run
FOUND = "found"  # the stage of an attempt whose playbook named no run that exists: its rerun was found by looking
UPSTREAM = "upstream"  # the stage of an attempt that waits for the work of others; nothing of its own runs
LOST = "lost"  # the stage of an attempt that has ended, and whose rerun may exist: nobody found it
DIRECT_SEARCH, DEADLINE = timedelta(minutes=5), timedelta(hours=1)
SKEW = timedelta(minutes=2)  # so much earlier than our call its rerun may seem to have begun
LIVE = (A.STARTING, A.UNKNOWN, A.IN_PROGRESS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try. `key` is `<ticket>-<number>` and goes with every call; `reference_run_id` is the latest failed run."""

    id: int
    key: str
    ticket_id: str
    platform: str
    resource: str
    resource_name: str
    pipeline: str
    original_run_id: str
    reference_run_id: str
    run_group_id: str | None
    remediation_run_id: str | None
    attempt_number: int
    max_retries: int
    status: AttemptStatus
    error_type: str
    remediation_action: str
    via: str | None
    stage: str | None
    created_at: datetime
    started_at: datetime
    completed_at: datetime | None
    duration_seconds: int | None
    failure_reason: str | None
    logic_app_response: str | None
    by: str
    due_at: datetime | None
    deadline: datetime | None
    revision: int
    stumbles: int
    owner: str | None
    approved_by: str | None = None  # who said yes to it
    later_url: str | None = field(default=None, repr=False)  # where the playbook will answer; a secret
    held: str | None = None  # why it waits for room though it is due, once that has been told

    @property
    def prepares(self) -> bool:
        """Whether it is in a stage that gets something ready, and may be gone through again."""
        return self.status is A.STARTING and not Stage(self.stage or "").starts

    @property
    def between_stages(self) -> bool:
        """Whether it waits for its next stage, and nothing of it runs."""
        return self.status is A.IN_PROGRESS and self.remediation_run_id is None

    @property
    def doubtful(self) -> bool:
        """Whether its rerun is not known for certain, and may run though the attempt has ended."""
        return self.via == "playbook" and self.stage in (FOUND, LOST)

    @property
    def left_running(self) -> bool:
        """Whether its rerun was still running when nobody waited for it any longer."""
        return self.status is A.TIMED_OUT and self.remediation_run_id is not None

    @property
    def reference(self) -> RunRef:
        """The run to repeat: the latest failed one of the group."""
        return RunRef(self.platform, self.resource, self.reference_run_id)

    @property
    def searched_until(self) -> datetime:
        """So long an unclear call is looked for: a direct one 5 minutes, a playbook until its deadline, for its
        workflow may still start something."""
        until = self.deadline or self.started_at + DEADLINE
        return until if self.via == "playbook" else min(until, self.started_at + DIRECT_SEARCH)

    @property
    def awaits(self) -> str | None:
        """What a call that was made waits for, until when, and what follows then; None when it waits for nothing."""
        match self.status:
            case AttemptStatus.STARTING:
                return "what it needs is being prepared" if self.prepares else "the call is being made"
            case AttemptStatus.UNKNOWN:
                said = "the playbook accepted and named no run" if self.stage == ACCEPTED else self.failure_reason
                then = "people are told" if self.via == "playbook" else "the attempt has failed: no run was started"
                about = said or "nobody knows yet what the call has started"
                return f"{about}; its rerun is looked for until {_clock(self.searched_until)}, then {then}"
            case AttemptStatus.IN_PROGRESS if self.between_stages:
                return f"its next stage ({self.stage}) is awaited"
            case AttemptStatus.IN_PROGRESS:
                until = f" until {_clock(self.deadline)}, then people are told" if self.deadline else ""
                return f"the end of the rerun {self.remediation_run_id} is awaited{until}"
        return None

    def may_have_started(self, run: Run | None) -> bool:
        """Whether a run that nobody has claimed may be the rerun of this attempt, which is not known; None: any run.

        A direct call starts a manual run in the group. A playbook starts what it likes, also through a trigger; once it
        is given up only what began before that, or is manual. If a rerun was found, it may have been the wrong one.
        """
        if run is None:
            return not self.status.ended and self.stage != FOUND
        if self.via != "playbook":
            return run.manual and run.group_id == self.run_group_id
        if run.started_at is None:
            return True
        if run.started_at < self.started_at - SKEW:
            return False
        meanwhile = self.completed_at is None or run.started_at <= self.completed_at
        return run.manual and meanwhile if self.stage == FOUND else run.manual or meanwhile


def _clock(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


RERUN = "rerun"


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a remedy of several stages stands. `terms` are those of what the attempt has borrowed.

    The stage without a name, and `rerun`, start the work, and are never repeated. All others prepare: they look before
    they act, so that a crash in between is mended by going through them again.
    """

    name: str = ""
    terms: Mapping[str, Any] = field(default_factory=dict)

    @property
    def starts(self) -> bool:
        return self.name in ("", RERUN)


@dataclass(frozen=True, slots=True)
class Lease:
    """Something outside that an attempt has for itself until it ends, such as a cluster. `terms` say how it was.

    `platform` and `resource` say where it is, if that is not where the failed run was.
    """

    target: str
    terms: Mapping[str, Any] = field(default_factory=dict)
    platform: str = ""
    resource: str = ""


@dataclass(frozen=True, slots=True)
class Running:
    """The rerun runs and is known."""

    rerun: Rerun
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Declined:
    """Nothing was started, and that is certain. `final`: trying again will not help, a person must look."""

    reason: str
    final: bool
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Unknown:
    """A run may have been started; look for it. `accepted`: the playbook said yes and named no run."""

    reason: str
    accepted: bool = False
    answer: str = ""
    later_url: str | None = field(default=None, repr=False)  # where the final answer will be; a secret


@dataclass(frozen=True, slots=True)
class Wait:
    """Not there yet: in so many seconds the remedy goes on with this stage, which begins once the lease is kept.

    `why` is told to people when the stage changes.
    """

    seconds: float
    stage: str
    why: str = ""
    lease: Lease | None = None


@dataclass(frozen=True, slots=True)
class Needs:
    """The work of others has failed, and has to be done again before this attempt can go on: what people call it, and
    its failed run. `why`: what else is waited for."""

    failed: tuple[tuple[str, Run], ...]
    why: str = ""


Progress = Running | Declined | Unknown | Wait | Needs
