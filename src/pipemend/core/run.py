"""A run: one execution of a pipeline on a platform."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Resource:
    """One factory or workspace that we are connected to. `id` is lower-cased: it is a key."""

    platform: str
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class RunRef:
    """Where a run is to be found: `resource` is the lower-cased id of its factory or workspace."""

    platform: str
    resource: str
    run_id: str


class RunStatus(StrEnum):
    """How a run stands, in Data Factory's words; an unknown word is `UNKNOWN` and counts as not ended."""

    QUEUED = "Queued"
    IN_PROGRESS = "InProgress"
    CANCELING = "Canceling"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELLED = "Cancelled"
    UNKNOWN = "Unknown"

    @property
    def ended(self) -> bool:
        return self in (RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run as its platform reports it. `parent` is the run that started it, `group_id` joins a run and its reruns."""

    ref: RunRef
    pipeline: str
    status: RunStatus
    group_id: str | None = None
    parent: RunRef | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    manual: bool = False
    window: str | None = None
    debug: bool = False
    message: str = ""
    link: str | None = None
    masked: bool | None = None  # whether something in it failed though it went well; None: nobody knows yet

    @property
    def ended(self) -> bool:
        return self.status.ended

    @property
    def failed(self) -> bool:
        return self.status is RunStatus.FAILED


@dataclass(frozen=True, slots=True)
class Changes:
    """What a connection reports as changed, and the watermark to ask from next time."""

    runs: tuple[Run, ...]
    until: datetime


@dataclass(frozen=True, slots=True)
class Rerun:
    """A run that an attempt started, or may have started."""

    run_id: str
    status: RunStatus = RunStatus.QUEUED
    started_at: datetime | None = None
    manual: bool = True
    same_group: bool = True
