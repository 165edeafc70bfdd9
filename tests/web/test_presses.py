"""Buttons in Slack: signed presses are obeyed once, everything else is turned away politely, and nothing breaks us."""

import asyncio
import hashlib
import hmac
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from pydantic import SecretStr

from pipemend.clients.http import Http
from pipemend.core.ticket import Approval, Status, Ticket
from pipemend.notifiers.slack import Slack
from pipemend.notifiers.slack.api import Api
from pipemend.notifiers.slack.door import PATH, Signed
from pipemend.notifiers.slack.interactions import Interactions
from pipemend.notifiers.slack.operators import Operators
from pipemend.store import schema, tickets
from pipemend.web.app import create_app
from tests.web.test_approving import asked
from tests.web.world import World

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
ROSA, STRANGER = "U0ROSA", "U0NOBODY"
HOOK = "https://hooks.slack.com/actions/T1/2/3"


@dataclass
class Workspace:
    """Slack as it calls us, and what it was answered."""

    world: World
    at: float = 1_790_000_000.0
    told: list[dict[str, Any]] = field(default_factory=list)
    client: httpx.AsyncClient | None = None

    def open(self) -> "Workspace":
        def hook(request: httpx.Request) -> httpx.Response:
            self.told.append({"url": str(request.url), **json.loads(request.content)})
            return httpx.Response(200, text="ok")

        http = Http(client=httpx.AsyncClient(transport=httpx.MockTransport(hook)))
        api = Api(SecretStr("xoxb-1"), "https://slack.com/api/")
        heard = Interactions(Operators([ROSA], api), http, lambda url: url.startswith(HOOK))
        slack = Slack(api, "C1", Signed(SecretStr(SECRET), heard, lambda: self.at))
        self.world.services.notifiers = {"slack": slack}
        self.world.app = create_app(self.world.services, self.world.settings)
        self.client = self.world.client()
        return self

    def body(self, action: str, value: str, user: str = ROSA, **payload: Any) -> bytes:
        action_of = {"action_id": f"pipemend_{action}", "value": value, "type": "button", "action_ts": f"{self.at:f}"}
        usual = {
            "type": "block_actions",
            "user": {"id": user, "username": "rosa", "team_id": "T1"},
            "actions": [action_of],
            "response_url": HOOK,
            "trigger_id": f"13345224609.{self.at:.0f}",
        }
        return urlencode({"payload": json.dumps({**usual, **payload})}).encode()

    def signed(self, body: bytes, secret: str = SECRET, at: float | None = None) -> dict[str, str]:
        stamp = str(int(self.at if at is None else at))
        digest = hmac.new(secret.encode(), b"v0:" + stamp.encode() + b":" + body, hashlib.sha256).hexdigest()
        return {
            "X-Slack-Request-Timestamp": stamp,
            "X-Slack-Signature": f"v0={digest}",
            "Content-Type": "application/x-www-form-urlencoded",
        }

    async def calls(self, body: bytes, headers: dict[str, Any] | None = None) -> int:
        assert self.client is not None
        answer = await self.client.post(PATH, content=body, headers=headers or self.signed(body))
        await asyncio.sleep(0.05)  # what is told after the answer
        return answer.status_code

    async def press(self, action: str, value: str, user: str = ROSA) -> int:
        self.at += 1  # a press later is another press
        return await self.calls(self.body(action, value, user))


@pytest.fixture
def workspace(world: World) -> Workspace:
    return Workspace(world).open()


async def now(world: World, ticket: Ticket) -> Ticket:
    return await world.database.read(lambda db: tickets.get(db, ticket.id))


async def audit(world: World) -> list[str]:
    return [line.action for line in await world.all_of(schema.audit_trail)]


async def test_a_yes_in_slack_is_a_yes_in_that_persons_name(world: World, workspace: Workspace):
    ticket = await asked(world)
    said = await workspace.press("approve", f"{ticket.id}:{(ticket.proposal or {})['id']}")

    after = await now(world, ticket)
    assert (said, after.approval, after.approval_by) == (200, Approval.APPROVED, "rosa (Slack U0ROSA)")
    assert workspace.told == []
    (attempt,) = await world.all_of(schema.attempts)
    assert attempt.approved_by == "rosa (Slack U0ROSA)"


async def test_a_stranger_is_told_so_alone_and_nothing_is_done(world: World, workspace: Workspace):
    ticket = await asked(world)
    said = await workspace.press("approve", f"{ticket.id}:{(ticket.proposal or {})['id']}", STRANGER)

    assert (said, (await now(world, ticket)).approval) == (200, Approval.AWAITING)
    (told,) = workspace.told
    assert (told["response_type"], told["replace_original"]) == ("ephemeral", False)
    assert "SLACK_OPERATORS" in told["text"]
    assert "press_refused" in await audit(world)


