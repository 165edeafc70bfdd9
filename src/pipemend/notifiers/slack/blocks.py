"""Block Kit within Slack's limits. Text from outside cannot ping anybody, forge a link or break the layout."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipemend.notifiers.phrases import Fact, clean, cut, one_line, units

Block = Mapping[str, Any]
Blocks = Sequence[Block]

# https://docs.slack.dev/reference/block-kit/blocks
HEADER, SECTION, FIELD, FIELDS, URL = 150, 3000, 2000, 10, 3000
BLOCKS = 50
# Not documented: above about 13 200 characters of block text in all Slack answers `msg_blocks_too_long`.
ALL_TEXT = 12_000
NOTIFICATION = 3000

ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def escape(text: str) -> str:
    """https://docs.slack.dev/messaging/formatting-message-text#escaping"""
    return "".join(ENTITIES.get(char, char) for char in text)


def plain(text: object, limit: int = SECTION) -> str:
    """Text from outside as mrkdwn of at most `limit` characters; entities are never cut in half."""
    return escape(cut(clean(text), limit, _cost))


def code(text: object, limit: int = 300) -> str:
    """A code span. A backtick would end it."""
    return f"`{plain(one_line(text).replace('`', 'ˋ'), limit - 2) or '?'}`"


def code_block(text: object, limit: int) -> str:
    return f"```{plain(clean(text).replace('```', 'ˋˋˋ'), limit - 6)}```"


def header(text: str) -> Block:
    return {"type": "header", "text": {"type": "plain_text", "text": cut(one_line(text), HEADER), "emoji": True}}


def section(markdown: str) -> Block:
    return {"type": "section", "text": _mrkdwn(markdown)}


def facts(pairs: Iterable[Fact], as_code: Sequence[str] = ()) -> Block:
    """Names and values in two columns; those named in `as_code` are shown as code."""
    fields = [
        _mrkdwn(f"*{name}:*\n{code(value) if name in as_code else plain(one_line(value), 300) or '-'}")
        for name, value in pairs
    ]
    return {"type": "section", "fields": fields[:FIELDS]}


def context(markdown: str) -> Block:
    return {"type": "context", "elements": [_mrkdwn(markdown)]}


def divider() -> Block:
    return {"type": "divider"}


def dashboard_button(link: str | None, style: str | None = None) -> Sequence[Block]:
    """A button to the ticket, or nothing where there is no dashboard."""
    if not link or len(link) > URL:
        return ()
    button: dict[str, Any] = {
        "type": "button",
        "text": {"type": "plain_text", "text": "View in Dashboard"},
        "url": link,
    }
    if style:
        button["style"] = style
    return ({"type": "actions", "elements": [button]},)


def fitting(blocks: Blocks) -> Blocks:
    """As many blocks from the top as Slack takes in one message."""
    kept: list[Block] = []
    room = ALL_TEXT
    for block in blocks[:BLOCKS]:
        room -= size(block)
        if room < 0:
            break
        kept.append(block)
    return tuple(kept)


def size(block: object) -> int:
    """The characters of text in a block."""
    if isinstance(block, Mapping):
        own = block.get("text")
        return (units(own) if isinstance(own, str) else 0) + sum(size(part) for part in block.values())
    return sum(size(part) for part in block) if isinstance(block, list | tuple) else 0


def _mrkdwn(text: str) -> Block:
    # `verbatim`: Slack adds no links and mentions of its own to what it finds in the text.
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _cost(char: str) -> int:
    return units(ENTITIES.get(char, char))
