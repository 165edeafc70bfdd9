"""Atlassian's document format, as far as we write it. An empty text node is refused, so none is made.

https://developer.atlassian.com/cloud/jira/platform/apis/document/structure/
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pipemend.notifiers.phrases import clean, cut

Node = Mapping[str, Any]
SPACE: Node = {"type": "text", "text": " "}


def document(*blocks: Node) -> Node:
    return {"type": "doc", "version": 1, "content": list(blocks)}


def text(value: object, *marks: Node, limit: int = 8000) -> Node:
    node: dict[str, Any] = {"type": "text", "text": cut(clean(value), limit) or "-"}
    if marks:
        node["marks"] = list(marks)
    return node


def strong(value: object) -> Node:
    return text(value, {"type": "strong"})


def small_print(value: object) -> Node:
    return text(value, {"type": "em"})


def link(value: str, address: str) -> Node:
    return text(value, {"type": "link", "attrs": {"href": address}})


def spaced(*inline: Node) -> Node:
    """One paragraph, with a space between its parts."""
    parts = [part for node in inline for part in (SPACE, node)]
    return paragraph(*parts[1:])


def paragraph(*inline: Node) -> Node:
    return {"type": "paragraph", "content": list(inline)}


def lines(values: Iterable[str]) -> Node:
    """One paragraph of several lines."""
    inline: list[Node] = []
    for value in values:
        inline += [{"type": "hardBreak"}, text(value)] if inline else [text(value)]
    return paragraph(*inline)


def heading(value: str, level: int = 3) -> Node:
    return {"type": "heading", "attrs": {"level": level}, "content": [text(value, limit=500)]}


def bullets(values: Sequence[str], limit: int = 500) -> Node:
    items = [{"type": "listItem", "content": [paragraph(text(value, limit=limit))]} for value in values]
    return {"type": "bulletList", "content": items}


def code_block(value: str, limit: int) -> Node:
    return {"type": "codeBlock", "content": [text(value, limit=limit)]}


def panel(kind: str, *blocks: Node) -> Node:
    """A coloured frame: `info`, `success`, `warning` or `error`."""
    return {"type": "panel", "attrs": {"panelType": kind}, "content": list(blocks)}


def all_text(node: object) -> str:
    """The text of a document without its spaces and marks: what Jira changes when it keeps one."""
    if isinstance(node, list):
        return "".join(all_text(part) for part in node)
    if not isinstance(node, Mapping):
        return ""
    own = node.get("text")
    return "".join(own.split()) if isinstance(own, str) else all_text(node.get("content"))


def paragraphs(node: object) -> Iterator[str]:
    """The text of each paragraph of a document, read with care: anybody may have written it."""
    if not isinstance(node, Mapping):
        return
    content = node.get("content")
    parts = content if isinstance(content, list) else []
    if node.get("type") == "paragraph":
        yield "".join(str(part.get("text", "\n")) for part in parts if isinstance(part, Mapping))
        return
    for part in parts:
        yield from paragraphs(part)
