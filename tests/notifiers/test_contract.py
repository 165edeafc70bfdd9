"""What every notifier promises to the flows, whoever it speaks to."""

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from pydantic import SecretStr

from pipemend.clients.http import Http
from pipemend.core.errors import NoAnswer, OutsideError, Throttled, Unreadable
from pipemend.core.ports import News, Notifier, Receipt
from pipemend.notifiers.jira import Jira
from pipemend.notifiers.jira.api import Account
from pipemend.notifiers.jira.api import Api as JiraApi
from pipemend.notifiers.pagerduty import PagerDuty
from pipemend.notifiers.slack import Slack
from pipemend.notifiers.slack.api import Api as SlackApi
from pipemend.notifiers.teams import Teams
from pipemend.notifiers.webhook import Webhook
from tests.notifiers import tiny_jira, tiny_slack
from tests.notifiers.conftest import DEADLINE
from tests.notifiers.samples import BEGAN, EVERY_EVENT, RANG, exhausted, opened, repeated, started, succeeded
from tests.notifiers.serving import Vendor, serving
from tests.notifiers.tiny_jira import TinyJira
from tests.notifiers.tiny_listeners import HOST, KEY, SECRET, Tiny, TinyPagerDuty, TinyWebhook, calling
from tests.notifiers.tiny_slack import TinySlack

EVENTS = pytest.mark.parametrize("told", EVERY_EVENT.values(), ids=list(EVERY_EVENT))


@dataclass(frozen=True)
class World:
    """A notifier, the vendor at the other end, and what that vendor has been told."""

    notifier: Notifier
    vendor: Vendor
    first: str  # the call that carries the first message
    opening: News = field(default_factory=opened)  # the first thing that it is told of

    def said(self) -> list[str]:
        if isinstance(self.vendor, TinySlack):
            return [message["text"] for message in self.vendor.messages.values()]
        if isinstance(self.vendor, Tiny):
            return list(self.vendor.kept)
        assert isinstance(self.vendor, TinyJira)
        return [*self.vendor.issues, *(c for issue in self.vendor.issues.values() for c in map(str, issue["comments"]))]


THREADS = ("slack", "jira")
READS = (*THREADS, "pagerduty")  # a webhook and Teams say nothing in their answers
FINDS = (*READS, "webhook")  # Teams cannot be looked through, and knows no ids
ALL = (*FINDS, "teams")


