"""The page for people quotes the words that people read."""

import re
from pathlib import Path

from pipemend.notifiers import phrases
from tests.notifiers.samples import EVERY_EVENT, TICKET, opened

PAGE = (Path(__file__).parents[2] / "docs/reference/messages.md").read_text()
OWN_WORDS = "✅ Auto-remediated by attempt {n}/{max}"  # never shown: the success stands above instead
QUOTED = re.sub(r"[*`>]", "", PAGE)


def test_the_page_has_every_fixed_text():
    fixed = (phrases.SUCCESS_HEADER, phrases.FAILED_HEADER, phrases.MANUAL_HEADER, phrases.EXHAUSTED, phrases.PLEASE)

    assert [text for text in (*fixed, *phrases.DOES.values()) if text not in QUOTED] == []


def test_the_page_has_every_notification():
    told = [*EVERY_EVENT.values(), opened()]
    texts = {text for news in told for text in (phrases.started_text(news), phrases.escalation_text(news))}
    texts |= {phrases.success_text(opened().ticket), phrases.opened_header(opened().ticket)}

    assert sorted(text for text in texts if as_pattern(text) not in QUOTED) == []


def test_the_page_has_every_line_of_status():
    lines = {phrases.status_line(news) for news in EVERY_EVENT.values() if phrases.status_line(news)}
    said = {
        as_pattern(line)
        .split(":")[0]
        .split(" until")[0]
        .replace("by ann", "by {person}")
        .replace("another ticket", "{ticket}")
        for line in lines
    }

    assert sorted(line for line in said - {OWN_WORDS} if line not in QUOTED) == []


def as_pattern(text: str) -> str:
    """The text with the names of its values."""
    text = text.replace("nightly-load", "{pipeline}").replace(TICKET, "{id}")
    return re.sub(r"(attempt|after) \d+", r"\1 {n}", re.sub(r"\d+/\d+", "{n}/{max}", text))
