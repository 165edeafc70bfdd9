"""Explains one message, or many: without network, database or keys."""

import contextlib
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console
from rich.text import Text

from pipemend.analyzers import rules
from pipemend.analyzers.figures import by_rules
from pipemend.analyzers.sentences import explanation, may
from pipemend.core.errors import SettingsError
from pipemend.core.rca import Diagnosis

PLATFORMS = ("data_factory", "databricks")
SIGNS = {
    "code": "its error code",
    "name": "a name in it",
    "number": "its error number",
    "status": "its HTTP status",
    "words": "its words",
}


def run(text: str | None, *, platform: str, code: str, context: str, jsonl: Path | None, out: Path | None) -> int:
    """What the command does; its exit code: 1 when a line could not be read."""
    if platform not in PLATFORMS:
        raise SettingsError(f"--platform: '{platform}' is none of {', '.join(PLATFORMS)}")
    if jsonl is None:
        classify(text if text is not None else sys.stdin.read(), platform=platform, code=code, context=context)
        return 0
    try:
        with jsonl.open(encoding="utf-8", errors="replace") as source, _opened(out) as target:
            return 1 if classify_jsonl(source, target) else 0
    except OSError as error:
        raise SettingsError(f"{error.filename}: cannot be opened ({error.strerror})") from None


@contextlib.contextmanager
def _opened(out: Path | None) -> Iterator[TextIO]:
    if out is None:
        yield sys.stdout
        return
    with out.open("w", encoding="utf-8") as target:
        yield target


def classify(
    text: str,
    *,
    platform: str | None = None,
    code: str | None = None,
    context: str | None = None,
    console: Console | None = None,
) -> Diagnosis:
    """Explains one message and prints the explanation."""
    said = rules.classify(platform, text, code, context)
    show(said, console or Console())
    return said


def classify_jsonl(source: Iterable[str], out: TextIO) -> int:
    """Answers each line with a line, in order; a bad one with `line` and `error`. Returns how many were bad."""
    bad = 0
    for answer in answers(source):
        bad += "error" in answer
        out.write(json.dumps(answer, ensure_ascii=False) + "\n")
    return bad


def answers(source: Iterable[str]) -> Iterator[dict[str, Any]]:
    """What each line is answered with; empty lines are passed over."""
    for number, text in enumerate(source, 1):
        if text.strip():
            yield _answer(number, text)


def _answer(number: int, text: str) -> dict[str, Any]:
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):
        return {"line": number, "error": f"line {number} is no JSON"}
    if not isinstance(line, dict):
        return {"line": number, "error": f"line {number} must be an object"}
    said = by_rules(line)
    return {
        "id": line.get("id"),
        "error_type": said.error_type,
        "remediable": str(said.remediable),
        "action": said.details["action"],
        "confidence": said.confidence,
        "explanation": explanation(said),
    }


def show(said: Diagnosis, console: Console) -> None:
    """The explanation, for a person: what broke, where, why we think so, whether a machine may act, and what to do."""
    quote = str(said.details.get("quote") or "")
    broke = said.root_cause.replace(f': "{quote}"', "")
    rows = (
        ("What broke", f"{broke} ({said.error_type}, {said.severity})"),
        ("Where", said.affected_entity or "the text names no table, file or server"),
        ("Why", f'"{quote}"' if quote else "the text is empty"),
        ("Sure?", f"{said.confidence_word} ({said.confidence:.2f}): {_reason(said)}"),
        ("Machine?", f"{may(said)} Remediable: {said.remediable}, action: {said.details['action']}."),
    )
    for label, value in rows:
        console.print(Text.assemble((f"{label:<11}", "bold"), value), soft_wrap=True)
    console.print(Text("\nWhat to do", style="bold"))
    for number, step in enumerate(said.recommendations, 1):
        console.print(Text(f"{number}. {step}"), soft_wrap=True)


def _reason(said: Diagnosis) -> str:
    entry = said.details.get("entry")
    others = ", ".join(said.details.get("also", ()))
    known = f"{SIGNS.get(str(said.details.get('sign')), 'its words')} (rule {entry})" if entry else "no rule knows it"
    return f"{known}; it could also be {others}" if others else known
