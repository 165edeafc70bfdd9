"""Block Kit within Slack's limits. Text from outside cannot ping anybody, forge a link or break the layout."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipemend.core.handover import Line
from pipemend.notifiers.phrases import HANDOVER, Fact, clean, cut, dashboard_links, one_line, units

Block = Mapping[str, Any]
Blocks = Sequence[Block]

# https://docs.slack.dev/reference/block-kit/blocks
HEADER, SECTION, FIELD, FIELDS, URL = 150, 3000, 2000, 10, 3000
MENTION = re.compile("[USW][A-Z0-9]{6,20}")
LINK = 800  # characters of an address within a text
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


def mentions(ids: Sequence[str]) -> Blocks:
    """Calls users (U…, W…) and groups (S…) by their ids; nothing where nobody is to be called.

    https://docs.slack.dev/messaging/formatting-message-text#mentioning-users
    """
    known = [one for one in ids if MENTION.fullmatch(one)]
    called = " ".join(f"<!subteam^{one}>" if one.startswith("S") else f"<@{one}>" for one in known)
    return (section(called),) if called else ()


def link(says: str, address: str | None) -> str:
    """The words as a link, where the address is one that Slack's marks can hold."""
    fits = address and len(address) <= LINK and address.isprintable() and not set(address) & set("|<> ")
    return f"<{escape(address or '')}|{plain(one_line(says), 100)}>" if fits else ""


def link_buttons(links: Iterable[Fact], style: str | None = None) -> Sequence[Block]:
    """A button for each link, the first one in the style; nothing where there are none."""
    found = [_link_button(says, address) for says, address in links if len(address) <= URL]
    if found and style:
        found[0]["style"] = style
    return ({"type": "actions", "elements": found},) if found else ()


def dashboard_button(address: str | None, style: str | None = None) -> Sequence[Block]:
    """A button to the dashboard, or nothing where there is none."""
    return link_buttons(dashboard_links(address), style)


def _link_button(says: str, address: str) -> dict[str, Any]:
    return {"type": "button", "text": {"type": "plain_text", "text": cut(says, 75)}, "url": address}


def handed_over(lines: Iterable[Line]) -> Blocks:
    """The lines of a handover, a few in each section."""
    texts = [f"*{HANDOVER}*", *(_handover_line(line) for line in lines)]
    sections: list[list[str]] = [[]]
    for text in texts:
        if units("\n".join((*sections[-1], text))) > SECTION:
            sections.append([])
        sections[-1].append(text)
    return tuple(section("\n".join(some)) for some in sections) if len(texts) > 1 else ()


def _handover_line(line: Line) -> str:
    opens = link("open", line.link)
    return f"*{line.label}:* {plain(one_line(line.says), 400) or '-'}{f' ({opens})' if opens else ''}"


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
