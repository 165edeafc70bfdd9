"""The answer: closed lists where we act on a word, and quotes that must stand in the evidence."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field

from pipemend.core.errors import Unreadable
from pipemend.core.playbook import ERROR_TYPES
from pipemend.core.rca import Diagnosis, Remediable, Severity
from pipemend.core.scrub import scrub

CONFIDENCES = {"Low": 0.3, "Medium": 0.55, "High": 0.8, "Very High": 0.95}
SHORTEST_QUOTE = 4  # letters and digits


def _known(error_type: str) -> str:
    if error_type not in ERROR_TYPES:
        raise ValueError("not an error type of the list")
    return error_type


ErrorType = Annotated[str, AfterValidator(_known), Field(json_schema_extra={"enum": sorted(ERROR_TYPES)})]
Text = Annotated[str, Field(min_length=1, max_length=2000)]
Quote = Annotated[str, Field(min_length=1, max_length=500)]


class Claim(BaseModel):
    """A fact, and the words of the evidence that show it."""

    quote: Quote
    says: Text


class RootCause(BaseModel):
    """The model's answer: the fields of a root cause analysis."""

    quote: Quote
    root_cause: Text
    error_type: ErrorType
    affected_entity: Annotated[str, Field(max_length=500)]
    severity: Literal["Critical", "High", "Medium", "Low"]
    priority: Literal["P1", "P2", "P3", "P4"]
    confidence: Literal["Low", "Medium", "High", "Very High"]
    reasons: Annotated[list[Claim], Field(max_length=8)]
    recommendations: Annotated[list[Text], Field(min_length=1, max_length=8)]
    auto_heal_possible: bool


def diagnosis(model: str, said: RootCause, rules: Diagnosis, evidence: str) -> Diagnosis:
    """The answer as a diagnosis: it may be more careful than the rules, never less.

    A reason whose quote does not stand in the evidence is dropped, and confidence falls by its share. Raises Unreadable
    when the root cause itself quotes what is not there.
    """
    read = plain(evidence)
    if not stands(said.quote, read):
        raise Unreadable(f"{model} quoted words that do not stand in the evidence")
    kept = [reason for reason in said.reasons if stands(reason.quote, read)]
    share = (1 + len(kept)) / (1 + len(said.reasons))
    agreed = said.error_type == rules.error_type
    return Diagnosis(
        error_type=said.error_type,
        remediable=rules.remediable if agreed else Remediable.NO,
        severity=Severity(said.severity),
        root_cause=scrub(said.root_cause),
        recommendations=tuple(scrub(step) for step in said.recommendations),
        affected_entity=scrub(said.affected_entity),
        confidence=CONFIDENCES[said.confidence] * share,
        sure=False,
        by="model",
        details={
            "model": model,
            "quote": scrub(said.quote),
            "reasons": [{"says": scrub(reason.says), "quote": scrub(reason.quote)} for reason in kept],
            "dropped": len(said.reasons) - len(kept),
            "action": rules.details.get("action", "none") if agreed else "none",
            "priority": said.priority,
            "auto_heal_possible": said.auto_heal_possible,
            "rules": rules.error_type,
        },
    )


def plain(text: str) -> str:
    """Letters, digits and what joins them: quotes differ in blanks, escapes and quotation marks."""
    return re.sub(r"[\s\\\"'`‘’“”…]+", " ", re.sub(r"\\+[nrt]", " ", text)).lower()


def stands(quote: str, evidence: str) -> bool:
    """Whether the words of a quote stand together in the evidence, which is `plain` already."""
    words = plain(quote).strip(" .,;:")
    return sum(letter.isalnum() for letter in words) >= SHORTEST_QUOTE and words in evidence