def those(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("world", names, indirect=True)


@pytest.fixture(params=ALL)
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    async with contextlib.AsyncExitStack() as stack:
        made = await BUILT[request.param](stack)
        yield made
        await made.notifier.close()


async def in_slack(stack: contextlib.AsyncExitStack) -> World:
    base = await stack.enter_async_context(serving((vendor := TinySlack()).app))
    api = SlackApi(SecretStr(tiny_slack.TOKEN), f"{base}/slack/api/", DEADLINE)
    return World(Slack(api, tiny_slack.CHANNEL), vendor, "chat.postMessage")


async def in_jira(stack: contextlib.AsyncExitStack) -> World:
    async def nap(_: float) -> None:
        vendor.search_sees = True

    base = await stack.enter_async_context(serving((vendor := TinyJira()).app))
    account = Account(tiny_jira.EMAIL, SecretStr(tiny_jira.TOKEN))
    return World(Jira(JiraApi(Http(), base, account, DEADLINE), "OPS", nap), vendor, "POST /rest/api/3/issue")


async def by_pagerduty(_: contextlib.AsyncExitStack) -> World:
    vendor = TinyPagerDuty()
    return World(PagerDuty(calling(vendor), HOST, KEY, deadline=DEADLINE), vendor, "POST", exhausted())


async def by_webhook(_: contextlib.AsyncExitStack) -> World:
    vendor = TinyWebhook()
    return World(Webhook(calling(vendor), HOST, SECRET, deadline=DEADLINE), vendor, "POST")


async def in_teams(_: contextlib.AsyncExitStack) -> World:
    vendor = Tiny()
    return World(Teams(calling(vendor), HOST, deadline=DEADLINE), vendor, "POST")


BUILT = {"slack": in_slack, "jira": in_jira, "pagerduty": by_pagerduty, "webhook": by_webhook, "teams": in_teams}


def saved(receipt: Receipt | None) -> Receipt | None:
    """A receipt as it comes back from the database."""
    return Receipt(json.loads(json.dumps(dict(receipt.place)))) if receipt else None


async def test_a_receipt_survives_the_database(world: World):
    receipt = await world.notifier.tell(world.opening, None)

    assert receipt
    assert saved(receipt) == receipt


@EVENTS
async def test_it_tells_every_event_with_the_receipt_of_the_last_one(world: World, told: News):
    receipt = await world.notifier.tell(world.opening, None)
    receipt = await world.notifier.tell(told, saved(receipt))
    again = await world.notifier.tell(repeated(succeeded()), saved(receipt))

    assert receipt
    assert again


@EVENTS
@those(*FINDS)
async def test_a_repeated_event_is_said_once(world: World, told: News):
    receipt = await world.notifier.tell(world.opening, None)
    await world.notifier.tell(told, receipt)
    said = world.said()
    await world.notifier.tell(repeated(told), receipt)

    assert len(world.said()) == len(said)


@those(*FINDS)
async def test_a_repeated_first_message_is_found_and_not_sent_again(world: World):
    receipt = await world.notifier.tell(world.opening, None)
    found = await world.notifier.tell(repeated(world.opening), None)

    assert len(world.said()) == 1
    assert found == receipt


@EVENTS
async def test_it_tells_every_event_when_the_first_message_never_went(world: World, told: News):
    receipt = await world.notifier.tell(told, None)

    assert await world.notifier.tell(started(2), receipt)


@those(*FINDS)
async def test_a_first_message_whose_answer_is_lost_is_not_sent_twice(world: World):
    world.vendor.trouble(world.first, hangs=True, after=True)

    with pytest.raises(NoAnswer) as lost:
        await world.notifier.tell(world.opening, None)
    receipt = await world.notifier.tell(repeated(world.opening), None)

    assert lost.value.transient
    assert receipt
    assert len(world.said()) == 1


@those(*THREADS)
async def test_a_reply_whose_answer_is_lost_is_not_sent_twice(world: World):
    receipt = await world.notifier.tell(world.opening, None)
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
        await world.notifier.tell(world.opening, None)

    assert slow.value.retry_after == (47 if asked else None)
    assert len(world.vendor.calls) == 1


async def test_it_asks_once_and_may_be_asked_again_when_the_vendor_fails(world: World):
    world.vendor.trouble("", status=502, body="<html>Bad gateway</html>")

    with pytest.raises(OutsideError) as failed:
        await world.notifier.tell(world.opening, None)

    assert failed.value.transient
    assert len(world.vendor.calls) == 1
    assert await world.notifier.tell(world.opening, None)


@those(*READS, "teams")
async def test_a_page_of_a_proxy_is_no_answer(world: World):
    world.vendor.trouble("", status=200, body="<html>Please sign in</html>")

    with pytest.raises(Unreadable) as unreadable:
        await world.notifier.tell(world.opening, None)

    assert unreadable.value.transient


@those(*READS)
async def test_an_answer_of_another_shape_is_no_answer(world: World):
    world.vendor.trouble("", status=200, body=["nonsense"])

    with pytest.raises(Unreadable):
        await world.notifier.tell(world.opening, None)


async def test_a_storm_is_told_and_a_receipt_of_it_survives_the_database(world: World):
    receipt = await world.notifier.sum_up(BEGAN, None)
    receipt = await world.notifier.sum_up(RANG, saved(receipt))

    assert receipt
    assert saved(receipt) == receipt
    assert world.said()


@pytest.mark.parametrize("status", [400, 403, 404])
async def test_what_is_refused_for_good_is_parked(world: World, status: int):
    world.vendor.trouble("", status=status, body={"ok": False, "error": "not_allowed"}, times=9)

    with pytest.raises(OutsideError) as refused:
        await world.notifier.tell(world.opening, None)

    assert not refused.value.transient
