"""Whoever knows no secret of ours changes nothing, whatever they send to the doors of Slack and of playbooks.

The forged ones are signed wrongly, the odd ones rightly: Slack itself, or a person in it, may send what it likes.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from pipemend.core.callback import PATH as CALLBACK
from pipemend.core.callback import token
from pipemend.core.ticket import Ticket
from pipemend.notifiers.slack.door import PATH
from pipemend.store import schema
from tests.web.test_approving import asked
from tests.web.test_presses import ROSA, SECRET, Workspace
from tests.web.world import World

Headers = Mapping[str, Any]
Attack = Callable[[Workspace, Ticket], tuple[bytes, Headers]]
TABLES = (schema.tickets, schema.attempts, schema.audit_trail, schema.deliveries, schema.events, schema.receipts)


@pytest.fixture
def workspace(small_world: World) -> Workspace:
    return Workspace(small_world).open()


async def everything(world: World) -> list[Any]:
    return [await world.all_of(table) for table in TABLES]


def yes(w: Workspace, ticket: Ticket, **payload: Any) -> bytes:
    return w.body("approve", f"{ticket.id}:{(ticket.proposal or {})['id']}", **payload)


def turned(change: Callable[[dict[str, str]], Headers]) -> Attack:
    """A good press whose headers were changed on the way."""

    def attack(w: Workspace, ticket: Ticket) -> tuple[bytes, Headers]:
        body = yes(w, ticket)
        return body, change(w.signed(body))

    return attack


def stamped(seconds: float) -> Attack:
    """Signed rightly, at another time."""
    return lambda w, ticket: (body := yes(w, ticket), w.signed(body, at=w.at + seconds))


def restamped(w: Workspace, ticket: Ticket) -> tuple[bytes, Headers]:
    """An old press with a fresh time beside its old signature."""
    body = yes(w, ticket)
    return body, {**w.signed(body, at=w.at - 3600), "X-Slack-Request-Timestamp": str(int(w.at))}


def somebody_elses(w: Workspace, ticket: Ticket) -> tuple[bytes, Headers]:
    """The signature of a harmless press on a dangerous one."""
    return yes(w, ticket), w.signed(w.body("acknowledge", "ADF-1:0"))


def another_scheme(w: Workspace, ticket: Ticket) -> tuple[bytes, Headers]:
    """What would be right if the time were no part of what is signed."""
    import hashlib
    import hmac

    body = yes(w, ticket)
    return body, {
        **w.signed(body),
        "X-Slack-Signature": f"v0={hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()}",
    }


def signature(change: Callable[[str], Any]) -> Attack:
    return turned(lambda headers: {**headers, "X-Slack-Signature": change(headers["X-Slack-Signature"])})


def stamp(value: Any) -> Attack:
    return turned(lambda headers: {**headers, "X-Slack-Request-Timestamp": value})


FORGED: dict[str, Attack] = {
    "another secret": lambda w, t: (body := yes(w, t), w.signed(body, "another secret")),
    "an empty secret": lambda w, t: (body := yes(w, t), w.signed(body, "")),
    "the scheme's name as the secret": lambda w, t: (body := yes(w, t), w.signed(body, "v0")),
    "another body": lambda w, t: (yes(w, t).replace(b"approve", b"reject"), w.signed(yes(w, t))),
    "more behind the body": lambda w, t: (yes(w, t) + b"&payload=%7B%7D", w.signed(yes(w, t))),
    "a blank behind the body": lambda w, t: (yes(w, t) + b" ", w.signed(yes(w, t))),
    "somebody else's signature": somebody_elses,
    "a fresh time beside an old signature": restamped,
    "a signature without the time": another_scheme,
    "signed long ago": stamped(-301),
    "signed tomorrow": stamped(86400),
    "signed a little too early": stamped(302),
    "signed at the beginning of time": stamped(-1_790_000_000.0),
    "not signed": turned(lambda _: {"Content-Type": "application/x-www-form-urlencoded"}),
    "without a signature": turned(lambda headers: {k: v for k, v in headers.items() if "Signature" not in k}),
    "without a time": turned(lambda headers: {k: v for k, v in headers.items() if "Timestamp" not in k}),
    "an empty signature": signature(lambda _: ""),
    "half a signature": signature(lambda right: right[:35]),
    "a longer signature": signature(lambda right: right + "0"),
    "a signature of another version": signature(lambda right: right.replace("v0", "v1")),
    "a signature without its version": signature(lambda right: right.removeprefix("v0=")),
    "a signature that is no ASCII": signature(lambda _: "v0=é".encode("latin-1")),
    "a signature of ten thousand": signature(lambda right: right * 150),
    "an empty time": stamp(""),
    "a time in words": stamp("now"),
    "a negative time": stamp("-1"),
    "an endless time": stamp("9" * 5000),
    "a time with a fraction": turned(
        lambda h: {**h, "X-Slack-Request-Timestamp": f"{h['X-Slack-Request-Timestamp']}.0"}
    ),
    "a time with a sign": turned(lambda h: {**h, "X-Slack-Request-Timestamp": f"+{h['X-Slack-Request-Timestamp']}"}),
    "digits of another script": stamp("²".encode("latin-1")),
}


async def test_what_slack_has_not_just_signed_changes_nothing(small_world: World, workspace: Workspace):
    ticket = await asked(small_world)
    before = await everything(small_world)
    for name, attack in FORGED.items():
        body, headers = attack(workspace, ticket)
        assert await workspace.calls(body, dict(headers)) == 401, name
        assert await everything(small_world) == before, name


ODD_PAYLOADS: dict[str, Mapping[str, Any]] = {
    "a user that is a list": {"user": {"id": [ROSA]}},
    "a user in small letters": {"user": {"id": ROSA.lower()}},
    "a user with blanks around": {"user": {"id": f" {ROSA} "}},
    "a user with a name that looks like an operator": {"user": {"id": "U9", "username": f"rosa (Slack {ROSA})"}},
    "a user named like the machine": {"user": {"id": "U9", "username": "AI_AUTO_HEAL"}},
    "a user of a thousand letters": {"user": {"id": ROSA * 1000}},
    "a user with a NUL": {"user": {"id": f"{ROSA}\0"}},
    "another kind": {"type": "view_submission"},
    "a kind that is a list": {"type": ["block_actions"]},
    "a kind in capitals": {"type": "BLOCK_ACTIONS"},
    "no action": {"actions": []},
}


async def test_nobody_but_who_is_named_starts_anything(small_world: World, workspace: Workspace):
    ticket = await asked(small_world)
    before = await small_world.all_of(schema.tickets)
    for name, payload in ODD_PAYLOADS.items():
        assert await workspace.calls(yes(workspace, ticket, **payload)) in (200, 400), name
        assert await small_world.all_of(schema.tickets) == before, name
    assert await small_world.all_of(schema.attempts) == []


VALUES = {
    "no proposal": "{id}:",
    "the proposal of another ticket": "{id}:0badc0de0bad",
    "a proposal with more behind": "{id}:{proposal}0",
    "a proposal in capitals": "{id}:{PROPOSAL}",
    "a ticket with a blank": "{id} :{proposal}",
    "a ticket in small letters": "{small}:{proposal}",
    "any ticket": "%:{proposal}",
    "a statement": "{id}' OR '1'='1:{proposal}",
    "a path": "../{id}:{proposal}",
    "None": "{id}:None",
}


async def test_a_yes_to_something_else_starts_nothing(small_world: World, workspace: Workspace):
    ticket = await asked(small_world)
    before = await small_world.all_of(schema.tickets)
    proposal = str((ticket.proposal or {})["id"])
    words = {"id": ticket.id, "small": ticket.id.lower(), "proposal": proposal, "PROPOSAL": f"{proposal.upper()}A"}
    for name, value in VALUES.items():
        assert await workspace.press("approve", value.format(**words)) == 200, name
        assert await small_world.all_of(schema.tickets) == before, name
    assert await small_world.all_of(schema.attempts) == []


async def test_a_thousand_actions_in_one_press_are_not_all_read(small_world: World, workspace: Workspace):
    ticket = await small_world.ticket(run_ended_at=small_world.clock.now())
    action = {"action_id": "pipemend_retry", "type": "button"}
    many = [{**action, "value": f"{ticket.id}:{n}", "action_ts": str(n)} for n in range(1, 1000)]

    assert await workspace.calls(workspace.body("x", "y", actions=many)) == 200
    assert len(await small_world.all_of(schema.deliveries)) <= 5


async def test_a_replay_within_the_window_does_nothing_more(small_world: World, workspace: Workspace):
    ticket = await small_world.ticket(run_ended_at=small_world.clock.now())
    body = workspace.body("stop", f"{ticket.id}:0")
    headers = workspace.signed(body)
    assert await workspace.calls(body, headers) == 200
    async with await small_world.a_client("operator") as client:  # somebody gives the machine the word back
        await client.post(f"/api/tickets/{ticket.id}/acknowledge")
        await client.post(f"/api/tickets/{ticket.id}/reopen")
    before = [await small_world.all_of(table) for table in (schema.tickets, schema.audit_trail, schema.events)]

    assert [await workspace.calls(body, headers) for _ in range(3)] == [200] * 3
    after = [await small_world.all_of(table) for table in (schema.tickets, schema.audit_trail, schema.events)]
    assert after == before
    assert workspace.told == []


async def test_a_long_body_without_a_length_is_stopped_while_it_comes(small_world: World, workspace: Workspace):
    async def pieces():
        for _ in range(600):
            yield b"a" * 1024

    assert workspace.client
    answer = await workspace.client.post(PATH, content=pieces(), headers=workspace.signed(b""))
    assert answer.status_code == 413


async def test_there_is_no_other_way_in(small_world: World, workspace: Workspace):
    ticket = await asked(small_world)
    body = yes(workspace, ticket)
    assert workspace.client
    for method in ("GET", "PUT", "DELETE", "OPTIONS"):
        answer = await workspace.client.request(method, PATH, content=body, headers=workspace.signed(body))
        assert answer.status_code == 405, method
    for path in (f"{PATH}/", f"{PATH}/x", "/slack", PATH.upper(), f"/{PATH}"):
        address = f"http://pipemend.test{path}"
        answer = await workspace.client.post(address, content=body, headers=workspace.signed(body))
        assert answer.status_code in (401, 404, 405), path
    assert await small_world.all_of(schema.attempts) == []


# playbooks

CALLS: dict[str, Callable[[str, str, str], str]] = {
    "no token": lambda key, right, other: urlencode({"attempt": key}),
    "no attempt": lambda key, right, other: urlencode({"token": right}),
    "an empty token": lambda key, right, other: urlencode({"attempt": key, "token": ""}),
    "the token of another attempt": lambda key, right, other: urlencode({"attempt": key, "token": other}),
    "half the token": lambda key, right, other: urlencode({"attempt": key, "token": right[:32]}),
    "more than the token": lambda key, right, other: urlencode({"attempt": key, "token": right + "0"}),
    "the token in capitals": lambda key, right, other: urlencode({"attempt": key, "token": right.upper() + "F"}),
    "a token without a secret": lambda key, right, other: urlencode({"attempt": key, "token": token("", key)}),
    "the attempt as its own token": lambda key, right, other: urlencode({"attempt": key, "token": key}),
    "an attempt in small letters": lambda key, right, other: urlencode({"attempt": key.lower(), "token": right}),
    "an attempt with a blank": lambda key, right, other: urlencode({"attempt": f"{key} ", "token": right}),
    "an attempt with a NUL": lambda key, right, other: urlencode({"attempt": f"{key}\0", "token": right}),
    "two attempts": lambda key, right, other: f"attempt={quote(key)}&attempt=ADF-x-1&token={right}",
    "two tokens": lambda key, right, other: f"attempt={quote(key)}&token={right}&token={other}",
    "an endless token": lambda key, right, other: urlencode({"attempt": key, "token": right * 200}),
    "half a character": lambda key, right, other: f"attempt={quote(key)}&token=%ED%A0%80",
}


async def test_a_forged_callback_wakes_nobody(small_world: World):
    ticket = await small_world.ticket(remediation_status="in_progress")
    await small_world.attempt(ticket, status="in_progress", due_at=small_world.clock.now())
    (attempt,) = await small_world.all_of(schema.attempts)
    before = await everything(small_world)
    secret = "a secret of the test"
    right, other = token(secret, attempt.key), token(secret, "ADF-x-1")
    async with small_world.client() as client:
        for name, query in CALLS.items():
            for body in (b"", b'{"status": "Succeeded"}', b"[" * 50_000):
                answer = await client.post(f"{CALLBACK}?{query(attempt.key, right, other)}", content=body)
                assert answer.status_code in (401, 422), name
            assert await everything(small_world) == before, name


async def test_a_callback_says_nothing_that_is_believed(small_world: World):
    """Replayed, contradicting, too early: all it does is to wake the look at the platform."""
    ticket = await small_world.ticket(remediation_status="in_progress")
    await small_world.attempt(ticket, status="in_progress", due_at=small_world.clock.now())
    (attempt,) = await small_world.all_of(schema.attempts)
    tickets = await small_world.all_of(schema.tickets)
    address = f"{CALLBACK}?{urlencode({'attempt': attempt.key, 'token': token('a secret of the test', attempt.key)})}"

    async with small_world.client() as client:
        for status in ("Succeeded", "Failed", "Succeeded", "Cancelled", "Deleted", None):
            body = json.dumps({"status": status, "runId": "somebody-elses", "attempt": "ADF-x-1"})
            assert (await client.post(address, content=body)).status_code == 202
    (after,) = await small_world.all_of(schema.attempts)
    assert (after.status, after.remediation_run_id) == ("in_progress", None)
    assert await small_world.all_of(schema.tickets) == tickets
