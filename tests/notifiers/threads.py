"""Threads in Slack as a person reads them: stories played against the twin, and its messages as text.

`python -m tests.notifiers.threads` writes the page `docs/reference/threads.md` anew.
"""

import asyncio
import re
import tempfile
import textwrap
from collections.abc import Awaitable, Callable, Iterator, Mapping
from html import unescape
from pathlib import Path
from typing import Any

from pipemend.analyzers import rules
from pipemend.core.run import RunStatus
from pipemend.settings import Settings
from pipemend.store.database import Database
from pipemend.store.migrate import migrate
from tests.notifiers.office import KIM, Office, office

PAGE = Path(__file__).parents[2] / "docs/reference/threads.md"
WIDE = 116
LINK = re.compile(r"<([^|>]+)\|([^>]+)>")
PEOPLE = {"U0ROSA0001": "U…", "U0KIM00002": "U…"}
INTRODUCTION = """# Threads in Slack

What people read in Slack from the first message to the last, in five stories. They were played against the
[twin](twin.md), and a test holds this page to it. When each message is said stands in [messages](messages.md).
`[ … ]` are buttons; of what the guardrails said the first and the last stand here.
"""
Story = Callable[[Office], Awaitable[None]]


async def heals(made: Office) -> None:
    """The first rerun fails, the second one goes well."""
    world = made.world
    world.adf.fails("nightly-load", "GatewayTimeout")
    await world.after(31)
    world.adf.ends(world.adf.rerun.started_runs[0], RunStatus.FAILED, "GatewayTimeout")
    await world.after(120)
    world.adf.ends(world.adf.rerun.started_runs[1], RunStatus.SUCCEEDED)
    await world.after(31)


async def waits_for_a_yes(made: Office) -> None:
    """People are asked, and nobody has answered yet."""
    made.world.adf.fails("nightly-load", "ServerBusy")
    await made.world.after(31)


async def is_approved(made: Office) -> None:
    """Rosa says yes, Kim comes second, and the rerun goes well."""
    await waits_for_a_yes(made)
    await made.press("Approve")
    await made.press("Reject", KIM, "kim", stale=True)
    await made.told(2)
    made.world.adf.ends(made.world.adf.rerun.started_runs[0], RunStatus.SUCCEEDED)
    await made.world.after(31)


async def is_handed_over(made: Office) -> None:
    """Rosa hands it over while a rerun runs, which then fails too."""
    world = made.world
    world.adf.fails("nightly-load", "GatewayTimeout")
    await world.after(31)
    await made.press("Hand over")
    world.adf.ends(world.adf.rerun.started_runs[0], RunStatus.FAILED, "GatewayTimeout")
    await world.after(61)


async def is_given_up(made: Office) -> None:
    """All attempts fail."""
    world = made.world
    world.adf.fails("nightly-load", "GatewayTimeout")
    await world.after(31)
    for n in range(3):
        world.adf.ends(world.adf.rerun.started_runs[n], RunStatus.FAILED, "GatewayTimeout")
        await world.after(300)


STORIES: Mapping[str, tuple[str, Story]] = {
    "A repair that heals": ("The first rerun fails, the second goes well.", heals),
    "A repair that waits for a yes": ("The playbook wants to be asked. Nobody has answered yet.", waits_for_a_yes),
    "A repair that was approved": (
        "Rosa approves. Kim looks at an old screen, presses *Reject*, and reads alone that it was too late.",
        is_approved,
    ),
    "A ticket that is handed over": ("Rosa presses *Hand over* while the rerun runs. It fails too.", is_handed_over),
    "A repair that is given up": ("All three reruns fail.", is_given_up),
}


async def page() -> str:
    """The whole page."""
    parts = [INTRODUCTION]
    for title, (words, story) in STORIES.items():
        parts.append(f"## {title}\n\n{words}\n\n```text\n{await thread(story)}\n```\n")
    return "\n".join(parts)


async def thread(story: Story) -> str:
    """What stands in Slack when the story is over."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/pipemend.db")
        try:
            migrate(database)
            async with office(database) as made:
                made.world.services.analyzer = rules.build(Settings.of({}))
                await story(made)
                ticket = await made.world.ticket()
                said = "\n\n".join(_message(message) for message in await made.messages())
                alone = [one for press in await made.presses() for one in _alone(press)]
        finally:
            database.close()
    return "\n\n".join([said, *alone]).replace(ticket.id, f"{ticket.id[:-10]}…")


def _message(message: Mapping[str, Any]) -> str:
    lines = [line for block in message["blocks"] for line in _block(block)]
    indent = "    " if message["thread_ts"] else ""
    return "\n".join(f"{indent}{line}".rstrip() for line in ["Pipemend", *(f"  {line}" for line in lines)])


def _alone(press: Mapping[str, Any]) -> Iterator[str]:
    for answer in press["answers"]:
        yield f"Pipemend, only to {press['payload']['user']['username']}\n  {_plain(answer['text'])}"


def _block(block: Mapping[str, Any]) -> Iterator[str]:
    match block["type"]:
        case "divider":
            yield "─" * 20
        case "actions":
            yield "   ".join(f"[ {element['text']['text']} ]" for element in block["elements"])
        case "section" if "fields" in block:
            for field in block["fields"]:
                yield " ".join(_plain(field["text"]).splitlines())
        case "context":
            for element in block["elements"]:
                yield from _wrapped(_shortened(element["text"]))
        case _:
            yield from _wrapped(block["text"]["text"])


def _shortened(text: str) -> str:
    """Of the words of all guardrails the first and the last."""
    words = text.split(" · ")
    return f"{words[0]} · … · {words[-1]}" if len(words) > 2 and text.startswith(("✓", "✗")) else text


def _wrapped(text: str) -> Iterator[str]:
    for line in _plain(text).splitlines():
        yield from textwrap.wrap(line, WIDE - 6, break_long_words=False, break_on_hyphens=False) or [""]


def _plain(text: str) -> str:
    """Marks removed, links as their words."""
    said = unescape(LINK.sub(r"\2", text)).replace("*", "").replace("`", "")
    for person, short in PEOPLE.items():
        said = said.replace(person, short)
    return said


if __name__ == "__main__":
    PAGE.write_text(asyncio.run(page()))
