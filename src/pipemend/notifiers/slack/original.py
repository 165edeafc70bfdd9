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

    @classmethod
    def of(cls, receipt: Receipt | None) -> "Original | None":
        """From the receipt of an earlier telling, or nothing when there is none of ours."""
        place: Mapping[str, Any] = receipt.place if receipt else {}
        if not place.get("channel") or not place.get("ts"):
            return None
        kept = {name: place[name] for name in cls.__slots__ if name in place}
        return cls(**{**kept, "first": tuple(kept["first"]), "above": tuple(kept["above"])})

    def receipt(self) -> Receipt:
        lists = {"first": list(self.first), "above": list(self.above)}
        return Receipt({**{name: getattr(self, name) for name in self.__slots__}, **lists})

    def after(self, told: Telling) -> "Original":
        """The message as an event leaves it."""
        changes = {name: getattr(told, name) for name in ("line", "text", "above", "first")}
        return replace(self, **{name: value for name, value in changes.items() if value is not None})

    def blocks(self) -> Blocks:
        """What is shown. A success speaks for itself: it has no status line."""
        if self.above or not self.line:
            return fitting([*self.above, *self.first])
        return fitting([*self.first[:HEAD], status_block(self.line), *self.first[HEAD:]])
