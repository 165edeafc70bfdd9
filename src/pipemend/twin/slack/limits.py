"""What Slack takes as blocks. Each complaint is worded as Slack words it."""

from collections.abc import Callable, Iterator
from typing import Any

MAX_BLOCKS = 50
MAX_TEXT = 40_000
MAX_IN_ALL = 13_200
Block = dict[str, Any]


def complaints(blocks: Any) -> list[str]:
    """What is wrong with these blocks; nothing when Slack would take them."""
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        return ["[ERROR] must be a list of objects [json-pointer:/blocks]"]
    found = [_too_many("/blocks", MAX_BLOCKS)] if len(blocks) > MAX_BLOCKS else []
    for n, block in enumerate(blocks):
        found += _block(block, f"/blocks/{n}")
    return found


def text_in_all(value: Any) -> int:
    """The characters of all texts in the blocks, which have a limit that is not documented."""
    if isinstance(value, list):
        return sum(text_in_all(item) for item in value)
    if not isinstance(value, dict):
        return 0
    return sum(len(v) if k == "text" and isinstance(v, str) else text_in_all(v) for k, v in value.items())


def _block(block: Block, at: str) -> Iterator[str]:
    check = _BLOCKS.get(str(block.get("type")))
    if check is None:
        yield f"[ERROR] unsupported type: {block.get('type')} [json-pointer:{at}/type]"
        return
    yield from _length(block.get("block_id"), f"{at}/block_id", 255)
    yield from check(block, at)


def _header(block: Block, at: str) -> Iterator[str]:
    yield from _text(block.get("text"), f"{at}/text", 150, kinds=("plain_text",))


def _section(block: Block, at: str) -> Iterator[str]:
    text, fields = block.get("text"), _items(block.get("fields"))
    if text is None and not fields:
        yield f"[ERROR] missing required field: text or fields [json-pointer:{at}]"
    if text is not None:
        yield from _text(text, f"{at}/text", 3000)
    if len(fields) > 10:
        yield _too_many(f"{at}/fields", 10)
    for n, field in enumerate(fields):
        yield from _text(field, f"{at}/fields/{n}", 2000)
    if block.get("accessory"):
        yield from _element(block["accessory"], f"{at}/accessory")


def _actions(block: Block, at: str) -> Iterator[str]:
    elements = _items(block.get("elements"))
    if not elements:
        yield f"[ERROR] no more than 25 and at least 1 items allowed [json-pointer:{at}/elements]"
    if len(elements) > 25:
        yield _too_many(f"{at}/elements", 25)
    for n, element in enumerate(elements):
        yield from _element(element, f"{at}/elements/{n}")


def _context(block: Block, at: str) -> Iterator[str]:
    elements = _items(block.get("elements"))
    if not 1 <= len(elements) <= 10:
        yield _too_many(f"{at}/elements", 10)
    for n, element in enumerate(elements):
        if not isinstance(element, dict) or element.get("type") != "image":
            yield from _text(element, f"{at}/elements/{n}", 3000)


def _markdown(block: Block, at: str) -> Iterator[str]:
    if not block.get("text"):
        yield f"[ERROR] must be more than 0 characters [json-pointer:{at}/text]"
    yield from _length(block.get("text"), f"{at}/text", 12_000)


def _element(element: Any, at: str) -> Iterator[str]:
    if not isinstance(element, dict):
        yield f"[ERROR] must be an object [json-pointer:{at}]"
        return
    yield from _length(element.get("action_id"), f"{at}/action_id", 255)
    if element.get("type") == "button":
        yield from _text(element.get("text"), f"{at}/text", 75, kinds=("plain_text",))
        yield from _length(element.get("value"), f"{at}/value", 2000)
        yield from _length(element.get("url"), f"{at}/url", 3000)


def _text(text: Any, at: str, most: int, kinds: tuple[str, ...] = ("plain_text", "mrkdwn")) -> Iterator[str]:
    if not isinstance(text, dict):
        yield f"[ERROR] missing required field: text [json-pointer:{at}]"
        return
    if text.get("type") not in kinds:
        yield f"[ERROR] unsupported type: {text.get('type')} [json-pointer:{at}/type]"
    if not text.get("text"):
        yield f"[ERROR] must be more than 0 characters [json-pointer:{at}/text]"
    yield from _length(text.get("text"), f"{at}/text", most)


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _length(value: Any, at: str, most: int) -> Iterator[str]:
    if value is not None and len(str(value)) > most:
        yield f"[ERROR] must be less than {most + 1} characters [json-pointer:{at}]"


def _too_many(at: str, most: int) -> str:
    return f"[ERROR] no more than {most} items allowed [json-pointer:{at}]"


def _anything(_: Block, __: str) -> Iterator[str]:
    yield from ()


_BLOCKS: dict[str, Callable[[Block, str], Iterator[str]]] = {
    "header": _header,
    "section": _section,
    "actions": _actions,
    "context": _context,
    "markdown": _markdown,
    "divider": _anything,
    "image": _anything,
    "rich_text": _anything,
    "table": _anything,
}
