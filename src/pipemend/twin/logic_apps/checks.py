"""What the service checks when a definition is saved: each expression, and that it speaks of what came before."""

from collections.abc import Iterator, Mapping
from typing import Any

from .definition import Action, Actions, BadDefinition, Definition
from .language.functions import FUNCTIONS, OF_THE_RUN
from .language.syntax import BadExpression, Function, Literal, Node, read, walk

OF_ACTIONS = ("body", "outputs", "result", "items")
NOT_FILLED = ("type", "runAfter", "actions", "else", "cases", "default", "description")


def check_expressions(definition: Definition) -> None:
    """Raises BadDefinition with the first expression that the service would not take."""
    variables = {
        one["name"]
        for action in definition.all()
        if action.type == "InitializeVariable"
        for one in action.inputs["variables"]
    }
    _Check(set(definition.parameters), variables).actions(definition.actions, frozenset())


class _Check:
    def __init__(self, parameters: set[str], variables: set[str]) -> None:
        self._named = {"parameters": parameters, "variables": variables}

    def actions(self, actions: Actions, before: frozenset[str]) -> None:
        """Each action speaks of those it runs after, of those inside these, and of what its container may."""
        seen: dict[str, frozenset[str]] = {}
        for action in actions.values():
            seen[action.name] = before.union(
                *(seen[name] for name in action.run_after),
                *({one.name for one in actions[name].below()} for name in action.run_after),
            )
            self._action(action, seen[action.name])

    def _action(self, action: Action, before: frozenset[str]) -> None:
        inside = frozenset(one.name for one in action.below()) if action.type == "Until" else frozenset()
        around = before | ({action.name} if action.type == "Foreach" else frozenset())
        for text in _texts({name: value for name, value in action.raw.items() if name not in NOT_FILLED}):
            self._expression(action, text, before | inside)
        if isinstance(action.raw.get("expression"), dict):
            self._condition(action, action.raw["expression"])
        for branch in action.branches.values():
            self.actions(branch, around)

    def _condition(self, action: Action, condition: Mapping[str, Any]) -> None:
        """The functions that stand in a condition by their names."""
        if len(condition) != 1 or (name := next(iter(condition)).lower()) not in FUNCTIONS:
            raise BadDefinition(f"{action.name} expression: one function, such as and, or, not, equals")
        given = condition[next(iter(condition))]
        values = given if isinstance(given, list) else [given]
        if not FUNCTIONS[name][0] <= len(values) <= FUNCTIONS[name][1]:
            raise BadDefinition(f"{action.name} expression: '{name}' does not take {len(values)} values")
        for one in values:
            if isinstance(one, dict):
                self._condition(action, one)

    def _expression(self, action: Action, text: str, before: frozenset[str]) -> None:
        try:
            nodes = list(walk(read(text)))
        except BadExpression as wrong:
            raise BadDefinition(f"{action.name}: {wrong}") from wrong
        for node in nodes:
            if isinstance(node, Function):
                self._call(action, node, before)

    def _call(self, action: Action, call: Function, before: frozenset[str]) -> None:
        name = call.name.lower()
        takes = FUNCTIONS[name][:2] if name in FUNCTIONS else OF_THE_RUN.get(name)
        if takes is None:
            raise BadDefinition(f"{action.name}: the function '{call.name}' is not known")
        if not takes[0] <= len(call.arguments) <= takes[1]:
            raise BadDefinition(f"{action.name}: '{call.name}' does not take {len(call.arguments)} values")
        if name in OF_ACTIONS and (what := _word(action, call)) not in before:
            raise BadDefinition(f"{action.name}: {call.name}('{what}') is not known before it runs")
        if name in self._named and (what := _word(action, call)) not in self._named[name]:
            raise BadDefinition(f"{action.name}: there is no {call.name}('{what}')")


def _word(action: Action, call: Function) -> str:
    node: Node = call.arguments[0]
    if isinstance(node, Literal) and isinstance(node.value, str):
        return node.value
    raise BadDefinition(f"{action.name}: {call.name} takes a name in quotes")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
