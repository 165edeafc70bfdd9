"""Buttons in the twin's Slack: presses as Slack sends them, by the request URL and over sockets."""

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.signature import SignatureVerifier
from slack_sdk.web.async_client import AsyncWebClient
from starlette.requests import Request
from starlette.responses import Response

from tests.notifiers.serving import serving
from tests.twin.stage import Stage

BUTTON = {
    "type": "button",
    "text": {"type": "plain_text", "text": "Approve"},
    "action_id": "a1",
    "value": "v1",
    "style": "primary",
}
BLOCKS = [{"type": "actions", "block_id": "b7", "elements": [BUTTON]}]


class Door:
    """Where presses go; it answers what it is told."""

    def __init__(self) -> None:
        self.came: list[dict[str, Any]] = []
        self.signed: list[bool] = []
        self.status = 200

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        body = await request.body()
        self.signed.append(SignatureVerifier("s3cret").is_valid_request(body, dict(request.headers)))
        self.came.append(json.loads(parse_qs(body.decode())["payload"][0]))
        await Response(status_code=self.status)(scope, receive, send)


@pytest.fixture
async def door(stage: Stage) -> AsyncIterator[Door]:
    made = Door()
    async with serving(made) as url:
        await stage.put("slack", interactions_url=f"{url}/hook", signing_secret="s3cret")
        yield made


@pytest.fixture
async def slack(stage: Stage) -> AsyncIterator[AsyncWebClient]:
    async with aiohttp.ClientSession() as session:
        yield AsyncWebClient(token="xoxb-twin", base_url=f"{stage.base_url}/slack/api/", session=session)


async def settled(stage: Stage, n: int) -> dict[str, Any]:
    told = await stage.until(
        lambda found: found["presses"][n - 1]["done"] is not None, lambda: stage.get("slack/presses")
    )
    return dict(told["presses"][n - 1])


async def test_a_press_is_signed_and_says_who_pressed_what(stage: Stage, slack: AsyncWebClient, door: Door):
    sent = await slack.chat_postMessage(channel="#alerts", text="nightly", blocks=BLOCKS)
    made = await stage.post("slack/press", button="Approve", user="U1", name="rosa")
    press = await settled(stage, made["n"])

    (told,) = door.came
    assert (door.signed, press["status"], press["done"], press["via"]) == ([True], 200, True, "http")
    assert (told["type"], told["user"]["id"], told["user"]["username"]) == ("block_actions", "U1", "rosa")
    assert (told["message"]["ts"], told["container"]["message_ts"]) == (sent["ts"], sent["ts"])
    (action,) = told["actions"]
    assert (action["action_id"], action["value"], action["block_id"]) == ("a1", "v1", "b7")
    assert action["action_ts"]
    assert told["trigger_id"]


async def test_answers_come_to_the_response_url_a_few_times(stage: Stage, slack: AsyncWebClient, door: Door):
    await slack.chat_postMessage(channel="#alerts", text="nightly", blocks=BLOCKS)
    await settled(stage, (await stage.post("slack/press", button="Approve"))["n"])
    url = door.came[0]["response_url"]
    said = [(await stage.http.post(url, json={"text": f"no {n}"})).status_code for n in range(6)]
    forged = await stage.http.post(url[:-1] + ("0" if url[-1] != "0" else "1"), json={"text": "x"})

    assert said == [200] * 5 + [404]
    assert forged.status_code == 404
    assert [a["text"] for a in (await settled(stage, 1))["answers"]] == [f"no {n}" for n in range(5)]


async def test_what_is_not_acknowledged_shows_as_an_error(stage: Stage, slack: AsyncWebClient, door: Door):
    await slack.chat_postMessage(channel="#alerts", text="nightly", blocks=BLOCKS)
    door.status = 503
    press = await settled(stage, (await stage.post("slack/press", button="Approve"))["n"])
    assert (press["status"], press["done"]) == (503, False)


async def test_a_button_that_is_gone_is_pressed_on_an_old_screen_alone(stage: Stage, slack: AsyncWebClient, door: Door):
    sent = await slack.chat_postMessage(channel="#alerts", text="nightly", blocks=BLOCKS)
    await slack.chat_update(channel=sent["channel"], ts=sent["ts"], text="done", blocks=[{"type": "divider"}])
    gone = await stage.http.post("/twin/slack/press", json={"button": "Approve"})
    old = await stage.post("slack/press", button="Approve", stale=True)

    assert gone.status_code == 404
    assert (await settled(stage, old["n"]))["payload"]["actions"][0]["value"] == "v1"


async def test_a_socket_takes_presses_and_acknowledges_them(stage: Stage, slack: AsyncWebClient):
    await slack.chat_postMessage(channel="#alerts", text="nightly", blocks=BLOCKS)
    opened = await AsyncWebClient(token="xapp-twin", base_url=slack.base_url).apps_connections_open(
        app_token="xapp-twin"
    )
    async with aiohttp.ClientSession() as session, session.ws_connect(opened["url"]) as line:
        hello = await line.receive_json()
        made = await stage.post("slack/press", button="Approve")
        told = await line.receive_json()
        await line.send_json({"envelope_id": told["envelope_id"]})
        press = await settled(stage, made["n"])
        await stage.post("slack/disconnect", reason="refresh_requested")
        bye = await line.receive_json()
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(opened["url"])  # a ticket opens one line

    assert (hello["type"], hello["num_connections"]) == ("hello", 1)
    assert (told["type"], told["payload"]["actions"][0]["value"]) == ("interactive", "v1")
    assert (press["via"], press["done"]) == ("socket", True)
    assert (bye["type"], bye["reason"]) == ("disconnect", "refresh_requested")


async def test_user_groups_have_members_and_want_a_scope(stage: Stage, slack: AsyncWebClient):
    await stage.put("slack", groups={"S1": ["U1"]})
    assert (await slack.usergroups_users_list(usergroup="S1"))["users"] == ["U1"]
    await stage.put("slack", withdrawn=["usergroups:read"])
    with pytest.raises(SlackApiError, match="missing_scope"):
        await slack.usergroups_users_list(usergroup="S1")
