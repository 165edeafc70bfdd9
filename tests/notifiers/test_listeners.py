"""Teams, PagerDuty and a webhook as they are built from settings and routes, against the twin and its refusals."""

import json
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipemend.core.errors import NoAnswer, OutsideError, Refused, SettingsError, Throttled
from pipemend.core.ports import News, Notifier, Receipt
from pipemend.core.route import Route, Secret
from pipemend.notifiers import pagerduty, teams, webhook
from pipemend.settings import Settings
from pipemend.twin import running
from pipemend.twin.listeners import ROUTING_KEY, SIG, WEBHOOK_SECRET
from tests.notifiers.samples import (
    BEGAN,
    ENDED,
    EVERY_EVENT,
    GREW,
    HANDOVER,
    RANG,
    STORM,
    TICKET,
    an_attempt,
    asked,
    breached,
    closed_by,
    exhausted,
    granted,
    opened,
    repeated,
    retried,
    started,
    succeeded,
)
from tests.notifiers.test_slack_limits import MANY, TICKETS, with_texts

PAGES = Path(__file__).parents[2] / "docs"
OTHER_KEY = "R0UT1NGKEY0000000000000000000TW2"
SOME = settings(MANY, max_examples=20)
BUILDERS = {"teams": teams.build, "pagerduty": pagerduty.build, "webhook": webhook.build}


class Twin:
    def __init__(self, base: str, http: httpx.AsyncClient) -> None:
        self.base, self.http = base, http
        self.teams_url = f"{base}/teams/workflows/alerts/triggers/manual/paths/invoke?sig={SIG}"

    def settings(self, **changes: str) -> Settings:
        given = {
            "ALLOWED_HOSTS": "127.0.0.1",
            "TEAMS_WEBHOOK_URL": self.teams_url,
            "PAGERDUTY_ROUTING_KEY": ROUTING_KEY,
            "PAGERDUTY_URL": f"{self.base}/pagerduty",
            "WEBHOOK_URL": f"{self.base}/hooks/pipemend",
            "WEBHOOK_SECRET": WEBHOOK_SECRET,
        }
        return Settings.of({**given, **changes})

    async def get(self, path: str) -> Any:
        return (await self.http.get(f"/twin/{path}")).raise_for_status().json()

    async def fault(self, service: str, kind: str, **more: Any) -> None:
        given = {"match": {"service": service}, "kind": kind, **more}
        (await self.http.post("/twin/faults", json=given)).raise_for_status()

    async def cards(self) -> list[Any]:
        return list((await self.get("teams/cards"))["cards"])

    async def alerts(self) -> list[Any]:
        return list((await self.get("pagerduty/alerts"))["alerts"])

    async def posts(self) -> list[Any]:
        return list((await self.get("hooks"))["posts"])


@pytest.fixture
async def twin() -> AsyncIterator[Twin]:
    async with running() as base, httpx.AsyncClient(base_url=base, trust_env=False) as http:
        yield Twin(base, http)


async def tell(notifier: Notifier, *story: News, receipt: Receipt | None = None) -> Receipt | None:
    for news in story:
        receipt = await notifier.tell(news, receipt)
    return receipt


def built(name: str, twin: Twin, routes: Sequence[Route] = (), **changes: str) -> Notifier:
    notifier = BUILDERS[name](twin.settings(**changes), routes)
    assert notifier
    return notifier


async def test_teams_shows_what_people_should_know_and_no_steps_on_the_way(twin: Twin):
    channel = built("teams", twin)
    await tell(channel, opened(), started(), retried(), started(2), asked(), exhausted(), breached(), succeeded(2))
    await channel.sum_up(BEGAN, None)
    await channel.sum_up(GREW, None)
    await channel.sum_up(RANG, None)
    await channel.close()

    assert [as_read(card).splitlines()[0] for card in await twin.cards()] == [
        "🚨 nightly-load failed",
        "🔔 Approval needed for nightly-load",
        "⚠️ Auto-remediation failed for nightly-load after 3 attempts",
        "⏰ SLA breached: still open after 30 minutes (10:45 UTC) (nightly-load)",
        "✅ Auto-remediation successful for nightly-load",
        "🌩️ 21 failures: GatewayTimeout on contoso",
        "⚠️ 12 of 300 failures are left to people: GatewayTimeout on contoso",
    ]


