"""How good the rules are on labelled messages, and what the commands print."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from pipemend.analyzers.figures import Figures, labelled, measure
from pipemend.cli import classify as classifying
from pipemend.cli.evaluate import evaluate
from pipemend.core.errors import BadDelivery

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpus" / "failures_dev.jsonl"
BUSY = {"id": "a", "platform": "adf", "message": "HTTP 503", "error_type": "ServerBusy", "remediable": "yes"}
FALSE = {"id": "b", "message": "HTTP 503", "error_type": "NetworkBlocked", "remediable": "no", "action": "none"}


@pytest.fixture(scope="module")
def corpus() -> Figures:
    if not CORPUS.is_file():
        pytest.skip("the labelled messages are not beside the repository")
    return measure(labelled(CORPUS))


def test_nothing_permanent_is_called_remediable(corpus: Figures):
    assert [answer.label["id"] for answer in corpus.dangerous] == []
    assert corpus.remediable_precision >= 0.98


def test_the_rules_keep_what_they_have_reached(corpus: Figures):
    assert corpus.strict >= 0.90
    assert corpus.lenient >= 0.94
    assert corpus.remediable_recall >= 0.92
    assert corpus.action >= 0.97


def test_the_rules_are_as_good_where_the_text_is_enough(corpus: Figures):
    readable = corpus.where(lambda line: line["text_sufficient"])

    assert readable.strict >= 0.94
    assert readable.remediable_recall >= 0.97


def test_confidence_means_something(corpus: Figures):
    rights = [right for *_, right in corpus.calibration]

    assert rights[0] >= 0.95
    assert rights[0] >= rights[-1]


def test_mistakes_are_counted():
    figures = measure([BUSY, FALSE])

    assert (figures.strict, figures.remediable_precision, figures.remediable_recall) == (0.5, 0.5, 1.0)
    assert [answer.label["id"] for answer in figures.dangerous] == ["b"]
    assert figures.confusions == [(("NetworkBlocked", "ServerBusy"), 1)]


def test_a_defensible_answer_counts_apart():
    figures = measure([{**FALSE, "also_accept": ["ServerBusy"]}])

    assert (figures.strict, figures.lenient) == (0.0, 1.0)


def test_evaluate_prints_figures_and_every_dangerous_mistake(tmp_path: Path):
    file = tmp_path / "labelled.jsonl"
    file.write_text("\n".join(map(json.dumps, (BUSY, FALSE))) + "\n\n")
    printed = io.StringIO()

    evaluate(file, Console(file=printed, width=120))

    assert all(words in printed.getvalue() for words in ("0.500", "Calibration", "Confusions", "Dangerous: b"))


@pytest.mark.parametrize("line", ["nope", "[]", "{}", '{"error_type": "ServerBusy", "remediable": "maybe"}'])
def test_a_bad_labelled_line_is_named(tmp_path: Path, line: str):
    file = tmp_path / "labelled.jsonl"
    file.write_text(json.dumps(BUSY) + "\n" + line)

    with pytest.raises(BadDelivery, match="line 2"):
        evaluate(file)


def test_classify_explains_one_message():
    printed = io.StringIO()

    said = classifying.classify("HTTP 503", platform="databricks", console=Console(file=printed, width=120))

    assert said.details["action"] == "retry_job"
    assert all(words in printed.getvalue() for words in ("ServerBusy", "retry_job", "1. Wait", "rule busy"))


def test_classify_does_not_take_messages_for_markup():
    printed = io.StringIO()

    classifying.classify("[bold] [/nope] Login failed for user 'x'", console=Console(file=printed, width=200))

    assert "[/nope]" in printed.getvalue()


def test_classify_answers_each_line_in_order():
    lines = [
        json.dumps({"id": 7, "message": "HTTP 429", "platform": None, "error_code": None, "context": None}),
        "",
        "nope",
        "[1]",
        json.dumps({"id": "x", "message": 5, "error_code": 503}),
        json.dumps({}),
        "[" * 100_000,
    ]
    out = io.StringIO()

    bad = classifying.classify_jsonl(lines, out)

    answers = [json.loads(line) for line in out.getvalue().splitlines()]
    assert bad == 3
    assert [answer.get("id", answer.get("line")) for answer in answers] == [7, 3, 4, "x", None, 7]
    assert set(answers[0]) == {"id", "error_type", "remediable", "action", "confidence", "explanation"}
    assert [answer.get("error_type") for answer in answers] == [
        "ThrottlingError",
        None,
        None,
        "ServerBusy",
        "Unclassified",
        None,
    ]
    assert "line 3" in answers[1]["error"]
