"""Faults: what is to go wrong, where and how often."""

import random
from dataclasses import dataclass
from itertools import count
from typing import Any

from .wire import Call, Headers

KINDS = (
    "timeout_before",
    "timeout_after",
    "drop_before",
    "drop_after",
    "status",
    "status_after",
    "html",
    "html_after",
    "empty",
    "empty_after",
    "garbage",
    "slow_drip",
    "slow_head",
    "half_close",
    "wrong_length",
    "reset",
    "huge",
    "gzip_bomb",
    "unknown_status",
    "fields_missing",
    "fields_null",
    "fields_extra",
    "fields_wrong",
)


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong when a request matches.

    `*_before`, `status`, `html`, `empty` and `garbage` keep the request from being carried out; `*_after` and the
    others carry it out and spoil the answer. A request matches when its address or body holds all of `texts`.
    """

    id: str
    kind: str
    service: str | None = None
    operation: str | None = None
    texts: tuple[str, ...] = ()
    workspace: str | None = None
    status: int | None = None
    headers: Headers = ()
    seconds: float = 60.0
    probability: float = 1.0
    word: str = "Reticulating"
    megabytes: float = 50.0
    fields: tuple[str, ...] = ()

    def meets(self, service: str, operation: str, call: Call) -> bool:
        right_place = self.service in (None, service) and self.workspace in (None, call.workspace)
        right_place = right_place and self.operation in (None, operation)
        return right_place and all(call.holds(text) for text in self.texts)

    def as_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "match": {
                "service": self.service,
                "operation": self.operation,
                "text": list(self.texts),
                "workspace": self.workspace,
            },
            "kind": self.kind,
            "status": self.status,
            "headers": dict(self.headers),
            "seconds": self.seconds,
            "probability": self.probability,
        }


class FaultBook:
    """The faults in force, oldest first, each with the number of times it has left."""

    def __init__(self, seed: int | None = None) -> None:
        self._faults: dict[str, Fault] = {}
        self._left: dict[str, int] = {}
        self._numbers = count(1)
        self._random = random.Random(seed)

    def add(self, times: int, **fault: Any) -> Fault:
        """`times` below zero means for ever."""
        new = Fault(id=f"fault-{next(self._numbers)}", **fault)
        self._faults[new.id] = new
        self._left[new.id] = times
        return new

    def strike(self, service: str, operation: str, call: Call) -> Fault | None:
        """The fault that hits this request, if any; it has one time less left."""
        for fault in self._faults.values():
            if fault.meets(service, operation, call) and self._random.random() < fault.probability:
                self._use(fault)
                return fault
        return None

    def _use(self, fault: Fault) -> None:
        self._left[fault.id] -= 1
        if self._left[fault.id] == 0:
            self.remove(fault.id)

    def remove(self, fault_id: str) -> bool:
        self._left.pop(fault_id, None)
        return self._faults.pop(fault_id, None) is not None

    def clear(self) -> None:
        self._faults.clear()
        self._left.clear()

    def listed(self) -> list[dict[str, Any]]:
        return [{**fault.as_dict(), "left": self._left[fault.id]} for fault in self._faults.values()]
