"""An issue in another tool, as its door reads what somebody did to it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum


class IssueState(StrEnum):
    """Where an issue stands, whatever its statuses are called there."""

    OPEN = "open"
    UNDER_WAY = "under_way"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueChange:
    """What somebody did to an issue. Nothing in it is to be trusted further than whoever signed it.

    `order` compares as text: of two changes the larger one is the later. `by` is the person as the audit trail names
    them, `machine` says that a rule of the other tool did it. `us` gives the account under which we write there; it
    raises OutsideError. `once` names the delivery, where its sender does.
    """

    notifier: str
    key: str
    id: str
    labels: tuple[str, ...]
    creator: str
    account: str
    by: str
    machine: bool
    order: str
    moved_to: IssueState | None = None
    assigned: bool = False
    assigned_to: str | None = None  # the person's name; None: to nobody
    once: str | None = None
    us: Callable[[], Awaitable[str]]
