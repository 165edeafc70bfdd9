"""Reading expressions: from the text of a definition to a tree.

The language: https://learn.microsoft.com/azure/logic-apps/workflow-definition-language-functions-reference
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

LONGEST = 8192
TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+(?:\.\d+)?)|(?P<name>[A-Za-z_]\w*)|(?P<mark>[()\[\],.?}]))"
)
WORDS: dict[str, Any] = {"true": True, "false": False, "null": None}


class BadExpression(ValueError):
    """An expression cannot be read; the message holds it."""


@dataclass(frozen=True)
class Literal:
    value: Any


@dataclass(frozen=True)
class Function:
    name: str
    arguments: tuple["Node", ...]


@dataclass(frozen=True)
class Member:
    """`target[key]`; a `safe` one, with a question mark, is null where there is nothing."""

    target: "Node"
    key: "Node"
    safe: bool


@dataclass(frozen=True)
class Joined:
    """Text with `@{expressions}` in it."""

    parts: tuple["Node", ...]


Node = Literal | Function | Member | Joined


def read(text: str) -> Node:
    """A text of a definition: plain, an `@expression`, or with `@{expressions}` in it. Raises BadExpression."""
    if len(text) > LONGEST:
        raise BadExpression(f"an expression has at most {LONGEST} characters: {text[:60]}…")
    if text.startswith("@@"):
        return Literal(text[1:])
    if text.startswith("@") and not text.startswith("@{"):
        return _Reader(text, 1).whole()
    return _joined(text) if "@{" in text else Literal(text)


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it."""
    yield node
    match node:
        case Function(arguments=below) | Joined(parts=below):
            for one in below:
                yield from walk(one)
        case Member(target=target, key=key):
            yield from walk(target)
            yield from walk(key)


def _joined(text: str) -> Node:
    parts: list[Node] = []
    at = 0
    while (found := text.find("@{", at)) >= 0:
        if found and text[found - 1] == "@":  # `@@{` is how `@{` itself is written
            parts.append(Literal(text[at : found - 1] + "@{"))
            at = found + 2
            continue
        if found > at:
            parts.append(Literal(text[at:found]))
        reader = _Reader(text, found + 2)
        parts.append(reader.expression())
        reader.expect("}")
        at = reader.at
    if at < len(text):
        parts.append(Literal(text[at:]))
    return Joined(tuple(parts))


class _Reader:
    def __init__(self, text: str, at: int) -> None:
        self.text = text
        self.at = at

    def whole(self) -> Node:
        node = self.expression()
        if self.text[self.at :].strip():
            raise self._bad(f"nothing is due after {self.at} characters")
        return node

    def expression(self) -> Node:
        node = self._first()
        while (mark := self._peek()) in (".", "[", "?"):
            safe = mark == "?"
            if safe:
                self.expect("?")
            if self._peek() == ".":
                self.expect(".")
                node = Member(node, Literal(self._token("name")), safe)
            else:
                self.expect("[")
                node = Member(node, self.expression(), safe)
                self.expect("]")
        return node

    def expect(self, mark: str) -> None:
        if self._token("mark") != mark:
            raise self._bad(f"'{mark}' is due")

    def _first(self) -> Node:
        found = self._match()
        self.at = found.end()
        if (text := found["text"]) is not None:
            return Literal(text[1:-1].replace("''", "'"))
        if (number := found["number"]) is not None:
            return Literal(float(number) if "." in number else int(number))
        name = found["name"]
        if name is None:
            raise self._bad("a value or a function is due")
        if self._peek() == "(":
            return Function(name, self._arguments())
        if name.lower() in WORDS:
            return Literal(WORDS[name.lower()])
        raise self._bad(f"'{name}' is no value")

    def _arguments(self) -> tuple[Node, ...]:
        self.expect("(")
        given: list[Node] = []
        while self._peek() != ")":
            if given:
                self.expect(",")
            given.append(self.expression())
        self.expect(")")
        return tuple(given)

    def _token(self, kind: str) -> str:
        found = self._match()
        if found[kind] is None:
            raise self._bad(f"a {kind} is due")
        self.at = found.end()
        return str(found[kind])

    def _peek(self) -> str | None:
        found = TOKEN.match(self.text, self.at)
        return found["mark"] if found else None

    def _match(self) -> re.Match[str]:
        found = TOKEN.match(self.text, self.at)
        if found is None:
            raise self._bad("it ends too early" if not self.text[self.at :].strip() else "a strange character")
        return found

    def _bad(self, why: str) -> BadExpression:
        return BadExpression(f"{why}: {self.text[:200]}")
