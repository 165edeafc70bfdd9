"""How good the rules are: their answers beside labelled messages, in figures. Nothing here prints."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipemend.analyzers.rules import classify
from pipemend.core.errors import BadDelivery
from pipemend.core.rca import Diagnosis, Remediable

Line = Mapping[str, Any]
Classify = Callable[[Line], Diagnosis]
BINS = ((0.9, 1.01), (0.7, 0.9), (0.4, 0.7), (0.0, 0.4))


@dataclass(frozen=True, slots=True)
class Answer:
    """One labelled message and what was said of it."""

    label: Line
    said: Diagnosis

    @property
    def right(self) -> bool:
        return bool(self.said.error_type == self.label["error_type"])

    @property
    def defensible(self) -> bool:
        return self.right or self.said.error_type in (self.label.get("also_accept") or ())

    @property
    def may_be_repeated(self) -> bool:
        """What the label says."""
        return bool(self.label["remediable"] != "no")

    @property
    def would_be_repeated(self) -> bool:
        """What the rules say."""
        return self.said.remediable is not Remediable.NO

    @property
    def dangerous(self) -> bool:
        """Said yes, is no: the machine would repeat what cannot heal."""
        return self.said.remediable is Remediable.YES and not self.may_be_repeated

    @property
    def action(self) -> str:
        return str(self.said.details.get("action", "none"))


@dataclass(frozen=True, slots=True)
class Figures:
    """The answers to a set of messages, counted."""

    answers: tuple[Answer, ...]

    @property
    def strict(self) -> float:
        """Share with exactly the labelled error type."""
        return _share(answer.right for answer in self.answers)

    @property
    def lenient(self) -> float:
        """Share with the labelled error type or one that counts as defensible."""
        return _share(answer.defensible for answer in self.answers)

    @property
    def remediable_precision(self) -> float:
        return _share(answer.may_be_repeated for answer in self.answers if answer.would_be_repeated)

    @property
    def remediable_recall(self) -> float:
        return _share(answer.would_be_repeated for answer in self.answers if answer.may_be_repeated)

    @property
    def action(self) -> float:
        """Share with the labelled action, over the lines that name one."""
        return _share(answer.action == answer.label["action"] for answer in self.answers if answer.label.get("action"))

    @property
    def dangerous(self) -> tuple[Answer, ...]:
        return tuple(answer for answer in self.answers if answer.dangerous)

    @property
    def confusions(self) -> list[tuple[tuple[str, str], int]]:
        """Labelled type, given type and how often, the most frequent first."""
        return Counter(
            (str(answer.label["error_type"]), answer.said.error_type) for answer in self.answers if not answer.right
        ).most_common()

    @property
    def calibration(self) -> list[tuple[float, float, int, float, float]]:
        """By confidence, from and to: how many, their mean confidence, and the share that was defensible."""
        rows = []
        for low, high in BINS:
            there = [answer for answer in self.answers if low <= answer.said.confidence < high]
            if there:
                mean = sum(answer.said.confidence for answer in there) / len(there)
                rows.append((low, min(high, 1.0), len(there), mean, _share(answer.defensible for answer in there)))
        return rows

    def where(self, holds: Callable[[Line], bool]) -> "Figures":
        return Figures(tuple(answer for answer in self.answers if holds(answer.label)))


def by_rules(line: Line) -> Diagnosis:
    """What the rules say of a line: `platform`, `message`, `error_code`, `context`, any of them null or missing."""
    return classify(*(_text(line.get(name)) for name in ("platform", "message", "error_code", "context")))


def measure(lines: Iterable[Line], by: Classify = by_rules) -> Figures:
    return Figures(tuple(Answer(line, by(line)) for line in lines))


def labelled(path: Path) -> list[Line]:
    """The labelled lines of a file. Raises BadDelivery, which names the line."""
    return list(_labelled(path))


def _labelled(path: Path) -> Iterator[Line]:
    with path.open(encoding="utf-8") as file:
        for number, text in enumerate(file, 1):
            if text.strip():
                yield _checked(number, text)


def _checked(number: int, text: str) -> Line:
    try:
        line = json.loads(text)
    except ValueError as error:
        raise BadDelivery(f"line {number}: no JSON ({error})") from None
    if not isinstance(line, dict):
        raise BadDelivery(f"line {number}: must be an object")
    for name, allowed in (("error_type", None), ("remediable", [r.value for r in Remediable])):
        if not isinstance(line.get(name), str) or (allowed and line[name] not in allowed):
            raise BadDelivery(f"line {number}: {name} is missing or wrong", field=name)
    return line


def _text(value: object) -> str | None:
    return value if isinstance(value, str) or value is None else json.dumps(value, ensure_ascii=False)


def _share(values: Iterable[bool]) -> float:
    found: Sequence[bool] = list(values)
    return sum(found) / len(found) if found else 1.0
