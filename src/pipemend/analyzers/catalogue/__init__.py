"""The catalogue: which words, codes and numbers speak for which error type. Data, in the files beside this one."""

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import translate
from functools import cache, cached_property
from pathlib import Path
from typing import Any, TypeVar

from pipemend.core.playbook import ACTIONS, ERROR_TYPES
from pipemend.core.rca import Remediable, Severity

FOLDER = Path(__file__).parent

# How much a match is worth. A wrapper only says that something inside failed; a hint alone never starts anything.
STRENGTHS = {"exact": 90, "words": 70, "status": 62, "number": 60, "hint": 40, "wrapper": 15}
CODE = 80
STATUS = 62  # a bare HTTP status; one that came as the error code weighs more
FAMILY = 65  # a code that only fits a pattern such as *NotSupported*
SURE = 70
RETRY = {"data_factory": "retry_pipeline", "databricks": "retry_job"}
GAP = r"(?:[^.]|\.(?! )){0,120}?"
REACH = 140  # characters that a gap and what is around it may take
MOST_PLACES = 32
WHOLE = re.compile(r"(?<![a-z0-9])[a-z0-9]+(?=[^a-z0-9])|(?<![a-z0-9])[0-9]+$")


Key = TypeVar("Key")
Value = TypeVar("Value")


class CatalogueError(Exception):
    """A file of the catalogue makes no sense; the message names the entry."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows from an error type: for all its entries, unless one of them says otherwise."""

    error_type: str
    meaning: str
    transient: str
    remediable: Remediable
    action: str
    severity: Severity
    advice: tuple[str, ...]
    source: str

    def action_on(self, platform: str) -> str:
        """The action by name: `retry` means what the platform repeats."""
        return RETRY.get(platform, "retry_pipeline") if self.action == "retry" else self.action


@dataclass(frozen=True)
class Phrase:
    """Words to look for in lower-cased text, from where a word begins. `*` stands for up to 120 characters of the same
    sentence."""

    text: str
    pieces: tuple[str, ...] = field(compare=False)

    def last(self, low: str) -> tuple[int, int] | None:
        """Where it stands for the last time; of a piece that stands everywhere only the last places are tried."""
        if not all(piece in low for piece in self.pieces):
            return None
        end, piece = len(low), self.pieces[-1]
        for _ in range(MOST_PLACES):
            place = low.rfind(piece, 0, end)
            if place < 0:
                return None
            end = place + len(piece)
            if found := self._ending(low, end):
                return found
            end -= 1
        return None

    def _ending(self, low: str, end: int) -> tuple[int, int] | None:
        """The phrase that ends exactly there."""
        for found in self._pattern.finditer(low, max(0, end - self._length), end + 1):
            if found.end() == end:
                return found.span()
        return None

    @cached_property
    def _length(self) -> int:
        return sum(len(piece) for piece in self.pieces) + REACH * (len(self.pieces) - 1)

    @cached_property
    def whole_words(self) -> tuple[str, ...]:
        """The words that a text must hold as whole words: those with something behind them."""
        return tuple(dict.fromkeys(word for piece in self.pieces for word in WHOLE.findall(piece)))

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        # Compiled when first needed: most phrases never are, and a thousand of them take a while.
        return re.compile(GAP.join(_bounded(piece) for piece in self.pieces))


@dataclass(frozen=True)
class Entry:
    """One line of evidence and what it speaks for."""

    id: str
    verdict: Verdict
    weight: int
    code_weight: int
    platform: str | None = None
    phrases: tuple[Phrase, ...] = ()
    also: tuple[Phrase, ...] = ()
    unless: tuple[Phrase, ...] = ()
    not_in: tuple[str, ...] = ()

    @property
    def permanent(self) -> bool:
        return self.verdict.remediable is Remediable.NO

    def speaks_on(self, platform: str) -> bool:
        return self.platform is None or self.platform == platform

    def fits(self, low: str, context: str) -> bool:
        """Whether the words around allow it, and the kind of activity; both in small letters."""
        if any(word in context for word in self.not_in):
            return False
        if self.also and not any(phrase.last(low) for phrase in self.also):
            return False
        return not any(phrase.last(low) for phrase in self.unless)


