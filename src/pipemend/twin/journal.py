"""The log of every request, so that requests can be counted on the wire."""

import re
from collections import deque
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlencode

from .clock import now, stamp
from .faults import Fault
from .wire import Call

KEPT = 100_000
SECRET = re.compile(r"^(sig|code|key|token|secret|password)$", re.IGNORECASE)


@dataclass
class Entry:
    """One request. `status` is None when no answer was put on the wire; `executed` says whether its work was done."""

    n: int
    id: str
    service: str
    operation: str
    method: str
    path: str
    time: str
    workspace: str | None = None
    status: int | None = None
    fault: str | None = None
    fault_id: str | None = None
    executed: bool = False
    seconds: float | None = None


class Journal:
    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=KEPT)
        self._written = 0

    def write(self, call: Call, service: str, operation: str, fault: Fault | None) -> Entry:
        self._written += 1
        path = without_secrets(call)
        entry = Entry(self._written, call.id, service, operation, call.method, path, stamp(now()), call.workspace)
        if fault is not None:
            entry.fault, entry.fault_id = fault.kind, fault.id
        self._entries.append(entry)
        return entry

    def listed(
        self,
        service: str | None = None,
        operation: str | None = None,
        fault: str | None = None,
        workspace: str | None = None,
    ) -> list[dict[str, Any]]:
        """Without a service all but the control requests; with a fault those that it has hit."""
        wanted = (e for e in self._entries if _wanted(e, service, operation))
        return [asdict(e) for e in wanted if fault in (None, e.fault_id) and workspace in (None, e.workspace)]

    def counts(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for entry in self._entries:
            name = ".".join(filter(None, (entry.service, entry.workspace, entry.operation)))
            found[name] = found.get(name, 0) + 1
        return dict(sorted(found.items()))


def _wanted(entry: Entry, service: str | None, operation: str | None) -> bool:
    right_service = entry.service == service if service else entry.service != "twin"
    return right_service and operation in (None, entry.operation)


def without_secrets(call: Call) -> str:
    """The path with its query, secrets starred."""
    query = {name: "***" if SECRET.match(name) else value for name, value in call.query.items()}
    return f"{call.path}?{urlencode(query, safe='*/:')}" if query else call.path