async def test_a_card_that_may_have_arrived_says_that_it_comes_again(twin: Twin):
    channel = built("teams", twin)
    await twin.fault("teams", "drop_after")
    with pytest.raises(NoAnswer):
        await channel.tell(exhausted(), None)
    await channel.tell(repeated(exhausted()), None)
    await channel.close()

    first, again = await twin.cards()
    assert teams.AGAIN not in as_read(first)
    assert teams.AGAIN in as_read(again)


@SOME
@given(fields=TICKETS, name=st.sampled_from(sorted(EVERY_EVENT)))
def test_a_card_stays_within_the_limit_and_holds_no_empty_text_whatever_a_ticket_says(
    fields: dict[str, Any], name: str
):
    nasty = with_texts(EVERY_EVENT[name], fields)
    card = teams.card(nasty)
    if card is None:
        return
    sent = teams.body(card, again=True)
    content = json.loads(sent)["attachments"][0]["content"]

    assert len(sent) <= teams.LARGEST
    assert sent.isascii()
    assert all(run["text"] for block in content["body"] for run in block["inlines"])


def test_what_does_not_fit_into_a_card_is_left_out_from_its_end():
    huge = replace(opened(), ticket=replace(opened().ticket, rca_result="€" * 9000, error_message="ü" * 9000))
    card = teams.card(huge)
    assert card
    content = json.loads(teams.body(card))["attachments"][0]["content"]

    assert teams.SHORTENED in as_read(content)
    assert content["actions"][0]["title"] == "View in Dashboard"


async def test_pagerduty_is_called_when_people_are_needed_and_resolved_when_nobody_is(twin: Twin):
    duty = built("pagerduty", twin)
    receipt = await tell(duty, opened(), started(), retried(), repeated(asked()), asked(), granted(), started(2))
    await tell(duty, exhausted(), closed_by("rosa"), receipt=receipt)
    await duty.sum_up(RANG, None)
    await duty.close()

    yes, call, storm = await twin.alerts()
    assert [(a["dedup_key"], a["status"], a["log"]) for a in (yes, call, storm)] == [
        (TICKET, "resolved", ["trigger", "trigger", "resolve"]),
        (TICKET, "resolved", ["trigger", "resolve"]),
        (STORM, "triggered", ["trigger"]),
    ]
    said = call["payload"]
    assert said["summary"] == "⚠️ Auto-remediation failed for nightly-load after 3 attempts: GatewayTimeout"
    assert (said["severity"], said["component"], said["class"]) == ("error", "nightly-load", "GatewayTimeout")
    assert said["custom_details"]["handover"][3] == "Ruled out: all 3 attempts are used"
    assert storm["payload"]["severity"] == "critical"


async def test_a_repair_that_heals_by_itself_wakes_nobody(twin: Twin):
    duty = built("pagerduty", twin)
    await tell(duty, opened(), started(), retried(), started(2), succeeded(2))
    await duty.sum_up(BEGAN, None)
    await duty.sum_up(ENDED, None)
    await duty.close()

    assert await twin.alerts() == []
    assert (await twin.get("requests?service=pagerduty"))["requests"] == []


async def test_an_alert_is_resolved_with_the_key_that_triggered_it_although_the_route_has_changed(twin: Twin):
    await twin.http.put("/twin/pagerduty", json={"keys": [OTHER_KEY]})
    route = Route(match="*", pagerduty_routing_key=Secret("/run/secrets/other", OTHER_KEY))
    duty = built("pagerduty", twin, [route])
    receipt = await duty.tell(exhausted(route=route), None)
    await duty.tell(closed_by("rosa"), receipt)
    await duty.close()
    assert receipt
    assert OTHER_KEY not in json.dumps(dict(receipt.place))

    without = built("pagerduty", twin)
    dropped = await without.tell(closed_by("rosa"), Receipt(dict(receipt.place)))
    await without.close()

    (alert,) = await twin.alerts()
    assert (alert["status"], alert["log"]) == ("resolved", ["trigger", "resolve"])
    assert dropped  # nobody knows its key any more: it is let go, and the ticket's later events are told


