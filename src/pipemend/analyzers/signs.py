"""The signs in a text: which entries of the catalogue speak, how loudly, and where."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from pipemend.analyzers.catalogue import FAMILY, STATUS, Entry, Phrase, catalogue
from pipemend.analyzers.evidence import CODELIKE, Evidence, Fact

WORDS_OF_A_CODE = 60  # the words in a name say less than the same words in a sentence
UNTOLD = 10  # so much less is a code worth that merely stands somewhere in the text
TOLD_STATUS = 13  # so much more is a status worth that came as the error code
NUMBER = 5  # and a number of a database


@dataclass(frozen=True, slots=True)
class Match:
    """An entry that speaks: how loudly, by what kind of sign, and where in the text."""

    entry: Entry
    weight: int
    sign: str
    start: int
    end: int


def matches(platform: str, evidence: Evidence, context: str) -> list[Match]:
    """The strongest sign of each entry that speaks, the one that counts first; `context` is the kind of activity."""
    best: dict[str, Match] = {}
    for match in (*_by_facts(evidence), *_by_phrases(evidence)):
        rival = best.get(match.entry.id)
        if rival is None or (match.weight, match.end) > (rival.weight, rival.end):
            best[match.entry.id] = match
    low = context.lower()
    speaking = [m for m in best.values() if m.entry.speaks_on(platform) and m.entry.fits(evidence.low, low)]
    return sorted(speaking, key=lambda match: (match.weight, match.end, match.start, match.entry.id), reverse=True)


def _by_facts(evidence: Evidence) -> Iterator[Match]:
    known = catalogue()
    for fact in evidence.codes:
        for entry, weight in _speakers(fact.value, fact.told):
            sign = "code" if fact.told else "name"
            yield _match(entry, weight if fact.told else weight - UNTOLD, sign, fact, evidence)
        if fact.told and fact.number is not None:
            for entry in known.numbers.get(fact.number, ()):
                yield _match(entry, entry.weight, "number", fact, evidence)
    for fact in evidence.http:
        for entry in known.http.get(int(fact.value), ()):
            yield _match(entry, min(entry.weight, STATUS) + (TOLD_STATUS if fact.told else 0), "status", fact, evidence)
    for fact in evidence.sql:
        for entry in known.sql.get(int(fact.value), ()):
            yield _match(entry, entry.weight + NUMBER, "number", fact, evidence)
    for fact in evidence.states:
        # The class speaks where nobody knows the state itself.
        for entry in known.states.get(fact.value) or known.states.get(fact.value[:2], ()):
            yield _match(entry, entry.weight, "number", fact, evidence)


def _match(entry: Entry, weight: int, sign: str, fact: Fact, evidence: Evidence) -> Match:
    return Match(entry, weight, sign, evidence.start + fact.start, evidence.start + fact.end)


@lru_cache(8192)
def _speakers(code: str, told: bool) -> Sequence[tuple[Entry, int]]:
    """Who knows this code. A plain word such as `Conflict` is a code only where it is told as one."""
    if not told and not CODELIKE.search(code):
        return ()
    known = catalogue()
    exact = [(entry, entry.code_weight) for entry in known.codes.get(code, ())]
    if exact:
        return exact
    # In a code the last word says what is wrong: SkipForbiddenFileNotSupported is not about a right that is missing.
    fitting = [(code.rfind(part), entry) for part, pattern, entry in known.families if pattern.match(code)]
    last = max((place for place, _ in fitting), default=-1)
    return [(entry, min(FAMILY, entry.code_weight)) for place, entry in fitting if place == last]


def _by_phrases(evidence: Evidence) -> Iterator[Match]:
    spans: dict[str, tuple[Entry, list[tuple[int, int]]]] = {}
    for phrase, entry in _likely(evidence.low):
        if span := phrase.last(evidence.low):
            spans.setdefault(entry.id, (entry, []))[1].append(span)
    for entry, found in spans.values():
        start, end = max(found, key=lambda span: (span[0] >= evidence.start, span[1] - span[0], span[1]))
        in_code = start < evidence.start
        yield Match(entry, min(entry.weight, WORDS_OF_A_CODE) if in_code else entry.weight, "words", start, end)


WORD = re.compile(r"[a-z0-9]+")


def _likely(low: str) -> Iterator[tuple[Phrase, Entry]]:
    """The phrases that can stand in the text, judged by the words it holds."""
    known = catalogue()
    for word in set(WORD.findall(low)):
        yield from known.words.get(word, ())
    yield from known.always
    if not low.isascii():
        yield from known.foreign
