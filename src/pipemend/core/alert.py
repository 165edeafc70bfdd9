"""An alert: a report that a run failed. A door reads calls into alerts."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pipemend.core.commands import Command


@dataclass(frozen=True, slots=True)
class Call:
    """One request at a door, free of any web framework. Header names are lower-cased."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """A failed run as somebody told us about it; every field may be missing but the platform.

    `resource` is the lower-cased id of the factory or workspace. Without a `run_id` the run is looked for by
    pipeline and `window`.
    """

    platform: str
    resource: str | None = None
    pipeline: str | None = None
    run_id: str | None = None
    window: tuple[datetime, datetime] | None = None
    activity: str = ""
    activity_type: str = ""
    error_code: str = ""
    error_message: str = ""
    failure_type: str = ""
    failed_at: datetime | None = None
    rule: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One thing that an Azure Monitor alert speaks of: a row, a set of dimensions, a set of properties.

    `target` is the lower-cased resource id, None where the alert names none or a log workspace. `fields` keep the names
    and values of the alert; `metric` is the metric's name.
    """

    target: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    window: tuple[datetime, datetime] | None = None
    fired_at: datetime | None = None
    rule: str = ""
    metric: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a body said: alerts, or a sentence why it opens nothing. `platform` as far as it could be told."""

    alerts: tuple[Alert, ...] = ()
    ignored: str = ""
    platform: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Press:
    """A button that somebody pressed, and what it asks for.

    `once` names the press, so that its repetition does nothing. `refusal` says why this person may not ask for it, or
    nothing; it never raises. `reply` tells the person alone; it raises OutsideError.
    """

    command: Command
    once: str
    refusal: Callable[[], Awaitable[str]]
    reply: Callable[[str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Door:
    """An address that a plug-in listens on. `admits` says whether the caller may come in; `read` raises BadDelivery.

    `read` gives a `Reading` for a platform's door; a notifier's door gives commands, presses, or changes of an issue.
    Where there is `signed` it is asked before anything is read from the body. `keeps`: the body may be kept.
    """

    path: str
    admits: Callable[[Call], bool]
    read: Callable[[Call], Reading | Sequence[object]]
    methods: tuple[str, ...] = field(default=("POST",))
    signed: Callable[[Call], bool] | None = None
    keeps: bool = True