async def test_a_call_that_waited_until_nobody_was_needed_wakes_nobody(twin: Twin):
    duty = built("pagerduty", twin)
    closed = closed_by("rosa").ticket
    late = replace(exhausted(), ticket=closed)
    receipt = await tell(duty, late, replace(asked(), ticket=granted().ticket))
    assert await twin.alerts() == []

    receipt = await tell(duty, repeated(late), closed_by("rosa"), receipt=receipt)  # it may be there: it is resolved
    await duty.close()
    assert [alert["status"] for alert in await twin.alerts()] == ["resolved"]


async def test_a_persons_retry_takes_the_call_back_and_its_failure_calls_again(twin: Twin):
    duty = built("pagerduty", twin)
    retry = started(4, attempt=an_attempt(4, by="rosa"))
    await tell(duty, exhausted(), retry, exhausted())
    await duty.close()

    assert [(alert["status"], alert["log"]) for alert in await twin.alerts()] == [
        ("resolved", ["trigger", "resolve"]),
        ("triggered", ["trigger"]),
    ]


async def test_only_what_a_route_names_is_paged_where_the_settings_name_no_key(twin: Twin):
    route = Route(match="*/pay_*", pagerduty_routing_key=Secret("/run/secrets/pay", ROUTING_KEY))
    duty = built("pagerduty", twin, [route], PAGERDUTY_ROUTING_KEY="")
    await duty.tell(exhausted(), None)
    assert await twin.alerts() == []
    await duty.tell(exhausted(route=route), None)
    await duty.close()

    assert len(await twin.alerts()) == 1


async def test_pagerduty_says_what_it_does_not_like_and_the_key_is_told_nowhere(twin: Twin):
    duty = built("pagerduty", twin, PAGERDUTY_ROUTING_KEY=OTHER_KEY)
    with pytest.raises(Refused, match=r"Invalid routing key.*PAGERDUTY_ROUTING_KEY") as refused:
        await duty.tell(exhausted(), None)
    await duty.close()

    assert OTHER_KEY not in str(refused.value)


@SOME
@given(fields=TICKETS, name=st.sampled_from(sorted(EVERY_EVENT)))
def test_an_event_for_pagerduty_keeps_its_limits_whatever_a_ticket_says(fields: dict[str, Any], name: str):
    nasty = with_texts(EVERY_EVENT[name], fields)
    wanted = pagerduty.wish(nasty)
    if wanted is None or wanted.action != "trigger":
        return
    body = pagerduty.event(nasty, wanted)

    assert 0 < len(body["payload"]["summary"]) <= 1024
    assert body["payload"]["source"]
    assert len(json.dumps(body, ensure_ascii=False).encode()) < 50_000


async def test_a_webhook_is_told_every_event_once_with_a_signature_that_can_be_checked(twin: Twin):
    hook = built("webhook", twin)
    await tell(hook, opened(), started(), exhausted(), repeated(exhausted()))
    await hook.sum_up(RANG, None)
    await hook.close()

    posts = await twin.posts()
    assert [(post["body"]["type"], post["times"]) for post in posts] == [
        ("new_ticket", 1),
        ("remediation_started", 1),
        ("status_update", 2),
        ("storm_escalated", 1),
    ]
    data = posts[2]["body"]["data"]
    assert data["event"]["escalated"] is True
    assert data["attempt"]["failure_reason"] == "the sink refused the connection"
    assert [line["label"] for line in data["handover"]] == [line.label for line in HANDOVER]
    assert posts[3]["body"]["data"]["storm"]["figures"]["people"] == 12


async def test_a_wrong_secret_is_refused_and_told_nowhere(twin: Twin):
    wrong = "whsec_d3JvbmctMzItYnl0ZXMtb2YtYW5vdGhlci1zZWNyZXQ="
    hook = built("webhook", twin, WEBHOOK_SECRET=wrong)
    with pytest.raises(OutsideError, match="WEBHOOK_URL answered 401") as refused:
        await hook.tell(opened(), None)
    await hook.close()

    assert refused.value.transient  # it waits for the right one
    assert wrong not in str(refused.value)


