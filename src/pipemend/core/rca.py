"""Root cause analysis: what failed, and what an analyzer makes of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

UNCLASSIFIED = "Unclassified"


class Severity(StrEnum):
    CRITICAL = "Critical"
    HIGH = "High"
    MEDIUM = "Medium"
    LOW = "Low"


class Remediable(StrEnum):
    """Whether a small, bounded number of unattended repeats is safe and likely to help."""

    YES = "yes"
    CONDITIONAL = "conditional"
    NO = "no"


@dataclass(frozen=True, slots=True)
class Fault:
    """One failed activity or task, in the platform's words."""

    activity: str = ""
    activity_type: str = ""
    code: str = ""
    message: str = ""
    failure_type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """All that is known about why a run failed: `faults` from the platform, innermost first, else the run's message.

    `pages` are those of runs on another platform that failed in it, `definition` a fingerprint of what was run.
    """

    platform: str
    pipeline: str
    run_id: str
    faults: tuple[Fault, ...] = ()
    message: str = ""
    ended_at: datetime | None = None
    pages: tuple[str, ...] = ()
    definition: str | None = None

    @property
    def fault(self) -> Fault:
        """The fault to speak of first."""
        return self.faults[0] if self.faults else Fault(message=self.message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurrence:
    """Earlier tickets with the same fingerprint, how many repairs of them have ended, and how many of those well."""

    seen: int = 0
    tried: int = 0
    healed: int = 0
    median_minutes: float | None = None
    tickets: tuple[str, ...] = ()  # the youngest few

    @property
    def sentence(self) -> str:
        """For people; empty when it is new."""
        if not self.seen:
            return ""
        seen = f"Seen {self.seen} time{'s' if self.seen > 1 else ''} before"
        took = f", median {self.median_minutes:g} min" if self.median_minutes is not None else ""
        return f"{seen}; a rerun helped in {self.healed} of {self.tried}{took}." if self.tried else f"{seen}."


@dataclass(frozen=True, slots=True)
class History:
    """What is known of earlier tries and of similar tickets; an analyzer may use it."""

    attempts: tuple[str, ...] = ()
    before: str = ""  # how often the same failure was there before, and what helped


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """An analyzer's explanation. `confidence` runs from 0 to 1; `sure` says that a rule fits without doubt."""

    error_type: str
    remediable: Remediable
    severity: Severity
    root_cause: str
    recommendations: tuple[str, ...] = ()
    affected_entity: str = ""
    confidence: float = 0.5
    sure: bool = True
    by: str = "rules"
    fingerprint: str = ""  # the same for the same failure with other ids, times, paths and numbers
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def confidence_word(self) -> str:
        return next(word for least, word in CONFIDENCE if self.confidence >= least)


CONFIDENCE = ((0.9, "Very High"), (0.7, "High"), (0.4, "Medium"), (0.0, "Low"))
