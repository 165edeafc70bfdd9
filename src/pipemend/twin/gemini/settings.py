"""How the model is told to behave, and what it was asked."""

from dataclasses import dataclass, field
from typing import Any

KEY = "twin-gemini-key"
PLAIN = (
    "normal",
    "max_tokens",
    "no_parts",
    "blocked",
    "safety",
    "quota",
    "html",
    "wrong_json",
    "fenced",
    "unavailable",
)


class BadBehaviour(ValueError):
    """There is no such behaviour; the message lists those there are."""


@dataclass(frozen=True)
class GeminiSettings:
    """`answer` overrules single fields of the answer; with `models` set no others exist."""

    behaviour: str = "normal"
    answer: dict[str, Any] = field(default_factory=dict)
    models: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        kind, number = self.parts()
        if kind not in PLAIN and not (kind == "slow" and number):
            raise BadBehaviour(f"behaviour: one of {', '.join(PLAIN)}, slow:N")

    def parts(self) -> tuple[str, float]:
        kind, _, number = self.behaviour.partition(":")
        try:
            return kind, float(number or 0)
        except ValueError as wrong:
            raise BadBehaviour(f"behaviour: '{number}' is no number of seconds") from wrong


class Model:
    def __init__(self) -> None:
        self.settings = GeminiSettings()
        self.asked: list[dict[str, Any]] = []
