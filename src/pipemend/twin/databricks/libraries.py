"""Libraries of a cluster: installed one attempt after the other, as each is told to go."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from ..clock import Timers

DONE = ("INSTALLED", "FAILED", "SKIPPED")
STATUSES = ("PENDING", "RESOLVING", "INSTALLING", *DONE)
GOING = "UNINSTALL_ON_RESTART"
KINDS = ("pypi", "jar", "whl", "maven", "cran", "egg", "requirements")
FAILED = (
    "Library installation attempted on the driver node of cluster and failed. Error code: "
    "DRIVER_LIBRARY_INSTALLATION_FAILURE. Error message: org.apache.spark.SparkException: Process List(pip, install) "
    "exited with code 1. ERROR: Could not fetch URL: connection broken by 'ReadTimeoutError'"
)


class BadLibrary(ValueError):
    """A library cannot be read; the message says why."""


@dataclass(frozen=True)
class Installs:
    """What successive installations of one library come to; the last repeats. `PENDING` never ends."""

    outcomes: tuple[str, ...] = ("INSTALLED",)
    seconds: float = 0.05
    messages: tuple[str, ...] = (FAILED,)

    def outcome(self, number: int) -> str:
        return self.outcomes[min(number, len(self.outcomes) - 1)]


@dataclass
class Installed:
    """One library on one cluster."""

    library: dict[str, Any]
    status: str = "PENDING"
    messages: tuple[str, ...] = ()
    before: str = ""

    @property
    def usable(self) -> bool:
        return self.status in ("INSTALLED", "RESTORED", "SKIPPED")

    def as_dict(self) -> dict[str, Any]:
        return {
            "library": self.library,
            "status": self.status,
            "messages": list(self.messages),
            "is_library_for_all_clusters": False,
        }


@dataclass
class Shelf:
    """The libraries of one cluster. `told` scripts libraries by key and `tried` counts their installations."""

    timers: Timers
    libraries: dict[str, Installed] = field(default_factory=dict)
    told: dict[str, Installs] = field(default_factory=dict)
    tried: dict[str, int] = field(default_factory=dict)
    _boot: int = 0

    def tell(self, library: dict[str, Any], installs: Installs) -> None:
        """Scripts a library and begins counting its installations anew."""
        self.told[key(library)], self.tried[key(library)] = installs, 0

    def ask(self, library: dict[str, Any], *, up: bool) -> None:
        """Wants a library. One that is there, failed or not, stays as it is; one that was to go stays."""
        known = self.libraries.get(key(library))
        if known is not None:
            if known.status == GOING:
                known.status = "RESTORED" if known.before == "INSTALLED" else known.before
            return
        self.libraries[key(library)] = installed = Installed(library)
        if up:
            self._begin(installed)

    def drop(self, library: dict[str, Any]) -> None:
        """Takes effect with the next start; a library that is not there is ignored."""
        known = self.libraries.get(key(library))
        if known is not None and known.status != GOING:
            known.before, known.status = known.status, GOING

    def start(self) -> None:
        """The cluster has come up: what was to go is gone, everything else is installed afresh."""
        self.down()
        for installed in self.libraries.values():
            self._begin(installed)

    def down(self) -> None:
        """The cluster has gone down: nothing is installed any more."""
        self._boot += 1
        kept = {name: one for name, one in self.libraries.items() if one.status != GOING}
        self.libraries = {name: Installed(one.library) for name, one in kept.items()}

    def settled(self, wanted: list[dict[str, Any]]) -> bool:
        """Whether all of these are installed, or are known not to be."""
        found = [self.libraries.get(key(library)) for library in wanted]
        return all(one is not None and (one.usable or one.status == "FAILED") for one in found)

    def failed(self, wanted: list[dict[str, Any]] | None = None) -> list[Installed]:
        """Those that cannot be used, of the wanted ones or of all."""
        keys = self.libraries if wanted is None else [key(library) for library in wanted]
        return [one for name in keys if (one := self.libraries[name]).status in ("FAILED", GOING)]

    def listed(self) -> list[dict[str, Any]]:
        """In the order in which they were wanted; those that are to go come last."""
        return [one.as_dict() for one in sorted(self.libraries.values(), key=lambda one: one.status == GOING)]

    def _begin(self, installed: Installed) -> None:
        name = key(installed.library)
        told, number = self.told.get(name, Installs()), self.tried.get(name, 0)
        self.tried[name] = number + 1
        outcome, boot = told.outcome(number), self._boot
        steps = ("RESOLVING", "INSTALLING", outcome) if outcome in DONE else STATUSES[1 : STATUSES.index(outcome) + 1]
        for at, status in enumerate(steps, start=1):
            self.timers.after(at * told.seconds / len(steps), partial(self._move, installed, status, told, boot))

    def _move(self, installed: Installed, status: str, told: Installs, boot: int) -> None:
        if boot == self._boot and installed.status in STATUSES:
            installed.status = status
            installed.messages = told.messages if status == "FAILED" else ()


def key(library: Mapping[str, Any]) -> str:
    return json.dumps(library, sort_keys=True)


def read_library(item: Any) -> dict[str, Any]:
    """One of the vendor's kinds; `name==version` stands for a package of PyPI. Raises BadLibrary."""
    if isinstance(item, str):
        return {"pypi": {"package": item}}
    if not isinstance(item, dict) or len(item) != 1 or next(iter(item)) not in KINDS:
        raise BadLibrary(f"a library is an object with one of {', '.join(KINDS)}, not {item!r}")
    return item


def read_installs(item: Mapping[str, Any]) -> Installs:
    """`installs`, `seconds` and `messages` of a library. Raises BadLibrary."""
    outcomes = tuple(item.get("installs") or Installs().outcomes)
    strange = [word for word in outcomes if word not in STATUSES]
    if strange:
        raise BadLibrary(f"installs: any of {', '.join(STATUSES)}, not {strange[0]!r}")
    usual = replace(Installs(), outcomes=outcomes)
    messages = tuple(str(text) for text in item.get("messages") or usual.messages)
    return replace(usual, seconds=float(item.get("seconds", usual.seconds)), messages=messages)
