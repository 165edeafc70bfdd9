"""Who may press: named people at once, members of groups as Slack knows them, and nobody when it is not known."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from pipemend.core.errors import NoAnswer
from pipemend.notifiers.slack.api import SlackRefused
from pipemend.notifiers.slack.operators import KEPT, KEPT_TROUBLE, STRANGER, Operators


class Groups:
    """Slack's user groups, as far as they are asked for."""

    def __init__(self, **members: Any) -> None:
        self.members, self.asked, self.at = members, 0, 0.0

    async def read(self, method: str, **arguments: Any) -> Mapping[str, Any]:
        self.asked += 1
        found = self.members[arguments["usergroup"]]
        if isinstance(found, Exception):
            raise found
        return {"ok": True, "users": found}

    def may_press(self, *named: str) -> Operators:
        return Operators(named, self, lambda: self.at)  # type: ignore[arg-type]


async def test_who_is_named_may_and_nobody_is_asked() -> None:
    groups = Groups(S1=["U2"])
    assert await groups.may_press("U1", "S1").refusal("U1") == ""
    assert groups.asked == 0


async def test_members_are_asked_for_once_in_some_minutes() -> None:
    groups = Groups(S1=["U2"], S2=["U3"])
    operators = groups.may_press("S1", "S2")
    said = await asyncio.gather(*(operators.refusal(who) for who in ("U2", "U3", "U4", "U2")))
    assert (said, groups.asked) == (["", "", STRANGER, ""], 2)

    groups.members["S1"] = []  # somebody has left the group
    assert await operators.refusal("U2") == ""
    groups.at = KEPT
    assert await operators.refusal("U2") == STRANGER


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (SlackRefused("usergroups.users.list", "missing_scope", "usergroups:read"), "missing_scope (usergroups:read)"),
        (SlackRefused("usergroups.users.list", "no_such_subteam"), "no_such_subteam"),
        (NoAnswer("Slack did not answer"), "Slack did not answer"),
        (TimeoutError(), "within 1.5 s"),
    ],
)
async def test_what_cannot_be_read_lets_nobody_in_and_says_why(trouble: Exception, words: str) -> None:
    groups = Groups(S1=trouble)
    operators = groups.may_press("U1", "S1")
    said = await operators.refusal("U2")
    assert said.startswith(STRANGER)
    assert words in said
    assert await operators.refusal("U1") == ""

    groups.members["S1"] = ["U2"]
    assert await operators.refusal("U2") == said  # Slack is left alone for a while
    groups.at = KEPT_TROUBLE
    assert await operators.refusal("U2") == ""


async def test_an_answer_without_a_list_lets_nobody_in() -> None:
    assert "no list of users" in await Groups(S1="U2").may_press("S1").refusal("U2")


async def test_one_group_that_is_known_is_enough() -> None:
    groups = Groups(S1=NoAnswer("away"), S2=["U2"])
    assert await groups.may_press("S1", "S2").refusal("U2") == ""
