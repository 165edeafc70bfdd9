"""Events: facts, in the past tense. Each is saved in the transaction that made it true, and told to whoever listens."""

from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Any, ClassVar


class Turn(IntEnum):
    """Who goes first when many messages wait. Only news is let go when something later about the ticket waits too."""

    PEOPLE = 0  # people have to act
    FIRST = 1  # the first message
    STORY = 2  # how it ended, and what people did
    NEWS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A fact about a ticket. `name` is its word on the socket."""

    name: ClassVar[str]
    ticket_id: str

    @property
    def turn(self) -> Turn:
        return Turn.STORY

    def fields(self) -> dict[str, Any]:
        """What listeners get beside id and time; what is not set is left out."""
        return {key: value for key, value in asdict(self).items() if value is not None and value is not False}


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketOpened(Event):
    name = "new_ticket"
    pipeline: str

    @property
    def turn(self) -> Turn:
        return Turn.FIRST


@dataclass(frozen=True, slots=True, kw_only=True)
class RemediationStarted(Event):
    name = "remediation_started"
    attempt: int
    remediation_run_id: str | None = None

    @property
    def turn(self) -> Turn:
        return Turn.NEWS


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryScheduled(Event):
    name = "remediation_retry"
    attempt: int
    reason: str
    due_at: str | None = None

    @property
    def turn(self) -> Turn:
        return Turn.NEWS


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptChanged(Event):
    name = "attempt_update"
    attempt: int
    status: str
    reason: str | None = None
    remediation_run_id: str | None = None
    due_at: str | None = None

    @property
    def turn(self) -> Turn:
        return Turn.NEWS


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusChanged(Event):
    """The ticket moved. `escalated`: people have to act, `reason` says why."""

    name = "status_update"
    new_status: str
    user: str | None = None
    reason: str | None = None
    attempt: int | None = None
    remediation_success: bool = False
    remediation_failed: bool = False
    escalated: bool = False

    @property
    def turn(self) -> Turn:
        return Turn.PEOPLE if self.escalated else Turn.STORY


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRequested(Event):
    """A person's yes is needed for this attempt. `reminder`: half of the time is over, and nobody has answered."""

    name = "approval_requested"
    attempt: int
    action: str
    proposal: str
    reason: str
    expires_at: str
    reminder: bool = False

    @property
    def turn(self) -> Turn:
        return Turn.PEOPLE


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalGranted(Event):
    """Somebody said yes to this attempt. A no, and no answer, are a `status_update` that leaves it to people."""

    name = "approval_granted"
    attempt: int
    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained(Event):
    name = "explained"
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AutomationChanged(Event):
    """A switch was turned: `stopped` or `released` everywhere, `paused` or `resumed` for one pipeline. Of no ticket."""

    name = "automation_changed"
    ticket_id: str = ""
    state: str
    user: str
    pipeline: str | None = None
    reason: str = ""
    until: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SlaBreached(Event):
    """The ticket is still open, and its time is over. It happens once."""

    name = "sla_breached"
    sla_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StormEvent(Event):
    """A fact about a storm; `ticket_id` is the storm's id."""

    name = "storm"


@dataclass(frozen=True, slots=True, kw_only=True)
class StormBegan(StormEvent):
    name = "storm_began"

    @property
    def turn(self) -> Turn:
        return Turn.FIRST


@dataclass(frozen=True, slots=True, kw_only=True)
class StormChanged(StormEvent):
    """Its figures are others than those told last."""

    name = "storm_update"

    @property
    def turn(self) -> Turn:
        return Turn.NEWS


@dataclass(frozen=True, slots=True, kw_only=True)
class StormEscalated(StormEvent):
    """For so many of its tickets people have to act now: they are left to people, or await a yes (`asking`)."""

    name = "storm_escalated"
    people: int
    asking: int = 0

    @property
    def turn(self) -> Turn:
        return Turn.PEOPLE


@dataclass(frozen=True, slots=True, kw_only=True)
class StormEnded(StormEvent):
    """No new ticket comes, and all are closed."""

    name = "storm_ended"
