"""Buttons below a ticket's message: only while somebody listens, and only what the ticket allows."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import SecretStr

from pipemend.clients.http import Http
from pipemend.core.ports import News
from pipemend.notifiers.slack import Slack
from pipemend.notifiers.slack.api import Api
from pipemend.notifiers.slack.door import Signed
from pipemend.notifiers.slack.interactions import Interactions
from pipemend.notifiers.slack.operators import Operators
from tests.notifiers import tiny_slack
from tests.notifiers.samples import a_ticket, asked, granted, never_tried, opened, started, stopped, succeeded
from tests.notifiers.serving import serving
from tests.notifiers.tiny_slack import TinySlack


@pytest.fixture
async def listening(slack_vendor: TinySlack) -> AsyncIterator[Slack]:
    async with serving(slack_vendor.app) as base:
        api = Api(SecretStr(tiny_slack.TOKEN), f"{base}/slack/api/", 1.0)
        heard = Interactions(Operators(["U1"], api), Http(), lambda _: False)
        told = Slack(api, tiny_slack.CHANNEL, Signed(SecretStr("secret"), heard))
        yield told
        await told.close()


def offered(vendor: TinySlack) -> dict[str, str]:
    """What can be pressed below the first message, by action."""
    found: list[dict[str, Any]] = [b for block in vendor.first["blocks"] for b in block.get("elements", [])]
    return {button["action_id"].removeprefix("pipemend_"): button["value"] for button in found if "value" in button}


async def test_they_follow_the_ticket(listening: Slack, slack_vendor: TinySlack):
    receipt = await listening.tell(asked(), await listening.tell(opened(), None))
    ticket = a_ticket().id
    assert offered(slack_vendor) == {
        "approve": f"{ticket}:1f496d07ab12",
        "reject": f"{ticket}:1f496d07ab12",
        "acknowledge": f"{ticket}:0",
    }
    receipt = await listening.tell(granted(), receipt)
    receipt = await listening.tell(started(), receipt)
    assert offered(slack_vendor) == dict.fromkeys(("acknowledge", "stop", "escalate"), f"{ticket}:1")
    await listening.tell(succeeded(), receipt)
    assert offered(slack_vendor) == {}


@pytest.mark.parametrize("told", [asked(), started(), stopped(), never_tried()])
async def test_without_a_door_there_are_none(slack: Slack, slack_vendor: TinySlack, told: News):
    await slack.tell(told, await slack.tell(opened(), None))
    assert offered(slack_vendor) == {}
