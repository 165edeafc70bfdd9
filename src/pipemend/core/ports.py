"""The outside world as the flows see it. Whoever keeps these promises can be plugged in."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from pipemend.core.alert import Alert, Door, Press, Signal
from pipemend.core.attempt import Attempt, Lease, Progress, Stage
from pipemend.core.events import Event, StormEvent
from pipemend.core.handover import Line
from pipemend.core.rca import Diagnosis, Failure, Fault, History
from pipemend.core.route import NO_ROUTE, Route
from pipemend.core.run import Changes, Rerun, Resource, Run, RunRef
from pipemend.core.storm import Storm
from pipemend.core.ticket import Ticket


class Remedy(Protocol):
    """The code of one remediation action. Every method raises OutsideError only for what provably started nothing."""

    via: str  # "direct" or "playbook": how long a lost answer is looked for depends on it
    first: Stage  # where it begins; without a name, where its first call starts the work

    async def advance(self, attempt: Attempt, stage: Stage) -> Progress:
        """Does the next piece of work. Never repeats a call that may have started something."""
        ...

    async def started(self, attempt: Attempt) -> Sequence[Rerun]:
        """The runs that a call of this attempt may have started: manual, of its group, after `attempt.started_at`."""
        ...


@runtime_checkable
class AnswersLater(Protocol):
    """A remedy whose call may be answered later, at an address of its own (`attempt.later_url`)."""

    async def answer(self, attempt: Attempt) -> Progress:
        """What it says by now; Unknown while it says nothing yet. Raises OutsideError."""
        ...


@runtime_checkable
class Borrower(Protocol):
    """A remedy that gives back what an attempt has borrowed."""

    async def give_back(self, resource: str, lease: Lease) -> str:
        """Makes it as it was; why that must wait, or nothing. May be asked twice. Raises OutsideError: asked again."""
        ...


class Platform(Protocol):
    """Where pipelines run. Reads raise OutsideError; a run that does not exist is None."""

    name: str
    connections: Sequence[Resource]
    resource_types: tuple[str, ...]  # Azure resource types whose alerts it reads, lower-cased
    doors: tuple[Door, ...]
    remedies: Mapping[str, Remedy]

    def read(self, signal: Signal) -> Alert | None:
        """What an Azure Monitor alert says about our runs; None when it names no pipeline and no run of ours."""
        ...

    async def find(self, alert: Alert) -> Sequence[Run]:
        """The failed runs that an alert without a run id speaks of."""
        ...

    async def changes(self, resource: Resource, since: datetime) -> Changes:
        """The runs that changed since the watermark, all pages."""
        ...

    async def run(self, ref: RunRef) -> Run | None: ...

    async def later(self, run: Run) -> Sequence[Run]:
        """Later runs of the same work (its group or its trigger window), oldest first."""
        ...

    async def failure(self, run: Run) -> Failure:
        """Error and evidence, read from the activities or tasks."""
        ...

    async def cancel(self, ref: RunRef) -> None: ...

    async def close(self) -> None: ...


@runtime_checkable
class KnowsLatest(Protocol):
    """A platform that can tell of a pipeline by its name alone; others wait for it, as their upstream."""

    async def latest(self, resource: Resource, pipeline: str) -> Run | None:
        """The run that began last, or its repair, of the last seven days. Raises OutsideError."""
        ...


class Tokens(Protocol):
    """An identity in Azure. Both raise OutsideError."""

    async def token(self, scope: str) -> str: ...

    async def renew(self, refused: str) -> bool:
        """Whether it makes sense to ask again, with a new token instead of the one that was refused."""
        ...


@runtime_checkable
class HasIdentity(Protocol):
    """A platform whose connections have identities in Azure, which may see what their pipelines read."""

    def identity(self, resource: str) -> Tokens | None:
        """That of a connection; None where it has none. Raises Missing where there is no such connection."""
        ...


@runtime_checkable
class FindsMasked(Protocol):
    """A platform whose runs may go well although something in them failed."""

    async def run(self, ref: RunRef) -> Run | None: ...

    async def masked(self, run: Run) -> Sequence[Fault]:
        """What failed in a run that went well, what was tried again with success left out. Raises OutsideError."""
        ...


@runtime_checkable
class KnowsDefinitions(Protocol):
    """A platform that can tell whether somebody has edited what it runs."""

    async def definition(self, run: Run) -> str | None:
        """A fingerprint of what the run's pipeline is now; None where that cannot be read. Raises OutsideError."""
        ...


@runtime_checkable
class TellsPlaybooks(Protocol):
    """A platform or remedy whose playbooks are told more than the run: which job it was, what is upstream of it."""

    async def details(self, attempt: Attempt) -> Mapping[str, object]:
        """Further fields of the request. Raises OutsideError."""
        ...


@runtime_checkable
class KnowsPages(Protocol):
    """A platform whose runs others start; they tell of them by their pages."""

    def run_at(self, page: str) -> RunRef | None:
        """The run that is shown at this address, where it is one of ours."""
        ...


class Analyzer(Protocol):
    """Explains failures. Raises OutsideError when a model gives no usable answer."""

    async def diagnose(self, failure: Failure, past: History) -> Diagnosis: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """One event, with all a listener needs to phrase it. `repeated`: it may have been told already; look first."""

    id: int
    at: datetime
    event: Event
    ticket: Ticket
    attempt: Attempt | None
    link: str | None  # the ticket on the dashboard
    route: Route = NO_ROUTE
    handover: tuple[Line, ...] = ()  # where people have to act: all they need to know
    repeated: bool = False

    @property
    def about(self) -> str:
        return self.ticket.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """One event of a storm, and how the storm stands now. `repeated`: it may have been told already; look first."""

    id: int
    at: datetime
    event: StormEvent
    storm: Storm
    link: str | None  # its tickets on the dashboard
    route: Route = NO_ROUTE
    repeated: bool = False

    @property
    def about(self) -> str:
        return self.storm.id


@dataclass(frozen=True, slots=True)
class Receipt:
    """Where a listener's messages about a ticket went; `place` is the listener's own, e.g. channel and time stamp."""

    place: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How fast a notifier may be told: tickets at once, and messages a second after a burst."""

    at_once: int = 8
    per_second: float = 5.0
    burst: int = 50


Take = Callable[[str, Sequence[Press]], Awaitable[bool]]  # by the name of the way they came; whether all are kept


@runtime_checkable
class Listens(Protocol):
    """A notifier that hears from people over a line of its own, beside its doors."""

    async def listen(self, take: Take) -> None:
        """Until it is cancelled; returns where there is nothing to hear."""
        ...


class Notifier(Protocol):
    """Somebody who is told. `tell` gets the receipt of the last message about the ticket and returns the new one.

    Raises OutsideError: a transient one is tried again, in order; another one parks the message.
    """

    name: str
    doors: tuple[Door, ...]
    limits: Limits

    async def tell(self, news: News, receipt: Receipt | None) -> Receipt | None: ...

    async def sum_up(self, digest: Digest, receipt: Receipt | None) -> Receipt | None:
        """As `tell`, for the one message that stands for all tickets of a storm."""
        ...

    async def close(self) -> None: ...
