"""Explains failures by rules alone: no network, no model. What the catalogue does not know is Unclassified."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from pipemend.analyzers import sentences
from pipemend.analyzers.catalogue import FAMILY, STATUS, SURE, Entry, Phrase, Verdict, catalogue
from pipemend.analyzers.evidence import CODELIKE, Evidence, Fact, read
from pipemend.core.rca import UNCLASSIFIED, Diagnosis, Failure, Fault, History, Remediable

# A permanent cause wins over one that a repeat might heal, if it is at most so much weaker. The margin is wider where
# a machine would act at once, where a bare HTTP status is all that speaks for it, and where it is only quoted.
MARGINS = {Remediable.YES: 25, Remediable.CONDITIONAL: 15}
STATUS_MARGIN, QUOTED_MARGIN = 25, 50
WORDS_OF_A_CODE = 60  # the words in a name say less than the same words in a sentence
UNTOLD = 10  # so much less is a code worth that merely stands somewhere in the text
# A text that speaks to whoever reads it, instead of about a failure, starts nothing.
ADDRESSES_US = re.compile(
    r"auto_?heal|\bremediable\b|\b(?:ignore|disregard|forget|override)\b.{0,40}\b(?:instruction|prompt|rule|guardrail)s?\b"
    r"|\b(?:classify|mark|label|treat|report) (?:this|it|the error|this error) as\b|\bsystem prompt\b"
    r"|\byou (?:are|must|should) (?:an? )?(?:ai|assistant|model|agent|answer|respond|classify|retry)\b"
    r"|\bset (?:the )?error[_ ]type\b|\berror[_ ]type (?:is|to|=)"
)
MOST_FAULTS = 20
PLATFORMS = {"adf": "data_factory", "dbx": "databricks"}


@dataclass(frozen=True, slots=True)
class Match:
    """An entry that speaks: how loudly, by what kind of sign, and where in the text."""

    entry: Entry
    weight: int
    sign: str
    start: int
    end: int


class Rules:
    """The analyzer that is always there."""

    async def diagnose(self, failure: Failure, past: History) -> Diagnosis:
        """Explains the innermost fault that names a cause. Never raises."""
        return explain(failure)


def explain(failure: Failure) -> Diagnosis:
    """The diagnosis of a failure. A fault that no repeat can heal wins over others: the rerun would meet it again."""
    faults = failure.faults[:MOST_FAULTS] or (Fault(message=failure.message),)
    found = [_of_fault(failure.platform, fault) for fault in faults]
    known = [said for said in found if said.error_type != UNCLASSIFIED]
    if not known:
        return found[0]
    first = known[0]
    if first.remediable is Remediable.NO:
        return first
    return next((said for said in known if said.remediable is Remediable.NO and said.sure), first)


def _of_fault(platform: str, fault: Fault) -> Diagnosis:
    return classify(platform, fault.message, fault.code, fault.activity_type, activity=fault.activity)


def classify(
    platform: str | None,
    message: str | None,
    code: str | None = None,
    context: str | None = None,
    *,
    activity: str = "",
) -> Diagnosis:
    """What a message says, whatever its size and language. The same arguments give the same answer."""
    where = platform_name(platform)
    evidence = read(message or "", code or "")
    matches = sorted(
        _matches(where, evidence, (context or "").lower()), key=lambda match: (match.weight, match.end), reverse=True
    )
    return _diagnosis(where, evidence, matches, activity)


def platform_name(platform: str | None) -> str:
    """Our word for a platform; `adf` is Data Factory's."""
    name = (platform or "").strip().lower()
    return PLATFORMS.get(name, name) or "data_factory"


def _matches(platform: str, evidence: Evidence, context: str) -> Iterator[Match]:
    """The strongest sign of each entry that speaks."""
    best: dict[str, Match] = {}
    for match in (*_by_facts(evidence), *_by_phrases(evidence)):
        rival = best.get(match.entry.id)
        if rival is None or (match.weight, match.end) > (rival.weight, rival.end):
            best[match.entry.id] = match
    for match in best.values():
        if match.entry.speaks_on(platform) and match.entry.fits(evidence.low, context):
            yield match


def _by_facts(evidence: Evidence) -> Iterator[Match]:
    known = catalogue()
    for fact in evidence.codes:
        for entry, weight in _speakers(fact.value, fact.told):
            yield _match(entry, weight if fact.told else weight - UNTOLD, "code", fact, evidence)
        if fact.told and fact.number is not None:
            for entry in known.numbers.get(fact.number, ()):
                yield _match(entry, entry.weight, "number", fact, evidence)
    for fact in evidence.http:
        for entry in known.http.get(int(fact.value), ()):
            yield _match(entry, min(entry.weight, STATUS) + (13 if fact.told else 0), "status", fact, evidence)
    for fact in evidence.sql:
        for entry in known.sql.get(int(fact.value), ()):
            yield _match(entry, entry.weight + 5, "number", fact, evidence)


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