def test_the_page_shows_how_a_signature_is_checked():
    (code,) = re.findall(r"```python\n(.*?)```", (PAGES / "howto/who-is-told.md").read_text(), re.DOTALL)
    page: dict[str, Any] = {}
    exec(code, page)  # noqa: S102 - it is our own page
    now = int(page["time"].time())
    content = b'{"type":"new_ticket"}'
    headers = webhook.signed(WEBHOOK_SECRET, "ADF-1.7", now, content)

    assert page["genuine"](headers, content, WEBHOOK_SECRET)
    assert not page["genuine"](headers, content + b" ", WEBHOOK_SECRET)
    assert not page["genuine"]({**headers, "webhook-id": "ADF-1.8"}, content, WEBHOOK_SECRET)
    assert not page["genuine"](webhook.signed(WEBHOOK_SECRET, "ADF-1.7", now - 900, content), content, WEBHOOK_SECRET)


def test_the_signature_is_that_of_the_standard():
    """Its own example: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md"""
    secret, content = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'{"test": 2432232314}'
    headers = webhook.signed(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, content)

    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_page_promises_the_fields_that_are_sent():
    page = (PAGES / "reference/webhook.md").read_text()
    promised = page[page.index("Of the ticket,") :].split("Of the attempt:")
    names = [tuple(re.findall(r"`(\w+)`", part)) for part in promised]

    assert names == [webhook.TICKET, webhook.ATTEMPT]


@SOME
@given(fields=TICKETS, name=st.sampled_from(sorted(EVERY_EVENT)))
def test_the_json_of_an_event_can_be_written_whatever_a_ticket_says(fields: dict[str, Any], name: str):
    said = webhook.body(with_texts(EVERY_EVENT[name], fields))

    assert json.loads(json.dumps(said, allow_nan=False).encode("utf-8", "replace"))["type"]


@pytest.mark.parametrize("name", BUILDERS)
async def test_it_is_told_again_when_it_asks_for_time(twin: Twin, name: str):
    notifier = built(name, twin)
    await twin.fault(name, "status", status=429, headers={"Retry-After": "47"})
    with pytest.raises(Throttled) as slow:
        await notifier.tell(exhausted(), None)
    assert slow.value.retry_after == 47
    assert await notifier.tell(exhausted(), None)
    await notifier.close()


@pytest.mark.parametrize("name", BUILDERS)
async def test_a_refusal_tells_no_address_and_no_secret(twin: Twin, name: str):
    notifier = built(name, twin)
    await twin.fault(name, "status", status=403)
    with pytest.raises(OutsideError) as refused:
        await notifier.tell(exhausted(), None)
    await notifier.close()

    for secret in (SIG, ROUTING_KEY, WEBHOOK_SECRET, twin.base):
        assert secret not in str(refused.value)


@pytest.mark.parametrize("build", BUILDERS.values())
def test_nobody_is_told_where_nothing_is_set(build: Any):
    assert build(Settings.of({}), []) is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"WEBHOOK_URL": "https://hooks.example/1"}, "WEBHOOK_SECRET must be set too"),
        ({"WEBHOOK_SECRET": WEBHOOK_SECRET}, "WEBHOOK_URL must be set too"),
        ({"WEBHOOK_URL": "https://hooks.example/1", "WEBHOOK_SECRET": "hunter2"}, "WEBHOOK_SECRET: must be whsec_"),
        ({"WEBHOOK_URL": "https://hooks.example/1", "WEBHOOK_SECRET": WEBHOOK_SECRET}, "not among ALLOWED_HOSTS"),
        ({"PAGERDUTY_ROUTING_KEY": "hunter2"}, "PAGERDUTY_ROUTING_KEY: is no integration key"),
        ({"TEAMS_WEBHOOK_URL": "https://evil.example/?sig=hunter2"}, "TEAMS_WEBHOOK_URL: evil.example is not among"),
        ({"PAGERDUTY_URL": "http://events.pagerduty.com"}, "PAGERDUTY_URL: https is required"),
    ],
)
def test_what_is_half_set_or_wrong_stops_the_start_with_its_name(given: dict[str, str], said: str):
    with pytest.raises(SettingsError, match=said) as mistake:
        Settings.of(given)

    assert "hunter2" not in str(mistake.value)


def as_read(card: Any) -> str:
    """A card as a person reads it."""
    return "\n".join("".join(run["text"] for run in block["inlines"]).rstrip() for block in card["body"])
