"""What people do in Jira: signed, followed once, whatever the order; nothing of it starts a run."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from pipemend.clients.http import Http
from pipemend.core.events import StatusChanged
from pipemend.core.ticket import Approval, RemediationStatus, Status, Ticket
from pipemend.flows import issues
from pipemend.notifiers.jira import Jira
from pipemend.notifiers.jira.api import Account, Api
from pipemend.store import events, schema, tickets
from pipemend.web.app import create_app
from tests.web.test_approving import asked
from tests.web.world import World

SECRET = "a secret that Jira has too"
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
PATH, US, ROSA = "/webhook/jira", "account-of-pipemend", "account-of-rosa"
CATEGORIES = {"To Do": "new", "Selected": "new", "In Progress": "indeterminate", "Done": "done", "Odd": "undefined"}
WORDS = {ROSA: "Rosa Lindt", US: "Pipemend"}


@dataclass
class Site:
    """Jira as it calls us."""

    world: World
    at: int = 1_764_000_000_000
    number: int = 10_000
    us: Any = US
    client: httpx.AsyncClient | None = None
    asked: list[str] = field(default_factory=list)

    def open(self) -> "Site":
        def answer(request: httpx.Request) -> httpx.Response:
            self.asked.append(request.url.path)
            if isinstance(self.us, Exception):
                raise self.us
            status = 200 if isinstance(self.us, str) else self.us
            return httpx.Response(status, stream=httpx.ByteStream(json.dumps({"accountId": self.us}).encode()))

        http = Http(client=httpx.AsyncClient(transport=httpx.MockTransport(answer)))
        api = Api(http, "https://example.atlassian.net", Account("us@example.com", SecretStr("t")))
        self.world.services.notifiers = {"jira": Jira(api, "OPS", secret=SecretStr(SECRET))}
        self.world.app = create_app(self.world.services, self.world.settings)
        self.client = self.world.client()
        return self

    def body(
        self,
        status: str = "To Do",
        *,
        moved: bool = True,
        assigned: tuple[str | None, str | None] | None = None,
        user: str = ROSA,
        account_type: str = "atlassian",
        key: str = "OPS-1",
        **more: Any,
    ) -> dict[str, Any]:
        """One change as Jira tells it; each call is a later one."""
        self.at, self.number = self.at + 1000, self.number + 1
        items: list[dict[str, Any]] = []
        if moved:
            items.append({"field": "status", "fieldId": "status", "from": "1", "to": "2", "toString": status})
        if assigned:
            items.append({"field": "assignee", "fieldId": "assignee", "to": assigned[0], "toString": assigned[1]})
        category = {"key": CATEGORIES[status]}
        return {
            "timestamp": self.at,
            "webhookEvent": "jira:issue_updated",
            "issue_event_type_name": "issue_generic",
            "user": {"accountId": user, "displayName": WORDS.get(user, user), "accountType": account_type},
            "issue": {
                "id": "10040",
                "key": key,
                "fields": {
                    "labels": more.pop("labels", []),
                    "creator": {"accountId": more.pop("creator", US)},
                    "status": {"name": status, "statusCategory": category},
                    "assignee": {"accountId": assigned[0], "displayName": assigned[1]} if assigned else None,
                },
            },
            "changelog": {"id": str(self.number), "items": items},
            **more,
        }

    def signed(self, body: bytes, secret: str = SECRET) -> dict[str, str]:
        return {"X-Hub-Signature": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}

    async def posts(self, body: bytes, headers: Any = None, path: str = PATH) -> httpx.Response:
        assert self.client is not None
        return await self.client.post(path, content=body, headers=self.signed(body) if headers is None else headers)

    async def tells(self, body: dict[str, Any], once: str = "") -> httpx.Response:
        raw = json.dumps(body).encode()
        headers = {**self.signed(raw), **({"X-Atlassian-Webhook-Identifier": once} if once else {})}
        return await self.posts(raw, headers)

    async def does(self, status: str = "To Do", **how: Any) -> None:
        """Somebody changes the issue, and Jira tells us, again where the database had no time."""
        body = self.body(status, **how)
        answers = [await self.tells(body)]
        while answers[-1].status_code == 503 and len(answers) < 5:
            answers.append(await self.tells(body))
        assert answers[-1].status_code == 202


@pytest.fixture
def site(world: World) -> Site:
    return Site(world).open()


@pytest.fixture
def small_site(small_world: World) -> Site:
    return Site(small_world).open()


async def kept_in_jira(world: World, **fields: Any) -> Ticket:
    return await world.ticket(itsm_ticket_id="OPS-1", run_ended_at=world.clock.now(), **fields)


async def now(world: World, ticket: Ticket) -> Ticket:
    return await world.database.read(lambda db: tickets.get(db, ticket.id))


async def audit(world: World) -> list[tuple[str, str]]:
    return [(line.action, line.user_name) for line in await world.all_of(schema.audit_trail)]


async def reasons(world: World) -> list[str]:
    return [f"{row.outcome}: {row.reason}" for row in await world.all_of(schema.deliveries)]


async def told(world: World, ticket: Ticket, new_status: str, **place: Any) -> None:
    """Jira has been told of a move of the ticket."""
    event = StatusChanged(ticket_id=ticket.id, new_status=new_status)

    def unit(db: sa.Connection) -> None:
        number = events.record(db, event, world.clock.now(), ["jira"])
        whole = {"key": "OPS-1", "id": "10040", "wrote": "", **place}
        change = schema.receipts.update().where(schema.receipts.c.event_id == number)
        db.execute(change.values(state="sent", place=whole))

    await world.database.write(unit)


async def test_closing_the_issue_closes_the_ticket_with_its_time_and_its_sla(world: World, site: Site):
    ticket = await kept_in_jira(world)
    world.clock.pass_by(minutes=20)
    await site.does("Done")

    after = await now(world, ticket)
    assert (after.status, after.ack_user, after.sla_status) == (Status.ACKNOWLEDGED, "Rosa Lindt (Jira)", "Met")
    assert after.ack_seconds == 1200
    (line,) = await world.all_of(schema.audit_trail)
    assert (line.action, line.user_name, line.mttr_minutes) == ("acknowledged", "Rosa Lindt (Jira)", 20)
    assert await reasons(world) == ["accepted: acknowledge by Rosa Lindt (Jira)"]


async def test_closing_it_takes_a_waiting_attempt_back_and_leaves_a_running_one_alone(world: World, site: Site):
    repair = {"remediation_status": RemediationStatus.IN_PROGRESS}
    waiting = await kept_in_jira(world, **repair)
    await world.attempt(waiting)
    await site.does("Done")
    running = await world.ticket("hourly-load", itsm_ticket_id="OPS-2", remediation_attempts=1, **repair)
    await world.attempt(running, status="in_progress")
    await site.does("Done", key="OPS-2")

    made = {attempt.ticket_id: attempt.status for attempt in await world.all_of(schema.attempts)}
    assert made == {waiting.id: "cancelled", running.id: "in_progress"}
    assert (await now(world, waiting)).remediation_status is None
    assert (await now(world, running)).remediation_status is RemediationStatus.IN_PROGRESS


async def test_reopening_the_issue_reopens_the_ticket_for_people(world: World, site: Site):
    ticket = await kept_in_jira(world)
    await site.does("Done")
    await site.does("To Do")

    after = await now(world, ticket)
    assert (after.status, after.ack_user, after.sla_status) == (Status.OPEN, None, "Pending")
    assert after.hands_off == "reopened by Rosa Lindt (Jira)"
    assert await world.all_of(schema.attempts) == []


@on_sqlite
async def test_work_on_a_closed_issue_reopens_it_and_is_that_persons(world: World, site: Site):
    ticket = await kept_in_jira(world)
    await site.does("Done")
    await site.does("In Progress")

    after = await now(world, ticket)
    assert (after.status, after.hands_off) == (Status.IN_PROGRESS, "Rosa Lindt (Jira) works on it")


@on_sqlite
async def test_what_the_machine_has_healed_reopens_once_its_issue_is_closed(world: World, site: Site):
    """Until our closing has reached Jira, moves there are those of people who do not know yet."""
    ticket = await kept_in_jira(world, status=Status.ACKNOWLEDGED, ack_user="AI_AUTO_HEAL", ack_ts=world.clock.now())
    await site.does("Selected")
    await site.does("In Progress")
    assert (await now(world, ticket)).status is Status.ACKNOWLEDGED

    await told(world, ticket, "acknowledged", closed=True)
    await site.does("To Do")
    assert (await now(world, ticket)).status is Status.OPEN


async def test_somebody_who_works_on_it_has_it_and_may_let_it_go(world: World, site: Site):
    ticket = await asked(world)
    await world.database.write(lambda db: tickets.fill(db, ticket.id, itsm_ticket_id="OPS-1"))
    await site.does("In Progress")
    taken = await now(world, ticket)
    await site.does("Selected")

    assert (taken.status, taken.hands_off) == (Status.IN_PROGRESS, "Rosa Lindt (Jira) works on it")
    assert taken.approval is None  # nobody is asked any more
    left = await now(world, ticket)
    assert (left.status, left.hands_off) == (Status.OPEN, "Rosa Lindt (Jira) works on it")
    assert [action for action, _ in await audit(world)][-2:] == ["taken_over", "let_go"]


async def test_assigning_it_to_a_person_stops_the_machine_and_unassigning_does_not_give_it_back(
    world: World, site: Site
):
    ticket = await kept_in_jira(world, remediation_status=RemediationStatus.IN_PROGRESS)
    await world.attempt(ticket)
    await site.does(moved=False, assigned=("account-of-max", "Max Orth"))
    taken = await now(world, ticket)
    await site.does(moved=False, assigned=(None, None))

    assert taken.hands_off == "assigned to Max Orth by Rosa Lindt (Jira)"
    assert (taken.status, taken.remediation_status) == (Status.OPEN, None)
    assert (await now(world, ticket)).hands_off == taken.hands_off
    (attempt,) = await world.all_of(schema.attempts)
    assert attempt.status == "cancelled"
    assert await audit(world) == [("taken_over", "Rosa Lindt (Jira)")]
    (moved,) = [row for row in await world.all_of(schema.events) if row.name == "status_update"]
    assert moved.data["reason"] == taken.hands_off


@on_sqlite
async def test_a_rule_of_jira_takes_nothing_over_but_may_close(world: World, site: Site):
    ticket = await kept_in_jira(world)
    await site.does("In Progress", account_type="app", user="Automation")
    await site.does(moved=False, assigned=("a1", "Max Orth"), account_type="app", user="Automation")
    untouched = await now(world, ticket)
    await site.does("Done", account_type="app", user="Automation")

    assert (untouched.status, untouched.hands_off) == (Status.OPEN, None)
    assert (await now(world, ticket)).ack_user == "Automation (Jira)"


@on_sqlite
async def test_what_we_do_not_know_or_know_already_changes_nothing(world: World, site: Site):
    ticket = await kept_in_jira(world)
    await site.does("Odd")
    await site.does("Done", key="OPS-9")
    await site.does("Done", moved=False)
    await site.does("To Do")
    await site.does("Selected")

    assert await now(world, ticket) == ticket
    assert [reason for reason in await reasons(world) if not reason.startswith("ignored: ")] == []


@on_sqlite
async def test_other_events_of_jira_change_nothing(world: World, site: Site, wire: Path):
    ticket = await kept_in_jira(world)
    for event in ("jira:issue_created", "jira:issue_deleted", "comment_created", "sprint_started"):
        assert (await site.tells({**site.body("Done"), "webhookEvent": event})).status_code == 202
    comment = (wire / "jira-webhook-comment-created.json").read_bytes()
    assert (await site.posts(comment)).status_code == 202
    assert await now(world, ticket) == ticket


@on_sqlite
async def test_bodies_that_were_captured_are_followed(world: World, site: Site, wire: Path):
    ticket = await world.ticket(itsm_ticket_id="TES-41", run_ended_at=world.clock.now())
    for name in ("in-progress", "resolved"):
        assert (await site.posts((wire / f"jira-webhook-issue-updated-{name}.json").read_bytes())).status_code == 202
        if name == "in-progress":
            assert (await now(world, ticket)).status is Status.IN_PROGRESS
    assert (await now(world, ticket)).ack_user == "Example Person (Jira)"


async def test_a_delivery_that_comes_again_counts_once(world: World, site: Site):
    ticket = await kept_in_jira(world)
    body = site.body("Done")
    said = await asyncio.gather(*(site.tells(body, once="one-and-the-same") for _ in range(3)))
    again = await site.tells(body, once="registered twice")

    assert {answer.status_code for answer in (*said, again)} == {202}
    assert (await audit(world)) == [("acknowledged", "Rosa Lindt (Jira)")]
    assert [row.count for row in await world.all_of(schema.deliveries)] == [3, 1]
    assert (await now(world, ticket)).closed


@on_sqlite
async def test_an_old_closing_that_is_replayed_does_not_close_what_was_reopened(world: World, site: Site):
    ticket = await kept_in_jira(world)
    closing = site.body("Done")
    await site.tells(closing)
    await site.does("To Do")
    world.clock.pass_by(hours=1)
    answer = await site.tells(closing, once="another identifier")

    assert (answer.status_code, (await now(world, ticket)).status) == (202, Status.OPEN)
    assert (await reasons(world))[-1] == "ignored: it is known already, or older than what is known"


async def test_changes_in_the_wrong_order_end_as_the_last_one_says(world: World, site: Site):
    ticket = await kept_in_jira(world)
    works, closes, reopens = site.body("In Progress"), site.body("Done"), site.body("To Do")
    for body in (closes, works, reopens):
        await site.tells(body)
    assert (await now(world, ticket)).status is Status.OPEN
    await site.tells(closes)
    assert (await now(world, ticket)).status is Status.OPEN


@on_sqlite
async def test_a_late_status_is_not_hidden_by_an_assignment_after_it(world: World, site: Site):
    ticket = await kept_in_jira(world)
    closes, assigned = site.body("Done"), site.body("Done", moved=False, assigned=("a1", "Max Orth"))
    await site.tells(assigned)
    await site.tells(closes)
    assert (await now(world, ticket)).closed


@on_sqlite
async def test_our_own_closing_does_not_come_back_as_a_persons(world: World, site: Site):
    ticket = await kept_in_jira(world, status=Status.ACKNOWLEDGED, ack_user="AI_AUTO_HEAL", ack_ts=world.clock.now())
    await told(world, ticket, "acknowledged", closed=True)
    await site.does("In Progress", user=US)  # on the way
    await site.does("Done", user=US)

    assert (await now(world, ticket)) == ticket
    assert await reasons(world) == ["ignored: our own change"] * 2


@on_sqlite
async def test_a_late_echo_of_our_closing_does_not_close_what_failed_again(world: World, site: Site):
    ticket = await kept_in_jira(world)
    await told(world, ticket, "acknowledged", closed=True)
    await told(world, ticket, "open", closed=False)
    await site.does("Done", user=US)
    assert (await now(world, ticket)).status is Status.OPEN


@on_sqlite
async def test_a_person_whose_token_we_use_is_a_person_still(world: World, site: Site):
    ticket = await kept_in_jira(world)
    await site.does(moved=False, assigned=(US, "Pipemend"), user=US)
    taken = await now(world, ticket)
    await site.does("Done", user=US)

    assert taken.hands_off == "assigned to Pipemend by Pipemend (Jira)"
    assert (await now(world, ticket)).ack_user == "Pipemend (Jira)"


@on_sqlite
async def test_an_issue_whose_receipt_was_not_saved_is_found_by_its_label(world: World, site: Site):
    ticket = await world.ticket(run_ended_at=world.clock.now())
    await site.does("Done", labels=[ticket.id], creator=ROSA)
    copied = await now(world, ticket)
    await site.does("Done", labels=["x", ticket.id])

    assert copied.status is Status.OPEN  # a person made it: a copy, or a label that was given away
    assert (await now(world, ticket)).closed


@on_sqlite
async def test_a_copy_of_the_issue_is_not_the_issue_and_a_moved_one_is(world: World, site: Site):
    ticket = await kept_in_jira(world)
    await told(world, ticket, "open")
    copy = site.body("Done", key="OPS-2", labels=[ticket.id])
    copy["issue"]["id"] = "10041"
    await site.tells(copy)
    left = await now(world, ticket)
    await site.does("Done", key="DATA-7", labels=[ticket.id])

    assert left.status is Status.OPEN
    assert (await now(world, ticket)).closed


async def test_who_we_are_is_asked_once_and_a_change_waits_until_it_is_known(world: World, site: Site):
    ticket = await kept_in_jira(world)
    site.us = httpx.ConnectError("away")
    body = site.body("Done")
    first = await site.tells(body, once="n1")
    site.us = US
    again = await site.tells(body, once="n1")
    await site.does("To Do")

    assert (first.status_code, again.status_code) == (503, 202)
    assert first.headers["retry-after"]
    assert len(site.asked) == 2
    assert (await now(world, ticket)).status is Status.OPEN


@on_sqlite
async def test_people_are_followed_when_our_token_is_good_for_nothing(world: World, site: Site):
    ticket = await kept_in_jira(world)
    site.us = 401
    await site.does("Done")
    assert (await now(world, ticket)).closed


@on_sqlite
async def test_a_merged_ticket_stays_merged(world: World, site: Site):
    merged = {"status": Status.ACKNOWLEDGED, "ack_user": "MERGED", "merged_into": "ADF-2", "ack_ts": world.clock.now()}
    ticket = await kept_in_jira(world, **merged)
    await told(world, ticket, "acknowledged", closed=True)
    await site.does("To Do")
    assert (await now(world, ticket)) == ticket
    assert (await reasons(world))[-1] == "ignored: nothing was done: it is merged into ADF-2"


@on_sqlite
async def test_an_admin_reads_a_kept_change_again_and_it_stays_harmless(world: World, site: Site):
    ticket = await kept_in_jira(world)
    await site.does("Done")
    async with await world.a_client("admin") as admin:
        answer = await admin.post("/api/deliveries/1/replay")

    assert (answer.status_code, (await now(world, ticket)).ack_user) == (202, "Rosa Lindt (Jira)")
    assert [row.replay_of for row in await world.all_of(schema.deliveries)] == [None, 1]
    assert (await audit(world))[-1] == ("delivery_replayed", "admin")


async def test_what_we_stumble_over_is_kept_and_can_be_read_again(
    small_world: World, small_site: Site, monkeypatch: pytest.MonkeyPatch
):
    ticket = await kept_in_jira(small_world)
    with monkeypatch.context() as patched:
        patched.setattr(issues, "follow", lambda *_: 1 / 0)
        answer = await small_site.tells(small_site.body("Done"))
    assert (answer.status_code, (await now(small_world, ticket)).status) == (400, Status.OPEN)
    assert (await reasons(small_world))[0].startswith("unreadable: it could not be followed")
    async with await small_world.a_client("admin") as admin:
        await admin.post("/api/deliveries/1/replay")
    assert (await now(small_world, ticket)).closed


async def test_the_alias_and_the_secret_alone_let_in_too(small_world: World, small_site: Site):
    ticket = await kept_in_jira(small_world)
    body = json.dumps(small_site.body("Done")).encode()
    plain = SECRET.replace(" ", "%20")
    said = [
        await small_site.posts(body, path="/jira-webhook"),
        await small_site.posts(body, {}, f"{PATH}?secret={plain}"),
        await small_site.posts(body, {"X-Pipemend-Secret": SECRET}),
    ]
    assert [answer.status_code for answer in said] == [202] * 3
    assert (await now(small_world, ticket)).closed


async def test_without_a_secret_there_is_no_door(small_world: World):
    async with small_world.client() as client:
        for path in (PATH, "/jira-webhook"):
            assert (await client.post(path, content=b"{}")).status_code == 404


Forge = Callable[[Site, bytes], tuple[bytes, dict[str, Any], str]]


def header(name: str, value: Any) -> Forge:
    return lambda site, body: (body, {**site.signed(body), name: value}, PATH)


FORGED: dict[str, Forge] = {
    "another secret": lambda site, body: (body, site.signed(body, "another secret"), PATH),
    "an empty secret": lambda site, body: (body, site.signed(body, ""), PATH),
    "another body": lambda site, body: (body.replace(b"Rosa", b"Rose"), site.signed(body), PATH),
    "a byte more": lambda site, body: (body + b" ", site.signed(body), PATH),
    "not signed": lambda site, body: (body, {"X-Nothing": "1"}, PATH),
    "another algorithm": lambda site, body: (
        body,
        {"X-Hub-Signature": "sha1=" + hmac.new(SECRET.encode(), body, "sha1").hexdigest()},
        PATH,
    ),
    "signed with the algorithm of none": header("X-Hub-Signature", "none="),
    "half of a signature": header("X-Hub-Signature", "sha256="),
    "a signature in capitals": lambda site, body: (
        body,
        {"X-Hub-Signature": site.signed(body)["X-Hub-Signature"].upper()},
        PATH,
    ),
    "a signature that is no ASCII": header("X-Hub-Signature", "sha256=\u00e9".encode("latin-1")),
    "an endless signature": header("X-Hub-Signature", "sha256=" + "0" * 8000),
    "the signature of the newer header alone": lambda site, body: (
        body,
        {"X-Hub-Signature-256": site.signed(body)["X-Hub-Signature"]},
        PATH,
    ),
    "a wrong secret in the address": lambda site, body: (body, {"X-Nothing": "1"}, f"{PATH}?secret=guess"),
    "an empty secret in the address": lambda site, body: (body, {"X-Nothing": "1"}, f"{PATH}?secret="),
    "a wrong secret in the header": lambda site, body: (body, {"X-Pipemend-Secret": "guess"}, PATH),
    "the secret as a path": lambda site, body: (body, {"X-Nothing": "1"}, f"{PATH}/{SECRET.replace(' ', '%20')}"),
}


async def test_what_jira_has_not_signed_is_turned_away(small_world: World, small_site: Site):
    ticket = await kept_in_jira(small_world)
    said = {}
    for name, forge in FORGED.items():
        body, headers, path = forge(small_site, json.dumps(small_site.body("Done")).encode())
        said[name] = (await small_site.posts(body, headers, path)).status_code

    assert said == {name: 404 if name == "the secret as a path" else 401 for name in FORGED}
    assert (await now(small_world, ticket)) == ticket
    assert await small_world.all_of(schema.deliveries) == []


def odd(**changes: Any) -> Callable[[Site], bytes]:
    return lambda site: json.dumps({**site.body("Done"), **changes}).encode()


def of_issue(**changes: Any) -> Callable[[Site], bytes]:
    def make(site: Site) -> bytes:
        body = site.body("Done")
        return json.dumps({**body, "issue": {**body["issue"], **changes}}).encode()

    return make


GARBAGE: dict[str, Callable[[Site], bytes]] = {
    "nothing": lambda _: b"",
    "no JSON": lambda _: b"{nope",
    "no text": lambda _: b"\x00\xff\xfe",
    "a list": lambda _: b"[]",
    "a word": lambda _: b'"jira:issue_updated"',
    "nested absurdly deep": lambda _: b'{"a":' * 40_000,
    "a number without end": lambda _: b'{"timestamp":' + b"9" * 10_000 + b"}",
    "no event": odd(webhookEvent=None),
    "an event of another kind": odd(webhookEvent=["jira:issue_updated"]),
    "no issue": odd(issue=None),
    "an issue of another kind": odd(issue="OPS-1"),
    "no fields": of_issue(fields=None),
    "a key that is none": of_issue(key="OPS-1' OR 1=1"),
    "a key of another kind": of_issue(key=1),
    "no id": of_issue(id=None),
    "no time": odd(timestamp=None),
    "a time in words": odd(timestamp="now"),
    "a time that is true": odd(timestamp=True),
    "a time before all": odd(timestamp=-1),
    "a time to come": odd(timestamp=9_999_999_999_999),
    "a time that is not one": odd(timestamp=float("nan")),
}


async def test_signed_garbage_is_refused_kept_and_changes_nothing(small_world: World, small_site: Site):
    ticket = await kept_in_jira(small_world)
    said = {name: await small_site.posts(make(small_site)) for name, make in GARBAGE.items()}

    assert {name: answer.status_code for name, answer in said.items()} == dict.fromkeys(GARBAGE, 400)
    assert {answer.headers["content-type"] for answer in said.values()} == {"application/problem+json"}
    assert (await now(small_world, ticket)) == ticket
    assert [reason.split(":")[0] for reason in await reasons(small_world)] == ["unreadable"] * len(GARBAGE)


ODD: dict[str, dict[str, Any]] = {
    "no user": {"user": None},
    "a user of another kind": {"user": "rosa"},
    "a user without a name": {"user": {}},
    "a name of another kind": {"user": {"displayName": {"a": 1}}},
    "a name that turns": {"user": {"displayName": "\u202eRosa\x00\n\nLindt" + "x" * 5000}},
    "a name of ours": {"user": {"displayName": "AI_AUTO_HEAL"}},
    "half a character": {"user": {"displayName": "\ud800Rosa"}},
    "a change without a number": {"number": None},
    "a change of a strange number": {"number": "9" * 400},
}


async def test_odd_names_and_numbers_do_no_harm(world: World, site: Site):
    names = []
    for number, how in enumerate(ODD.values()):
        ticket = await world.ticket(f"load-{number}", itsm_ticket_id=f"OPS-{number}", run_ended_at=world.clock.now())
        body = site.body("Done", key=f"OPS-{number}")
        body["user"] = how.get("user", body["user"])
        body["changelog"]["id"] = how.get("number", body["changelog"]["id"])
        assert (await site.tells(body)).status_code == 202
        names.append(str((await now(world, ticket)).ack_user))

    assert [name for name in names if not (name.endswith(" (Jira)") and name.isprintable() and len(name) < 80)] == []
    assert names[5] == "AI_AUTO_HEAL (Jira)"


async def test_a_change_that_says_nothing_of_itself_changes_nothing(small_world: World, small_site: Site):
    ticket = await kept_in_jira(small_world)
    logs: list[Any] = [None, "x", {}, {"items": None}, {"items": "x"}, {"items": [None, 1, "status", {}]}]
    for log in logs:
        assert (await small_site.tells({**small_site.body("Done"), "changelog": log})).status_code == 202
    assert (await now(small_world, ticket)) == ticket


async def test_a_body_that_is_too_long_is_not_read(small_world: World, small_site: Site):
    body = json.dumps({**small_site.body("Done"), "padding": "x" * 300_000}).encode()
    assert (await small_site.posts(body)).status_code == 413
    assert await small_world.all_of(schema.deliveries) == []


async def test_other_methods_are_refused(small_site: Site):
    assert small_site.client is not None
    assert (await small_site.client.get(PATH)).status_code == 405


async def test_nothing_that_jira_says_ever_starts_a_run(small_world: World, small_site: Site):
    await kept_in_jira(small_world)
    for status in ("In Progress", "To Do", "Done", "To Do", "Done", "In Progress", "Selected"):
        await small_site.does(status)
    assert await small_world.all_of(schema.attempts) == []
    assert small_world.services.engine.begun == []  # type: ignore[attr-defined]


async def test_a_flood_of_changes_of_one_issue_ends_as_the_last_one_says(world: World, site: Site):
    ticket = await kept_in_jira(world)
    bodies = [site.body(("Done", "To Do")[number % 2]) for number in range(12)]
    said = await asyncio.gather(*(site.tells(body) for body in bodies))
    assert {answer.status_code for answer in said} <= {202, 503}
    late = [body for body, answer in zip(bodies, said, strict=True) if answer.status_code == 503]
    for body in late:
        await site.tells(body)
    assert (await now(world, ticket)).status is Status.OPEN
    assert Approval.AWAITING is not (await now(world, ticket)).approval


async def test_a_nul_in_a_label_is_no_reason_to_be_asked_again(postgresql_world: World):
    site = Site(postgresql_world).open()
    body = site.body("Done")
    body["issue"]["fields"]["labels"] = ["a\x00b", "c\ud800"]
    assert (await site.tells(body)).status_code == 202
