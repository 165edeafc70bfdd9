"""Commands: wishes of a person, as orders."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Somebody asks for something; `by` is the person as the door knows them."""

    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledge(Command):
    """The matter is closed, says a person. A rerun in flight may finish; no further attempt starts."""

    ticket_id: str
    empid: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Approve(Command):
    """Yes to one attempt, as it was proposed; `proposal` names the one that the person saw."""

    ticket_id: str
    proposal: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject(Command):
    """No to what is proposed: the ticket is left to people."""

    ticket_id: str
    proposal: str | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry(Command):
    """Grants one attempt beyond the limit, in the person's name. `seen`: the number of attempts that the person saw."""

    ticket_id: str
    seen: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop(Command):
    """Ends the automation of a ticket and leaves its run alone, unless `cancel_run`."""

    ticket_id: str
    cancel_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalate(Command):
    """Hands the ticket over to people now. Automation stays off until Retry; a rerun that runs goes on."""

    ticket_id: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeOver(Command):
    """A person has it, and automation steps back; a rerun in flight may finish. `works`: they are at it already."""

    ticket_id: str
    reason: str
    works: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LetGo(Command):
    """Nobody works on it any more. Automation does not come back by that."""

    ticket_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reopen(Command):
    """A closed ticket is open again: what was tried stays, and automation stays off until Retry."""

    ticket_id: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Correct(Command):
    """Says what the error really was. It starts nothing; a `no` ends the automation of the ticket."""

    ticket_id: str
    error_type: str
    remediable: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch(Command):
    """The red button: holds every start, everywhere, until it is released."""

    enabled: bool
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause(Command):
    """Holds every start of one pipeline, `factory/name`, until then, or until somebody resumes it."""

    pipeline: str
    until: datetime | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume(Command):
    """Ends the pause of one pipeline."""

    pipeline: str
    reason: str = ""
