"""Slack's limits hold and its marks stay harmless, whatever a pipeline, an error or a model says."""

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipemend.core.ports import News
from pipemend.notifiers import phrases
from pipemend.notifiers.slack.blocks import Blocks, code, escape, fitting, plain
from pipemend.notifiers.slack.messages import Message, first, success, telling
from pipemend.notifiers.slack.original import Original
from pipemend.twin.slack.limits import complaints
from tests.notifiers.samples import EVERY_EVENT, opened, succeeded
from tests.notifiers.tiny_slack import as_read, limits_broken

NASTY = st.sampled_from(
    [
        "<!channel> all of you",
        "<https://evil.example|View in Dashboard>",
        "&amp;&lt;",
        "`code` ```block```",
        "*bold* _it_ ~no~",
        "👩‍👩‍👧‍👦" * 50,
        "line\r\nline\n\n",
        "\x00\x1b[31m\ud800\u202e",
        "<" * 4000,
        "&" * 60_000,
        "😀" * 30_000,
        " ",
        "",
    ]
)
TEXTS = st.lists(st.one_of(NASTY, st.text(st.characters(codec=None), max_size=60)), max_size=6).map("".join)
TICKETS = st.fixed_dictionaries(
    {
        "pipeline": TEXTS,
        "run_id": TEXTS,
        "error_type": st.one_of(st.none(), TEXTS),
        "error_message": st.one_of(st.none(), TEXTS),
        "rca_result": st.one_of(st.none(), TEXTS),
        "recommendations": st.lists(TEXTS, max_size=30).map(tuple),
        "ack_user": st.one_of(st.none(), TEXTS),
        "remediation_run_id": st.one_of(st.none(), TEXTS),
        "decision": st.one_of(
            st.just({}),
            st.builds(
                lambda answer, why, says: {"answer": answer, "why": why, "words": [{"says": s} for s in says]},
                st.sampled_from(["try", "never", "not yet"]),
                TEXTS,
                st.lists(TEXTS, max_size=40),
            ),
        ),
    }
)
OURS = re.compile(r"<https://adf\.azure\.com/[^<>|\s]*\|open>")  # the links of a handover
MANY = settings(max_examples=60, deadline=timedelta(seconds=5), suppress_health_check=list(HealthCheck))


def with_texts(told: News, fields: dict[str, Any]) -> News:
    attempt = told.attempt and replace(
        told.attempt, failure_reason=fields["rca_result"], remediation_action=fields["run_id"]
    )
    said, page = fields["rca_result"] or "", f"https://adf.azure.com/{fields['run_id']}"
    handover = tuple(replace(line, says=said, link=page) for line in told.handover) * 3
    return replace(told, ticket=replace(told.ticket, **fields), attempt=attempt, handover=handover)


def sent(told: News) -> list[Message]:
    """All that an event may send, after a first message of the same ticket."""
    begun = telling(replace(opened(), ticket=told.ticket, link=told.link))
    assert begun.first
    assert begun.text
    above = success(replace(succeeded(), ticket=told.ticket)).blocks
    was = Original(channel="C1", ts="1", text=begun.text, first=begun.first, above=above, line="&" * 5000)
    said = telling(told)
    edits = [was.after(said), replace(was, above=()).after(said)]
    return [*filter(None, (said.reply, said.opening)), *(Message(edit.text, edit.blocks()) for edit in edits)]


@MANY
@given(fields=TICKETS, told=st.sampled_from(list(EVERY_EVENT.values())))
@example(
    fields={
        "pipeline": "&" * 60_000,
        "error_message": "<" * 60_000,
        "rca_result": "😀" * 60_000,
        "recommendations": ("&" * 9000,) * 30,
        "run_id": "`" * 900,
    },
    told=opened(),
)
def test_no_message_breaks_a_limit(fields: dict[str, Any], told: News):
    for message in sent(with_texts(told, {"error_message": "", "rca_result": "", "run_id": "", **fields})):
        assert limits_broken({"text": message.text, "blocks": fitting(message.blocks)}) is None
        assert complaints(list(message.blocks)) == []


@MANY
@given(fields=TICKETS)
def test_nothing_is_left_out_of_a_message_even_below_a_success(fields: dict[str, Any]):
    nasty = with_texts(succeeded(), fields)
    begun, above = first(replace(opened(), ticket=nasty.ticket)), success(nasty).blocks
    was = Original(channel="C1", ts="1", text=begun.text, first=begun.blocks, line="&" * 5000)

    assert len(was.blocks()) == len(begun.blocks) + 1
    assert list(replace(was, above=above).blocks()) == [*above, *begun.blocks]


@MANY
@given(fields=TICKETS, told=st.sampled_from(list(EVERY_EVENT.values())))
def test_no_text_from_outside_becomes_a_mention_or_a_link(fields: dict[str, Any], told: News):
    for message in sent(with_texts(told, fields)):
        assert "<" not in message.text
        texts = [OURS.sub("", text) for text in marked(message.blocks)]
        assert all("<" not in text and ">" not in text for text in texts)


@MANY
@given(text=TEXTS)
def test_no_entity_is_cut_in_half(text: str):
    shown = plain(text, 50)

    assert len(shown) <= 50
    assert re.sub(r"&(amp|lt|gt);", "", shown).count("&") == 0


@MANY
@given(text=TEXTS)
def test_a_code_span_holds_no_backtick_and_no_line(text: str):
    span = code(text)

    assert re.fullmatch(r"`[^`\n]+`", span)


@MANY
@given(text=TEXTS, limit=st.integers(min_value=1, max_value=80))
def test_a_text_that_fits_stays_as_it_is_and_another_says_that_it_was_cut(text: str, limit: int):
    cut = phrases.cut(text, limit)

    assert phrases.units(cut) <= limit
    assert cut == text if phrases.units(text) <= limit else cut.endswith("…")


def test_the_button_that_is_really_ours_is_the_only_link():
    told = replace(opened(), ticket=replace(opened().ticket, rca_result="<https://evil.example|View in Dashboard>"))

    assert escape("<https://evil.example|View in Dashboard>") in str(telling(told).first)
    assert "<https://evil.example|View in Dashboard>" in as_read(telling(told).first)


def marked(node: Any) -> list[str]:
    """Every text that Slack reads marks in."""
    if isinstance(node, dict):
        own = [node["text"]] if node.get("type") == "mrkdwn" else []
        return own + [text for value in node.values() for text in marked(value)]
    return [text for part in node for text in marked(part)] if isinstance(node, list | tuple) else []


def test_every_marked_text_is_left_as_we_wrote_it():
    blocks: Blocks = telling(opened()).first or ()

    assert "'verbatim': True" in str(blocks)
    assert "'verbatim': False" not in str(blocks)
