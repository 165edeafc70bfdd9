"""Evaluating expressions: texts, lists and objects of a definition with all that is in them."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from .functions import FUNCTIONS, Unfit, text_of
from .syntax import Function, Joined, Literal, Member, Node, read


class CannotEvaluate(ValueError):
    """The service calls this InvalidTemplate: the action fails, and says why."""


# Functions that know the run, by their names in small letters.
Scope = Mapping[str, Callable[..., Any]]
_read = lru_cache(maxsize=4096)(read)


def filled(value: Any, scope: Scope) -> Any:
    """The value with every expression in it replaced by what it comes to. Raises CannotEvaluate."""
    if isinstance(value, str):
        try:
            return evaluate(_read(value), scope)
        except (Unfit, CannotEvaluate) as wrong:
            raise CannotEvaluate(f"the expression '{value[:200]}' cannot be evaluated: {wrong}") from wrong
    if isinstance(value, list):
        return [filled(one, scope) for one in value]
    if isinstance(value, dict):
        return {name: filled(one, scope) for name, one in value.items()}
    return value


def evaluate(node: Node, scope: Scope) -> Any:
    """What a node comes to. All arguments are evaluated, also those that `if`, `and` and `or` do not need."""
    match node:
        case Literal(value=value):
            return value
        case Joined(parts=parts):
            return "".join(text_of(evaluate(part, scope)) for part in parts)
        case Member(target=target, key=key, safe=safe):
            return _member(evaluate(target, scope), evaluate(key, scope), safe=safe)
        case Function(name=name, arguments=arguments):
            given = [evaluate(one, scope) for one in arguments]
            own = scope.get(name.lower())
            return own(*given) if own else FUNCTIONS[name.lower()][2](*given)


def _member(target: Any, key: Any, *, safe: bool) -> Any:
    if target is None and safe:
        return None
    if isinstance(target, dict) and isinstance(key, str):
        if key in target or safe:
            return target.get(key)
        raise CannotEvaluate(f"property '{key}' does not exist; there are {', '.join(target)}")
    if isinstance(target, list) and isinstance(key, int):
        if 0 <= key < len(target):
            return target[key]
        if safe:
            return None
        raise CannotEvaluate(f"there is no item {key}")
    raise CannotEvaluate(f"property '{key}' cannot be selected of {type(target).__name__}")
