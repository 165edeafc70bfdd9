"""The original message of a ticket, as we stored it: it is edited from here and never read back."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pipemend.core.ports import Receipt
from pipemend.notifiers.slack.blocks import Blocks, fitting
from pipemend.notifiers.slack.messages import Telling, status_block

HEAD = 2  # header and facts; the status line comes below them


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """Where the message is and what it shows: `above`, then the analysis as first told, with a status line."""

    channel: str
    ts: str
    text: str
    first: Blocks
    above: Blocks = ()
    line: str = ""
    buttons: Blocks = ()

    @classmethod
    def of(cls, receipt: Receipt | None) -> "Original | None":
        """From the receipt of an earlier telling, or nothing when there is none of ours."""
        place: Mapping[str, Any] = receipt.place if receipt else {}
        if not place.get("channel") or not place.get("ts"):
            return None
        texts = {name: str(place.get(name) or "") for name in ("channel", "ts", "text", "line")}
        first, above, shown = (tuple(place.get(name) or ()) for name in ("first", "above", "buttons"))
        return cls(**texts, first=first, above=above, buttons=shown)

    def receipt(self) -> Receipt:
        return Receipt(
            {
                "channel": self.channel,
                "ts": self.ts,
                "text": self.text,
                "line": self.line,
                "first": list(self.first),
                "above": list(self.above),
                "buttons": list(self.buttons),
            }
        )

    def after(self, told: Telling) -> "Original":
        """The message as an event leaves it."""
        changes = {name: getattr(told, name) for name in ("line", "text", "above", "first")}
        return replace(self, **{name: value for name, value in changes.items() if value is not None})

    def blocks(self) -> Blocks:
        """What is shown. A success speaks for itself: it has no status line."""
        if self.above:
            return fitting([*self.above, *self.first])
        line = (status_block(self.line),) if self.line else ()
        return fitting([*self.first[:HEAD], *line, *self.buttons, *self.first[HEAD:]])
