"""What every notifier promises to the flows, whoever it speaks to."""

import json
from collections.abc import AsyncIterator

import pytest

from pipemend.core.errors import NoAnswer, OutsideError, Throttled, Unreadable
from pipemend.core.ports import News, Notifier, Receipt
from pipemend.notifiers.jira import Jira
from pipemend.notifiers.slack import Slack
from tests.notifiers.samples import EVERY_EVENT, opened, repeated, started, succeeded
from tests.notifiers.serving import Vendor
from tests.notifiers.tiny_jira import TinyJira
from tests.notifiers.tiny_slack import TinySlack

EVENTS = pytest.mark.parametrize("told", EVERY_EVENT.values(), ids=list(EVERY_EVENT))


class World:
    """A notifier, the vendor at the other end, and what that vendor has been told."""

    def __init__(self, notifier: Notifier, vendor: Vendor, first: str) -> None:
        self.notifier = notifier
        self.vendor = vendor
        self.first = first  # the call that carries the first message

    def said(self) -> list[str]:
        if isinstance(self.vendor, TinySlack):
            return [message["text"] for message in self.vendor.messages.values()]
        assert isinstance(self.vendor, TinyJira)
        return [*self.vendor.issues, *(c for issue in self.vendor.issues.values() for c in map(str, issue["comments"]))]


@pytest.fixture(params=["slack", "jira"])
async def world(
    request: pytest.FixtureRequest, slack: Slack, slack_vendor: TinySlack, jira: Jira, jira_vendor: TinyJira
) -> AsyncIterator[World]:
    if request.param == "slack":
        yield World(slack, slack_vendor, "chat.postMessage")
    else:
        yield World(jira, jira_vendor, "POST /rest/api/3/issue")


def saved(receipt: Receipt | None) -> Receipt | None:
    """A receipt as it comes back from the database."""
    return Receipt(json.loads(json.dumps(dict(receipt.place)))) if receipt else None


async def test_a_receipt_survives_the_database(world: World):
    receipt = await world.notifier.tell(opened(), None)

    assert receipt
    assert saved(receipt) == receipt


@EVENTS
async def test_it_tells_every_event_with_the_receipt_of_the_last_one(world: World, told: News):
    receipt = await world.notifier.tell(opened(), None)
    receipt = await world.notifier.tell(told, saved(receipt))
    again = await world.notifier.tell(repeated(succeeded()), saved(receipt))

    assert receipt
    assert again


@EVENTS
async def test_a_repeated_event_is_said_once(world: World, told: News):
    receipt = await world.notifier.tell(opened(), None)
    await world.notifier.tell(told, receipt)
    said = world.said()
    await world.notifier.tell(repeated(told), receipt)

    assert len(world.said()) == len(said)


async def test_a_repeated_first_message_is_found_and_not_sent_again(world: World):
    receipt = await world.notifier.tell(opened(), None)
    found = await world.notifier.tell(repeated(opened()), None)

    assert len(world.said()) == 1
    assert found == receipt


@EVENTS
async def test_it_tells_every_event_when_the_first_message_never_went(world: World, told: News):
    receipt = await world.notifier.tell(told, None)

    assert await world.notifier.tell(started(2), receipt)


async def test_a_first_message_whose_answer_is_lost_is_not_sent_twice(world: World):
    world.vendor.trouble(world.first, hangs=True, after=True)

    with pytest.raises(NoAnswer) as lost:
        await world.notifier.tell(opened(), None)
    receipt = await world.notifier.tell(repeated(opened()), None)

    assert lost.value.transient
    assert receipt
    assert len(world.said()) == 1


async def test_a_reply_whose_answer_is_lost_is_not_sent_twice(world: World):
    receipt = await world.notifier.tell(opened(), None)
    world.vendor.trouble("chat.postMessage", hangs=True, after=True)
    world.vendor.trouble("/comment", hangs=True, after=True)

    with pytest.raises(NoAnswer):
        await world.notifier.tell(started(), receipt)
    await world.notifier.tell(repeated(started()), receipt)

    assert len(world.said()) == 2


@pytest.mark.parametrize("asked", [True, False], ids=["retry-after", "nothing"])
async def test_it_never_waits_when_it_is_asked_to_slow_down(world: World, asked: bool):
    body = {"ok": False, "error": "ratelimited"}
    world.vendor.trouble("", status=429, body=body, headers={"Retry-After": "47"} if asked else {})

    with pytest.raises(Throttled) as slow:
        await world.notifier.tell(opened(), None)

    assert slow.value.retry_after == (47 if asked else None)
    assert len(world.vendor.calls) == 1


async def test_it_asks_once_and_may_be_asked_again_when_the_vendor_fails(world: World):
    world.vendor.trouble("", status=502, body="<html>Bad gateway</html>")

    with pytest.raises(OutsideError) as failed:
        await world.notifier.tell(opened(), None)

    assert failed.value.transient
    assert len(world.vendor.calls) == 1
    assert await world.notifier.tell(opened(), None)


async def test_a_page_of_a_proxy_is_no_answer(world: World):
    world.vendor.trouble("", status=200, body="<html>Please sign in</html>")

    with pytest.raises(Unreadable) as unreadable:
        await world.notifier.tell(opened(), None)

    assert unreadable.value.transient


async def test_an_answer_of_another_shape_is_no_answer(world: World):
    world.vendor.trouble("", status=200, body=["nonsense"])

    with pytest.raises(Unreadable):
        await world.notifier.tell(opened(), None)
