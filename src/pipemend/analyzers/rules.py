"""Explains failures by rules alone: no network, no model. What the catalogue does not know is Unclassified."""

import re
from collections.abc import Sequence

from pipemend.analyzers import sentences
from pipemend.analyzers.catalogue import SURE, Verdict, catalogue
from pipemend.analyzers.evidence import Evidence, read
from pipemend.analyzers.fingerprint import fingerprint
from pipemend.analyzers.signs import Match, matches
from pipemend.core.rca import UNCLASSIFIED, Diagnosis, Failure, Fault, History, Remediable

# A permanent cause wins over one that a repeat might heal, if it is at most so much weaker. The margin is wider where
# a machine would act at once, where a bare HTTP status or a name somewhere in the text is all that speaks for it, and
# where it is only quoted.
MARGINS = {Remediable.YES: 25, Remediable.CONDITIONAL: 15}
STATUS_MARGIN, NAME_MARGIN, QUOTED_MARGIN = 25, 30, 50
# A text that speaks to whoever reads it, instead of about a failure, starts nothing.
ADDRESSES_US = re.compile(
    r"auto_?heal|\bremediable\b|\b(?:ignore|disregard|forget|override)\b.{0,40}\b(?:instruction|prompt|rule|guardrail)s?\b"
    r"|\b(?:classify|mark|label|treat|report) (?:this|it|the error|this error) as\b|\bsystem prompt\b"
    r"|\byou (?:are|must|should) (?:an? )?(?:ai|assistant|model|agent|answer|respond|classify|retry)\b"
    r"|\bset (?:the )?error[_ ]type\b|\berror[_ ]type (?:is|to|=)|\berror_type\b|\brules_suggest\b|\bguardrails?\b"
    r"|\b(?:label|mark|treat|classify|report) it\b|\bto the assistant\b|\bassistant:|\brerun is (?:safe|allowed)\b"
    r"|\bignorier\w{0,4} .{0,40}\banweisung|\bignor[ae]\w{0,3} .{0,40}\binstruc|忽略.{0,20}指[示令]|指示を無視"
)
SPARK = re.compile(r"databricks|dbutils|dbfs:|org\.apache\.spark|sparkexception|py4j|\bdelta_")
FACTORY = re.compile(r"operation on target|hybriddelivery|microsoft\.datatransfer|data ?factory|dataflow|errorcode=")
MOST_FAULTS = 20
PLATFORMS = {"adf": "data_factory", "dbx": "databricks"}


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
    evidence = read(message or "", code or "")
    where = platform_name(platform) or _platform_of(evidence.low)
    return _diagnosis(where, evidence, matches(where, evidence, context or ""), activity)


def platform_name(platform: str | None) -> str:
    """Our word for a platform; `adf` is Data Factory's."""
    name = (platform or "").strip().lower()
    return PLATFORMS.get(name, name)


def _platform_of(low: str) -> str:
    """The platform that a text sounds like."""
    return "databricks" if SPARK.search(low) and not FACTORY.search(low) else "data_factory"


def _decide(found: Sequence[Match], evidence: Evidence) -> Match:
    """The match that counts: the strongest, or a permanent cause close behind one that a repeat might heal."""
    first = found[0]
    if first.entry.permanent:
        return first
    least = first.weight - _margin(first, evidence)
    return next((match for match in found if match.weight >= least and _overrules(match, first)), first)


def _margin(match: Match, evidence: Evidence) -> int:
    if _quoted(match, evidence):
        return QUOTED_MARGIN
    return {"status": STATUS_MARGIN, "name": NAME_MARGIN}.get(match.sign, MARGINS[match.entry.verdict.remediable])


COMPLAINT = re.compile(r"(?:message|msg|error|errors|reason|cause|code|status|detail|description)[\"']?\s?[:=-]?\s?$")


def _quoted(match: Match, evidence: Evidence) -> bool:
    """Whether the words are all that stands between two quotation marks: a value, perhaps, and no complaint."""
    before, after = evidence.plain[max(0, match.start - 1) : match.start], evidence.plain[match.end : match.end + 2]
    if before not in ("'", '"', "`") or before not in after:
        return False
    return not COMPLAINT.search(evidence.low[max(0, match.start - 30) : match.start - 1])


def _overrules(match: Match, first: Match) -> bool:
    return match.entry.permanent and match.entry.verdict.error_type != first.entry.verdict.error_type


CONFIDENCE = {"code": 0.0, "name": 0.0, "number": 0.02, "status": -0.02, "words": 0.0}


def _diagnosis(platform: str, evidence: Evidence, found: Sequence[Match], activity: str) -> Diagnosis:
    if not found or found[0].entry.verdict.error_type == UNCLASSIFIED:
        return _unclassified(platform, evidence, activity)
    chosen = _decide(found, evidence)
    verdict = chosen.entry.verdict
    addressed = verdict.remediable is not Remediable.NO and ADDRESSES_US.search(evidence.low) is not None
    remediable = Remediable.NO if addressed else verdict.remediable
    quote = _quote(evidence, chosen)
    rivals = sorted(
        {m.entry.verdict.error_type for m in found if m.weight >= chosen.weight - 10} - {verdict.error_type}
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
        fingerprint=fingerprint(platform, verdict.error_type, evidence),
        details={
            "entry": chosen.entry.id,
            "sign": chosen.sign,
            "quote": quote,
            "action": "none" if addressed else verdict.action_on(platform),
            "transient": verdict.transient,
            "addressed": addressed,
            "source": verdict.source,
            "also": rivals,
        },
    )


def _unclassified(platform: str, evidence: Evidence, activity: str) -> Diagnosis:
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
        fingerprint=fingerprint(platform, UNCLASSIFIED, evidence),
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