@dataclass(frozen=True)
class Catalogue:
    """All entries, and where each word, code and number leads.

    `words` holds phrases by one whole word of theirs; `always` those that have none, `foreign` those beyond ASCII.
    """

    verdicts: Mapping[str, Verdict]
    entries: tuple[Entry, ...]
    words: Mapping[str, tuple[tuple[Phrase, Entry], ...]]
    always: tuple[tuple[Phrase, Entry], ...]
    foreign: tuple[tuple[Phrase, Entry], ...]
    codes: Mapping[str, tuple[Entry, ...]]
    families: tuple[tuple[str, re.Pattern[str], Entry], ...]
    numbers: Mapping[int, tuple[Entry, ...]]
    http: Mapping[int, tuple[Entry, ...]]
    sql: Mapping[int, tuple[Entry, ...]]
    states: Mapping[str, tuple[Entry, ...]]


@cache
def catalogue() -> Catalogue:
    """The built-in catalogue, read once. Raises CatalogueError."""
    return read(FOLDER)


def read(folder: Path) -> Catalogue:
    """The catalogue of a folder. Raises CatalogueError."""
    verdicts = {name: _verdict(name, fields) for name, fields in _toml(folder / "types.toml").items()}
    if set(verdicts) != ERROR_TYPES:
        raise CatalogueError(f"types.toml and the closed list differ: {sorted(set(verdicts) ^ ERROR_TYPES)}")
    tables = [table for file in sorted(folder.glob("*.toml")) for table in _toml(file).get("entry", ())]
    built = [(_entry(table, verdicts), table) for table in tables]
    ids = [entry.id for entry, _ in built]
    if len(set(ids)) != len(ids):
        raise CatalogueError(f"an id is used twice: {sorted({name for name in ids if ids.count(name) > 1})}")
    words, always, foreign = _by_word([(said, entry) for entry, _ in built for said in entry.phrases])
    return Catalogue(
        verdicts=verdicts,
        entries=tuple(entry for entry, _ in built),
        words=words,
        always=tuple(always),
        foreign=tuple(foreign),
        codes=_index((code, entry) for entry, table in built for code in table.get("codes", ()) if "*" not in code),
        families=tuple(
            (max(code.split("*"), key=len), re.compile(translate(code)), entry)
            for entry, table in built
            for code in table.get("codes", ())
            if "*" in code
        ),
        numbers=_index((number, entry) for entry, table in built for number in table.get("numbers", ())),
        http=_index((status, entry) for entry, table in built for status in table.get("http", ())),
        sql=_index((number, entry) for entry, table in built for number in table.get("sql", ())),
        states=_index((state, entry) for entry, table in built for state in table.get("sqlstate", ())),
    )


Pairs = Sequence[tuple[Phrase, Entry]]


def _by_word(pairs: Pairs) -> tuple[dict[str, tuple[tuple[Phrase, Entry], ...]], Pairs, Pairs]:
    """The phrases by their rarest whole word, so that few have to be tried on a text."""
    counts = Counter(word for said, _ in pairs for word in said.whole_words)
    ascii_pairs = [pair for pair in pairs if pair[0].text.isascii()]
    words = _index(
        (min(said.whole_words, key=lambda word: counts[word]), (said, entry))
        for said, entry in ascii_pairs
        if said.whole_words
    )
    return (
        words,
        tuple(pair for pair in ascii_pairs if not pair[0].whole_words),
        tuple(pair for pair in pairs if not pair[0].text.isascii()),
    )


