"""Logic Apps with a definition: loaded as they would be deployed."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from ..data_factory.model import Place
from .checks import check_expressions
from .definition import BadDefinition, Definition, read_definition
from .http_action import check_http


@dataclass
class App:
    """A definition with the values of its parameters. `pace` 0.01 lets its waits last a hundredth."""

    name: str
    definition: Definition
    parameters: Mapping[str, Any]
    pace: float = 1.0
    turns: asyncio.Semaphore | None = None
    waiting: int = 0

    def __post_init__(self) -> None:
        if self.definition.runs_at_once is not None:
            self.turns = asyncio.Semaphore(self.definition.runs_at_once)

    @property
    def full(self) -> bool:
        """Whether no more runs may wait for their turn."""
        return self.turns is not None and self.turns.locked() and self.waiting >= self.definition.waiting

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Held by each run that may work; the others wait."""
        if self.turns is None:
            yield
            return
        self.waiting += 1
        try:
            await self.turns.acquire()
        finally:
            self.waiting -= 1
        try:
            yield
        finally:
            self.turns.release()

    @property
    def id(self) -> str:
        place = Place()
        group = f"/subscriptions/{place.subscription}/resourceGroups/{place.resource_group}"
        return f"{group}/providers/Microsoft.Logic/workflows/{self.name}"


def load(name: str, raw: Any, given: Mapping[str, Any], pace: float) -> App:
    """The Logic App of a template or definition, checked as the service would. Raises BadDefinition."""
    definition = read_definition(raw)
    for action in definition.all():
        if action.type == "Http":
            check_http(action.name, action.inputs)
    check_expressions(definition)
    if strange := set(given) - set(definition.parameters):
        raise BadDefinition(f"there are no parameters {', '.join(sorted(strange))}")
    usual = {name: one["defaultValue"] for name, one in definition.parameters.items() if "defaultValue" in one}
    if missing := set(definition.parameters) - set(given) - set(usual):
        raise BadDefinition(f"parameters without a value: {', '.join(sorted(missing))}")
    return App(name, definition, {**usual, **given}, pace)
