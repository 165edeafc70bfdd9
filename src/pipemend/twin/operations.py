"""What the twin answers to, as a table of operations."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from urllib.parse import unquote

from .wire import Answer, Call
from .world import World

Handler = Callable[[World, Call], Answer]


@dataclass(frozen=True)
class Operation:
    """One thing a service can be asked. Its path is matched without regard to case, as Azure does."""

    service: str
    name: str
    method: str
    path: re.Pattern[str]
    handle: Handler


def operation(service: str, name: str, method: str, path: str, handle: Handler) -> Operation:
    """`path` is written with `{names}` for single segments."""
    pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(path))
    return Operation(service, name, method, re.compile(pattern + "/?", re.IGNORECASE), handle)


def find(operations: Sequence[Operation], call: Call) -> tuple[Operation, Call] | None:
    """The operation that is meant, and the call with the names of its path filled in."""
    for candidate in operations:
        match = candidate.path.fullmatch(call.path) if candidate.method == call.method else None
        if match:
            return candidate, replace(call, params={k: unquote(v) for k, v in match.groupdict().items()})
    return None