def _decide(matches: Sequence[Match], evidence: Evidence) -> Match:
    """The match that counts: the strongest, or a permanent cause close behind one that a repeat might heal."""
    first = matches[0]
    if first.entry.permanent:
        return first
    least = first.weight - _margin(first, evidence)
    return next((match for match in matches if match.weight >= least and _overrules(match, first)), first)


def _margin(match: Match, evidence: Evidence) -> int:
    if _quoted(match, evidence):
        return QUOTED_MARGIN
    return STATUS_MARGIN if match.sign == "status" else MARGINS[match.entry.verdict.remediable]


COMPLAINT = re.compile(r"(?:message|msg|error|errors|reason|cause|code|status|detail|description)[\"']?\s?[:=-]?\s?$")


def _quoted(match: Match, evidence: Evidence) -> bool:
    """Whether the words are all that stands between two quotation marks: a value, perhaps, and no complaint."""
    before, after = evidence.plain[max(0, match.start - 1) : match.start], evidence.plain[match.end : match.end + 2]
    if before not in ("'", '"', "`") or before not in after:
        return False
    return not COMPLAINT.search(evidence.low[max(0, match.start - 30) : match.start - 1])


def _overrules(match: Match, first: Match) -> bool:
    return match.entry.permanent and match.entry.verdict.error_type != first.entry.verdict.error_type


CONFIDENCE = {"code": 0.0, "number": 0.02, "status": -0.02, "words": 0.0}


def _diagnosis(platform: str, evidence: Evidence, matches: Sequence[Match], activity: str) -> Diagnosis:
    if not matches or matches[0].entry.verdict.error_type == UNCLASSIFIED:
        return _unclassified(evidence, activity)
    chosen = _decide(matches, evidence)
    verdict = chosen.entry.verdict
    addressed = verdict.remediable is not Remediable.NO and ADDRESSES_US.search(evidence.low) is not None
    remediable = Remediable.NO if addressed else verdict.remediable
    quote = _quote(evidence, chosen)
    rivals = sorted(
        {m.entry.verdict.error_type for m in matches if m.weight >= chosen.weight - 10} - {verdict.error_type}
    )
    return Diagnosis(
        error_type=verdict.error_type,
        remediable=remediable,
        severity=verdict.severity,
        root_cause=sentences.root_cause(meaning=verdict.meaning, quote=quote, activity=activity),
        recommendations=_advice(verdict),
        affected_entity=sentences.entity(evidence.plain[evidence.start :], *_inside(evidence, chosen)),
        confidence=_confidence(chosen, bool(rivals)),
        sure=chosen.weight >= SURE and not addressed,
        details={
            "entry": chosen.entry.id,
            "sign": chosen.sign,
            "quote": quote,
            "action": "none" if addressed else verdict.action_on(platform),
            "transient": verdict.transient,
            "source": verdict.source,
            "also": rivals,
        },
    )


def _unclassified(evidence: Evidence, activity: str) -> Diagnosis:
    verdict = catalogue().verdicts[UNCLASSIFIED]
    text = evidence.plain[evidence.start :]
    quote = sentences.quote(text, 0, min(len(text), sentences.LONGEST_QUOTE))
    return Diagnosis(
        error_type=UNCLASSIFIED,
        remediable=Remediable.NO,
        severity=verdict.severity,
        root_cause=sentences.root_cause(meaning=verdict.meaning, quote=quote, activity=activity, known=False),
        recommendations=_advice(verdict),
        confidence=0.3,
        sure=False,
        details={"entry": None, "quote": quote, "action": "none", "transient": verdict.transient},
    )


def _advice(verdict: Verdict) -> tuple[str, ...]:
    return (*verdict.advice, f"Read more: {verdict.source}")


def _inside(evidence: Evidence, match: Match) -> tuple[int, int]:
    return max(0, match.start - evidence.start), max(0, match.end - evidence.start)


def _quote(evidence: Evidence, match: Match) -> str:
    if match.end <= evidence.start:  # it came beside the text
        return evidence.codes[0].value if evidence.codes else ""
    return sentences.quote(evidence.plain[evidence.start :], *_inside(evidence, match))


def _confidence(match: Match, disputed: bool) -> float:
    return round(max(0.05, min(0.97, match.weight / 100 + CONFIDENCE[match.sign] - (0.1 if disputed else 0))), 2)


def build(settings: object) -> Rules:
    """The rules need no setting."""
    return Rules()