async def test_a_stale_click_gets_a_polite_answer(world: World, workspace: Workspace):
    ticket = await asked(world)
    await workspace.press("reject", f"{ticket.id}:{(ticket.proposal or {})['id']}")
    said = await workspace.press("approve", f"{ticket.id}:{(ticket.proposal or {})['id']}")

    assert (said, (await now(world, ticket)).approval) == (200, Approval.REJECTED)
    assert workspace.told[-1]["text"] == "Nothing was done: it was rejected already, by rosa (Slack U0ROSA)."


async def test_a_press_that_comes_twice_counts_once(world: World, workspace: Workspace):
    ticket = await world.ticket(run_ended_at=world.clock.now())
    body = workspace.body("acknowledge", f"{ticket.id}:0")
    said = await asyncio.gather(*(workspace.calls(body) for _ in range(3)))

    assert (said, (await now(world, ticket)).status) == ([200] * 3, Status.ACKNOWLEDGED)
    assert workspace.told == []
    assert (await audit(world)).count("acknowledged") == 1
    (kept,) = await world.all_of(schema.deliveries)
    assert (kept.count, kept.body) == (3, b"")


async def test_a_retry_is_for_what_the_person_saw(world: World, workspace: Workspace):
    ticket = await world.ticket(run_ended_at=world.clock.now(), remediation_attempts=2)
    await workspace.press("retry", f"{ticket.id}:1")
    assert "an attempt was made since" in workspace.told[-1]["text"]


async def test_stop_comes_from_slack_too(world: World, workspace: Workspace):
    ticket = await world.ticket(run_ended_at=world.clock.now())
    assert await workspace.press("stop", f"{ticket.id}:0") == 200
    assert (await now(world, ticket)).hands_off == "stopped by rosa (Slack U0ROSA)"


async def test_a_link_is_no_press(world: World, workspace: Workspace):
    body = workspace.body("x", "y", actions=[{"action_id": "a1b2", "type": "button"}])
    assert await workspace.calls(body) == 200
    assert await world.all_of(schema.deliveries) == []


async def test_without_a_secret_there_is_no_door(world: World):
    async with world.client() as client:
        assert (await client.post(PATH, content=b"payload={}")).status_code == 404


GARBAGE: dict[str, bytes] = {
    "nothing": b"",
    "no form": b"\x00\xff\xfe",
    "no payload": b"a=b",
    "no JSON": b"payload=%7Bnope",
    "a list": b"payload=%5B%5D",
    "nested absurdly deep": b"payload=" + b"%5B" * 60_000,
    "many fields": b"&".join(b"a=b" for _ in range(5000)),
    "no user": urlencode({"payload": json.dumps({"type": "block_actions", "actions": []})}).encode(),
    "a user of another kind": urlencode({"payload": '{"type":"block_actions","user":"U1","actions":[]}'}).encode(),
    "actions of another kind": urlencode(
        {"payload": '{"type":"block_actions","user":{"id":"U0ROSA"},"actions":[1,null]}'}
    ).encode(),
}


@pytest.mark.parametrize("body", GARBAGE.values(), ids=list(GARBAGE))
async def test_signed_garbage_is_refused_and_never_breaks_us(world: World, workspace: Workspace, body: bytes):
    assert await workspace.calls(body) in (400, 401)
    assert await world.all_of(schema.deliveries) == []


@pytest.mark.parametrize("value", ["", ":", "no ticket", "ADF-no:1", "x" * 5000 + ":1", "ADF\u0000:1", "ADF:\ud800"])
async def test_a_press_that_names_nothing_of_ours_does_nothing(world: World, workspace: Workspace, value: str):
    for action in ("approve", "acknowledge", "retry", "stop", "reject", "explode"):
        assert await workspace.press(action, value) == 200
    assert await world.all_of(schema.attempts) == []


async def test_a_body_that_is_too_long_is_not_read(workspace: Workspace):
    body = b"payload=" + b"a" * (300 * 1024)
    assert await workspace.calls(body) == 413


async def test_another_address_for_the_answer_is_not_called(world: World, workspace: Workspace):
    ticket = await asked(world)
    body = workspace.body("approve", f"{ticket.id}:0badc0de", response_url="http://169.254.169.254/latest")
    assert await workspace.calls(body) == 200
    assert workspace.told == []


async def test_presses_in_the_wrong_order_leave_one_answer(world: World, workspace: Workspace):
    ticket = await asked(world)
    value = f"{ticket.id}:{(ticket.proposal or {})['id']}"
    later, earlier = workspace.body("reject", value), workspace.body("approve", value)
    headers = workspace.signed(earlier, at=workspace.at - 60)
    assert [await workspace.calls(later), await workspace.calls(earlier, headers)] == [200, 200]
    assert (await now(world, ticket)).approval is Approval.REJECTED
