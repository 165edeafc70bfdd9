"""How values are said to people."""

from collections.abc import Callable
from typing import Any

FILTERS: dict[str, Callable[..., Any]] = {}
