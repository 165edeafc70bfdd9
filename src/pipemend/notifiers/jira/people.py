"""People in Jira, as the ticket and the audit trail name them."""

from collections.abc import Mapping
from typing import Any

from pipemend.notifiers.phrases import cut, one_line

LONGEST = 60
MARK = " (Jira)"


def name(value: object) -> str:
    return cut(one_line(value), LONGEST) if isinstance(value, str) else ""


def called(user: Mapping[str, Any]) -> str:
    """The name that a person goes by there."""
    return (name(user.get("displayName")) or "somebody") + MARK


def did(user: str | None) -> bool:
    """Whether it was done in Jira, which knows it then, and is only told in words."""
    return user is not None and user.endswith(MARK)