def _index(pairs: Iterable[tuple[Key, Value]]) -> dict[Key, tuple[Value, ...]]:
    found: dict[Key, list[Value]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return {key: tuple(values) for key, values in found.items()}


def _toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CatalogueError(f"{file.name}: {error}") from None


KNOWN = {"id", "type", "strength", "weight", "platform", "phrases", "codes", "numbers", "http", "sql", "sqlstate"}
KNOWN |= {
    "also",
    "unless",
    "not_in",
}  # which words around an entry it needs, or forbids, in the text and in the context
OWN = {"transient", "remediable", "action", "severity", "advice", "source"}  # what an entry may say instead of its type


def _entry(table: Mapping[str, Any], verdicts: Mapping[str, Verdict]) -> Entry:
    name = table.get("id", "an entry without id")
    if unknown := set(table) - KNOWN - OWN:
        raise CatalogueError(f"{name}: unknown {', '.join(sorted(unknown))}")
    try:
        usual = verdicts[table["type"]]
        strength = table.get("strength", "words")
        own = {key: table[key] for key in OWN & set(table)}
        return Entry(
            id=table["id"],
            verdict=_changed(usual, own),
            weight=table.get("weight", STRENGTHS[strength]),
            # A code is a surer sign than words, unless the entry says what it is worth.
            code_weight=table.get("weight", CODE if strength == "words" else STRENGTHS[strength]),
            platform=table.get("platform"),
            phrases=_phrases([*table.get("phrases", ()), *_spoken(table.get("codes", ()))]),
            also=_phrases(table.get("also", ())),
            unless=_phrases(table.get("unless", ())),
            not_in=tuple(table.get("not_in", ())),
        )
    except (KeyError, ValueError) as error:
        raise CatalogueError(f"{name}: {error}") from None


def _spoken(codes: Iterable[str]) -> Iterator[str]:
    """Codes as people write them: METASTORE_COMPONENT_UNHEALTHY is told as `Metastore Component Unhealthy`, too."""
    for code in codes:
        if re.fullmatch(r"[A-Z0-9]+(_[A-Z0-9]+){2,}", code):
            yield code.replace("_", " ").lower()


def _changed(usual: Verdict, own: Mapping[str, Any]) -> Verdict:
    fields = {**{name: getattr(usual, name) for name in Verdict.__slots__}, **own}
    if own.get("remediable") == "no":
        fields["action"] = own.get("action", "none")
    return _verdict(usual.error_type, {name: value for name, value in fields.items() if name != "error_type"})


def _verdict(error_type: str, fields: Mapping[str, Any]) -> Verdict:
    read = Verdict(
        error_type=error_type,
        meaning=fields["meaning"],
        transient=fields["transient"],
        remediable=Remediable(fields["remediable"]),
        action=fields["action"],
        severity=Severity(fields["severity"]),
        advice=tuple(fields["advice"]),
        source=fields["source"],
    )
    if read.action not in ACTIONS | {"retry", "none"}:
        raise CatalogueError(f"{error_type}: unknown action {read.action}")
    if (read.remediable is Remediable.NO) != (read.action == "none"):
        raise CatalogueError(f"{error_type}: remediable no goes with action none, and only with it")
    return read


SHORT = re.compile(r"\b(is|are|was|were|does|do|did|has|have|could|would|should) not\b")


def _phrases(texts: Iterable[str]) -> tuple[Phrase, ...]:
    """Phrases as the catalogue writes them, and with short forms: `is not` is also found as `isn't`."""
    spellings = (
        spelling for text in texts for spelling in (text, SHORT.sub(r"\1n't", text), text.replace("cannot", "can't"))
    )
    return tuple(map(_phrase, dict.fromkeys(spellings)))


def _phrase(text: str) -> Phrase:
    pieces = tuple(piece.strip() for piece in text.lower().split("*"))
    return Phrase(text, tuple(piece for piece in pieces if piece))


def _bounded(piece: str) -> str:
    start = r"(?<![a-z0-9])" if re.match(r"[a-z0-9]", piece) else ""
    end = r"(?![0-9])" if re.search(r"[0-9]$", piece) else ""
    return f"{start}{re.escape(piece)}{end}"
