"""What can be looked at in an installation before it is relied on, and what came of looking."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

from pipemend.core.errors import PipemendError


class Mark(StrEnum):
    """How a check ended."""

    OK = "ok"
    WRONG = "wrong"
    NOT_TRIED = "not tried"


class NotTried(PipemendError):
    """It cannot be seen without doing harm, or not from here; the message says why."""


class Amiss(PipemendError):
    """Something is wrong. `mend` says how to put it right."""

    def __init__(self, message: str, mend: str) -> None:
        super().__init__(message)
        self.mend = mend


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to look at. `look` says in a few words what is well, or raises: NotTried, Amiss, or another error
    of ours, to which `mend` is the advice. It starts nothing and changes nothing outside."""

    name: str
    look: Callable[[], Awaitable[str]]
    mend: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of a check, in one line each."""

    name: str
    mark: Mark
    says: str
    mend: str = ""


Chain = Sequence[Check]  # each needs those before it: after one that is wrong the others are not tried


@runtime_checkable
class ChecksItself(Protocol):
    """A platform, notifier or model that can tell what of its own `pipemend doctor` should look at."""

    def checks(self) -> Sequence[Chain]: ...
