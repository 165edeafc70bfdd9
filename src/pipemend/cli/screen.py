"""What commands print: tables and lines in colours, where a terminal shows them. Text from outside stays text."""

import sys
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipemend.core.clock import moment
from pipemend.core.spans import NOTHING, rough
from pipemend.notifiers.phrases import clean, one_line

WIDE = 200  # characters of a line that no terminal limits
TONES = {
    "healing": "blue",
    "healed": "green",
    "escalated": "red",
    "failed": "red",
    "approval": "yellow",
    "quiet": "dim",
    "open": "bold",
}


def console() -> Console:
    return Console(width=None if sys.stdout.isatty() else WIDE, highlight=False)


def say(out: Console, words: Text) -> None:
    """A line that the terminal breaks, if it must: links stay whole."""
    out.print(words, soft_wrap=True)


def text(value: object, style: str = "") -> Text:
    """One line. Neither marks nor control characters of the value do anything to the terminal."""
    return Text(one_line("" if value is None else value) or NOTHING, style)


def block(value: object, style: str = "") -> Text:
    """Several lines, as harmless."""
    return Text(clean("" if value is None else value) or NOTHING, style)


def state(ticket: dict[str, Any]) -> Text:
    """The badge, else the tab."""
    badge = ticket["badge"]
    if badge and ticket["tab"] != "closed":
        return text(badge["text"], TONES.get(badge["tone"], ""))
    return text(ticket["tab"].replace("_", " ").capitalize(), "dim" if ticket["tab"] == "closed" else "")


def ago(at: str | None) -> str:
    when = moment(at) if at else None
    return rough((datetime.now(UTC) - when).total_seconds()) if when else NOTHING


def table(*names: str) -> Table:
    return Table(*names, box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
