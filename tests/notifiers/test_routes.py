"""A route says where a new message goes; one that was sent stays where it is. Against the twin."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from pipemend.core.route import Route
from pipemend.notifiers import jira, slack
from pipemend.notifiers.jira import Jira
from pipemend.notifiers.slack import Slack
from pipemend.notifiers.slack.messages import escalation
from pipemend.settings import Settings
from pipemend.twin import running
from tests.notifiers.samples import BEGAN, RANG, asked, breached, exhausted, opened, repeated, started

DEFAULT, PAYMENTS, WAREHOUSE = "C0ALERTS01", "C0PAYMENTS", "C0WAREHOUSE"
TO_PAYMENTS = Route(
    match="*/pay_*", slack_channel=PAYMENTS, slack_mention=("U0ROSA001", "S0PAYONCALL"), jira_project="PAY"
)
TO_WAREHOUSE = Route(match="*", slack_channel=WAREHOUSE, jira_project="DWH")


@pytest.fixture
async def twin() -> AsyncIterator[httpx.AsyncClient]:
    async with running() as base, httpx.AsyncClient(base_url=base, trust_env=False) as http:
        yield http


def settings(twin: httpx.AsyncClient) -> Settings:
    base = str(twin.base_url).rstrip("/")
    return Settings.of(
        {
            "ALLOWED_HOSTS": "127.0.0.1",
            "SLACK_BOT_TOKEN": "xoxb-twin",
            "SLACK_ALERT_CHANNEL": DEFAULT,
            "SLACK_API_URL": f"{base}/slack/api/",
            "JIRA_DOMAIN": base,
            "JIRA_USER_EMAIL": "twin@example.com",
            "JIRA_API_TOKEN": "twin-jira-token",
        }
    )


@pytest.fixture
async def in_slack(twin: httpx.AsyncClient) -> AsyncIterator[Slack]:
    built = slack.build(settings(twin), [TO_PAYMENTS])
    assert built
    yield built
    await built.close()


@pytest.fixture
async def in_jira(twin: httpx.AsyncClient) -> AsyncIterator[Jira]:
    built = jira.build(settings(twin), [TO_PAYMENTS])
    assert built
    yield built
    await built.close()


async def channels(twin: httpx.AsyncClient) -> dict[str, list[dict[str, Any]]]:
    found = (await twin.get("/twin/slack/messages")).json()["channels"]
    return {channel["id"]: channel["messages"] for channel in found if channel["messages"]}


async def test_each_ticket_goes_to_the_channel_of_its_route(twin: httpx.AsyncClient, in_slack: Slack):
    await in_slack.tell(opened(route=TO_PAYMENTS), None)
    await in_slack.tell(opened(), None)
    await in_slack.sum_up(BEGAN, None)
    found = await in_slack.tell(repeated(opened(route=TO_PAYMENTS)), None)

    told = await channels(twin)
    assert {name: len(messages) for name, messages in told.items()} == {PAYMENTS: 1, DEFAULT: 2}
    assert found
    assert found.place["channel"] == PAYMENTS


async def test_a_message_stays_where_it_is_although_its_route_has_changed(twin: httpx.AsyncClient, in_slack: Slack):
    receipt = await in_slack.tell(opened(route=TO_PAYMENTS), None)
    receipt = await in_slack.tell(started(route=TO_WAREHOUSE), receipt)
    await in_slack.tell(exhausted(route=TO_WAREHOUSE), receipt)

    told = await channels(twin)
    assert list(told) == [PAYMENTS]
    original, *thread = told[PAYMENTS]
    assert {message["thread_ts"] for message in thread} == {original["ts"]}
    assert len(thread) == 2


async def test_people_are_called_by_their_ids_when_they_have_to_act(twin: httpx.AsyncClient, in_slack: Slack):
    receipt = await in_slack.tell(opened(route=TO_PAYMENTS), None)
    for told in (started(route=TO_PAYMENTS), asked(route=TO_PAYMENTS), exhausted(route=TO_PAYMENTS), breached()):
        receipt = await in_slack.tell(told, receipt)

    first, *thread = (await channels(twin))[PAYMENTS]
    called = "<@U0ROSA001> <!subteam^S0PAYONCALL>"
    assert [called in str(message["blocks"]) for message in thread] == [False, True, True, False]
    assert called not in str(first["blocks"])


async def test_a_mention_that_is_no_id_calls_nobody():
    route = Route(slack_mention=("!channel", "<!here>", "U1|evil"))

    assert escalation(exhausted(route=route)) == escalation(exhausted())


async def test_issues_are_created_in_the_project_of_the_route_and_stay_there(twin: httpx.AsyncClient, in_jira: Jira):
    receipt = await in_jira.tell(opened(route=TO_PAYMENTS), None)
    await in_jira.tell(exhausted(route=TO_WAREHOUSE), receipt)
    await in_jira.tell(repeated(opened(route=TO_PAYMENTS)), None)
    storm = await in_jira.sum_up(BEGAN, None)
    await in_jira.sum_up(RANG, storm)

    issues = (await twin.get("/twin/jira/issues")).json()["issues"]
    assert [(issue["key"], len(issue["comments"])) for issue in issues] == [("PAY-1", 1), ("OPS-1", 1)]
