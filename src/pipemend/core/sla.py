"""Severity, priority and the time a ticket may stay open."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pipemend.core.rca import Severity


class SlaStatus(StrEnum):
    PENDING = "Pending"
    MET = "Met"
    BREACHED = "Breached"


@dataclass(frozen=True, slots=True)
class Level:
    """What a severity means: its priority and the seconds until the SLA is breached."""

    priority: str
    sla_seconds: int


LEVELS: Mapping[Severity, Level] = {
    Severity.CRITICAL: Level("P1", 900),
    Severity.HIGH: Level("P2", 1800),
    Severity.MEDIUM: Level("P3", 7200),
    Severity.LOW: Level("P4", 86400),
}


def sla_status(seconds: float, sla_seconds: int) -> SlaStatus:
    """Met when the ticket was closed within its time."""
    return SlaStatus.MET if seconds <= sla_seconds else SlaStatus.BREACHED
