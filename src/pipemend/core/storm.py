"""Storms: many tickets of one cause at once. People are told of them in one message that grows."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

MANY, WITHIN = 20, timedelta(minutes=5)  # more tickets of one cause within that time are a storm
QUIET = timedelta(minutes=10)  # so long no new ticket of the cause has come when a storm is over


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """What the tickets of a storm have in common."""

    platform: str
    resource: str
    error_type: str
    route: str = ""  # what is told elsewhere is a storm of its own

    def storm_id(self, began: datetime) -> str:
        told = f"|{self.route}" if self.route else ""
        digest = hashlib.sha256(f"{self.platform}|{self.resource}|{self.error_type}{told}".encode()).hexdigest()
        return f"STORM-{began:%Y%m%dT%H%M%S}-{digest[:10]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """How the tickets of a storm stand. `people`: left to people and not closed yet. `asking`: a yes is awaited."""

    tickets: int = 0
    healed: int = 0
    closed: int = 0  # without our doing
    healing: int = 0
    people: int = 0
    asking: int = 0

    @property
    def needs_people(self) -> int:
        return self.people + self.asking

    @property
    def settled(self) -> bool:
        return self.healed + self.closed == self.tickets


@dataclass(frozen=True, slots=True, kw_only=True)
class Storm:
    """A storm as it stands now. `pipelines`: the first few; `left`: the first few for which people have to act."""

    id: str
    cause: Cause
    where: str  # the resource as people call it
    began_at: datetime
    ended_at: datetime | None
    figures: Figures
    pipelines: Sequence[str] = ()
    left: Sequence[str] = ()


def deserves_a_bell(people: int, told: int) -> bool:
    """Whether so many tickets that need people are worth a bell: the first is, then each time they have doubled."""
    return people > 0 and people >= 2 * told
