"""The page for people quotes the words that people read."""

import json
import re
from pathlib import Path

from pipemend.notifiers import digests, pagerduty, phrases, teams
from pipemend.notifiers.jira import messages as jira
from tests.notifiers.samples import (
    ASKED,
    BEGAN,
    ENDED,
    EVERY_EVENT,
    RANG,
    TICKET,
    exhausted,
    opened,
)
from tests.notifiers.tiny_jira import as_read as read_document

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
        .replace("by rosa", "by {person}")
        .replace("another ticket", "{ticket}")
        for line in lines
    }

    assert sorted(line for line in said - {OWN_WORDS} if line not in QUOTED) == []


def test_the_page_shows_a_call_for_people_in_jira():
    (head, *rest) = jira.escalation(exhausted())

    assert shown("\n".join(read_document(node).strip() for node in (head, *rest))) in PAGE


def test_the_page_shows_a_card_in_teams():
    card = teams.card(exhausted())
    assert card
    content = json.loads(teams.body(card))["attachments"][0]["content"]
    blocks = ["".join(run["text"] for run in block["inlines"]).rstrip() for block in content["body"]]

    assert shown("\n".join([*blocks, *(f"[ {action['title']} ]" for action in content["actions"])])) in PAGE


def test_the_page_shows_an_alert_of_pagerduty():
    wanted = pagerduty.wish(exhausted())
    assert wanted

    assert f"```json\n{json.dumps(pagerduty.event(exhausted(), wanted), indent=2, ensure_ascii=False)}\n```" in PAGE


def shown(text: str) -> str:
    return f"```text\n{text}\n```"


def test_the_page_has_what_is_said_about_a_storm():
    said = [digests.title(RANG.storm), digests.header(RANG.storm), digests.ACTION, digests.status(BEGAN)]
    said += [bell for told in (RANG, ENDED, ASKED) if (bell := digests.bell(told))]

    assert [text for text in map(of_a_storm, said) if text not in QUOTED] == []
    assert [name for name, _ in digests.facts(RANG.storm) if name not in QUOTED] == []


def of_a_storm(text: str) -> str:
    """The text with the names of its values."""
    values = {"GatewayTimeout": "{error type}", "contoso": "{resource}", "10:15 UTC": "{time}"}
    text = "🔔 {asking} of {failures} failures await approval" if "await approval" in text else text
    numbers = {"12 of": "{people} of", "290 of": "{healed} of", "10 closed": "{closed} closed", "300": "{failures}"}
    for value, name in {**values, **numbers}.items():
        text = text.replace(value, name)
    return text


def as_pattern(text: str) -> str:
    """The text with the names of its values."""
    text = text.replace("nightly-load", "{pipeline}").replace(TICKET, "{id}")
    return re.sub(r"(attempt|after) \d+", r"\1 {n}", re.sub(r"\d+/\d+", "{n}/{max}", text))
