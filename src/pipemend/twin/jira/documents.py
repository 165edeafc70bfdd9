"""Atlassian's document format: what Jira takes, and its text."""

from collections.abc import Iterator
from typing import Any

from ..wire import within

INLINE = frozenset({"text", "hardBreak", "mention", "emoji", "inlineCard", "date", "status"})
LISTS = frozenset({"bulletList", "orderedList"})
SIMPLE = frozenset({"paragraph", "heading", "codeBlock", "rule", "taskList"}) | LISTS
BLOCKS = SIMPLE | {"panel", "blockquote", "table", "expand", "mediaSingle", "mediaGroup", "blockCard"}
TEXT = frozenset({"text"})
CONTENT: dict[str, frozenset[str]] = {
    "doc": BLOCKS,
    "paragraph": INLINE,
    "heading": INLINE,
    "codeBlock": TEXT,
    "bulletList": frozenset({"listItem"}),
    "orderedList": frozenset({"listItem"}),
    "listItem": frozenset({"paragraph", "codeBlock", "mediaSingle"}) | LISTS,
    "panel": SIMPLE - {"codeBlock"} | {"codeBlock", "blockCard"},
    "blockquote": frozenset({"paragraph", "codeBlock"}) | LISTS,
    "expand": SIMPLE | {"panel", "blockquote", "table"},
    "table": frozenset({"tableRow"}),
    "tableRow": frozenset({"tableHeader", "tableCell"}),
    "tableHeader": SIMPLE | {"panel", "blockquote"},
    "tableCell": SIMPLE | {"panel", "blockquote"},
    "taskList": frozenset({"taskItem", "taskList"}),
    "taskItem": INLINE,
    "mediaSingle": frozenset({"media"}),
    "mediaGroup": frozenset({"media"}),
}
NEEDED: dict[str, tuple[str, ...]] = {
    "heading": ("level",),
    "panel": ("panelType",),
    "mention": ("id",),
    "emoji": ("shortName",),
    "inlineCard": ("url",),
    "status": ("text", "color"),
    "date": ("timestamp",),
}
PANELS = ("info", "note", "tip", "warning", "error", "success", "custom")
MARKS = ("strong", "em", "code", "link", "strike", "underline", "subsup", "textColor", "backgroundColor")
LONGEST = 32_767


def document(text: str) -> dict[str, Any]:
    """A document of one paragraph."""
    content = [{"type": "text", "text": text}] if text else []
    return {"type": "doc", "version": 1, "content": [{"type": "paragraph", "content": content}]}


def flaw(document: Any) -> str | None:
    """What Jira would not take about the document; None when it would."""
    if not isinstance(document, dict) or document.get("type") != "doc" or document.get("version") != 1:
        return "not a document of version 1"
    if not isinstance(document.get("content"), list):
        return "a document needs content"
    if len(plain(document)) > LONGEST:
        return f"longer than {LONGEST} characters"
    return next(_flaws(document), None)


def _flaws(node: dict[str, Any]) -> Iterator[str]:
    kind = str(node.get("type"))
    attributes = within(node, "attrs")
    yield from (f"{kind} without {name}" for name in NEEDED.get(kind, ()) if name not in attributes)
    if kind == "panel" and attributes.get("panelType") not in PANELS:
        yield f"no panel is of type {attributes.get('panelType')}"
    if kind == "heading" and attributes.get("level") not in range(1, 7):
        yield "a heading has level 1 to 6"
    if kind == "text":
        yield from _text_flaws(node)
    content = node.get("content") or []
    for child in content if isinstance(content, list) else [None]:
        inner = child.get("type") if isinstance(child, dict) else None
        if isinstance(child, dict) and inner in CONTENT.get(kind, frozenset()):
            yield from _flaws(child)
        else:
            yield f"{inner} inside {kind}"


def _text_flaws(node: dict[str, Any]) -> Iterator[str]:
    if not isinstance(node.get("text"), str) or not node["text"]:
        yield "an empty text"
    marks = node.get("marks") or []
    for mark in marks if isinstance(marks, list) else [marks]:
        kind = mark.get("type") if isinstance(mark, dict) else None
        if kind not in MARKS:
            yield f"no mark is of type {kind}"
        elif kind == "link" and not within(mark, "attrs").get("href"):
            yield "a link without href"


def plain(node: Any) -> str:
    """The text of a document, a line for each block."""
    if not isinstance(node, dict):
        return ""
    if node.get("type") == "text":
        return str(node.get("text", ""))
    if node.get("type") == "hardBreak":
        return "\n"
    content = node.get("content")
    parts = [plain(child) for child in content] if isinstance(content, list) else []
    inline = node.get("type") in ("paragraph", "heading", "codeBlock", "taskItem")
    return ("" if inline else "\n").join(parts)
