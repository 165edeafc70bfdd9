"""The API for tickets and operations: shapes, filters, commands, and what it says to nonsense."""

import json
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pipemend.analyzers.figures import labelled
from pipemend.core.clock import stamp
from pipemend.core.playbook import Playbook, Playbooks
from pipemend.core.run import Resource, Run, RunRef, RunStatus
from pipemend.core.ticket import AI_USER, Approval, RemediationStatus, Status
from pipemend.store import audit, feeds, masked, schema
from tests.web.world import FACTORY, MORNING, World

HEALED = {
    "status": Status.ACKNOWLEDGED,
    "remediation_status": RemediationStatus.SUCCEEDED,
    "ack_user": AI_USER,
    "ack_seconds": 90.0,
}


async def test_a_ticket_is_flat_with_its_badge_tab_and_decision(world: World):
    decision = {"answer": "try", "why": "every guardrail agrees", "words": []}
    made = await world.ticket(remediation_status=RemediationStatus.IN_PROGRESS, decision=decision)
    async with await world.a_client("viewer") as client:
        told = (await client.get(f"/api/tickets/{made.id}")).json()
        (listed,) = (await client.get("/api/tickets")).json()["tickets"]

    assert [told.pop(name) for name in ("awaits", "rerun_link", "handover")] == [None] * 3
    assert told == listed
    assert told["badge"] == {"text": "🤖 Auto-Healing", "tone": "healing"}
    assert (told["tab"], told["decision"], told["status"]) == ("healing", decision, "open")
    assert datetime.fromisoformat(told["timestamp"]) == MORNING
    columns = {column.name for column in schema.tickets.columns} - {"search_text"}
    assert told.keys() == columns | {"badge", "tab"}


async def test_a_ticket_that_is_left_to_people_is_handed_over_with_the_pages_of_its_runs(world: World):
    page = "https://adf.azure.com/en/monitoring/pipelineruns/{}?factory=sales"
    made = await world.ticket(
        run_id="run-1",
        run_link=page.format("run-1"),
        remediation_run_id="rerun-1",
        remediation_status=RemediationStatus.FAILED,
        finops_owner="rosa",
    )
    async with await world.a_client("viewer") as client, await world.browser("operator") as browser:
        told = (await client.get(f"/api/tickets/{made.id}")).json()
        shown = (await browser.get(f"/dashboard?ticket={made.id}")).text

    assert told["rerun_link"] == page.format("rerun-1")
    labels = [line["label"] for line in told["handover"]]
    assert labels[:3] == ["Failed", "Error", "Tried"]
    assert {"label": "Who", "says": "owner rosa", "link": None} in told["handover"]
    assert told["handover"][0]["link"] == page.format("run-1")
    assert 'id="h-handover"' in shown
    assert page.format("run-1") in shown


async def test_the_list_counts_every_tab(world: World):
    await world.ticket("a")
    await world.ticket("b", status=Status.IN_PROGRESS)
    await world.ticket("c", remediation_status=RemediationStatus.IN_PROGRESS)
    await world.ticket("d", approval=Approval.AWAITING)
    await world.ticket("e", remediation_status=RemediationStatus.MAX_RETRIES_EXCEEDED)
    await world.ticket("f", **HEALED)
    await world.ticket("g", merged_into="ADF-1", status=Status.ACKNOWLEDGED)
    async with await world.a_client("viewer") as client:
        everything = (await client.get("/api/tickets")).json()
        escalated = (await client.get("/api/tickets", params={"tab": "escalated"})).json()

    names = ("open", "in_progress", "healing", "approval", "escalated", "closed")
    assert everything["counts"] == escalated["counts"] == dict.fromkeys(names, 1)
    assert (everything["total"], escalated["total"]) == (6, 1)
    assert [(t["pipeline"], t["badge"]["text"]) for t in escalated["tickets"]] == [("e", "⚠️ Escalated")]


async def test_filters_search_sort_and_pages(world: World):
    for number in range(5):
        world.clock.pass_by(minutes=1)
        await world.ticket(f"load-{number}", finops_team="sales" if number % 2 else "ops")
    await world.ticket("other", error_type="SqlDeadlock", severity="Critical", priority="P1")
    async with await world.a_client("viewer") as client:

        async def names(**query: Any) -> list[str]:
            answer = await client.get("/api/tickets", params=query)
            assert answer.status_code == 200, answer.text
            return [ticket["pipeline"] for ticket in answer.json()["tickets"]]

        assert await names(sort="oldest", q="load") == [f"load-{n}" for n in range(5)]
        assert await names(team="sales") == ["load-3", "load-1"]
        assert await names(error_type="SqlDeadlock") == await names(severity="Critical") == ["other"]
        assert await names(q="OTHER deadlock") == ["other"]
        assert await names(q="load", page=2, page_size=2) == ["load-2", "load-1"]
        assert await names(page=100_000) == []
        assert await names(connection="sales", platform="data_factory", pipeline="load-1", tab="open") == ["load-1"]
        assert len(await names(q="", tab="", platform="", team="", sort="", page="")) == 6
        assert (await names(sort="severity"))[0] == "other"
        assert await names(sort="severity", q="load", page_size=2) == ["load-4", "load-3"]
        assert await names(sort="pipeline", team="ops", tab="open") == ["load-0", "load-2", "load-4"]
        for odd in ("100%", "_", "' OR 1=1 --", "\\", "<script>"):
            assert await names(q=odd) == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("tab=nonsense", "tab"),
        ("page=0", "page"),
        ("page=-1", "page"),
        ("page=x", "page"),
        ("page=99999999999999999999", "page"),
        ("page_size=201", "page_size"),
        ("page_size=0", "page_size"),
        ("sort=sideways", "sort"),
        ("severity=Awful", "severity"),
        (f"q={'x' * 501}", "q"),
        ("pipelin=x", "pipelin"),
    ],
)
async def test_a_wrong_query_names_its_field(small_world: World, query: str, field: str):
    async with await small_world.a_client("viewer") as client:
        answer = await client.get(f"/api/tickets?{query}")

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["field"] == field


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/tickets/none", 404),
        ("/api/tickets/none/remediation-history", 404),
        ("/api/tickets/a%00b", 404),
        ("/api/tickets?q=a%00b", 422),
        ("/api/tickets/%0d%0aSet-Cookie:x", 404),
        (f"/api/tickets/{'x' * 300}", 422),
        ("/api/deliveries/0", 422),
        ("/api/deliveries/x", 422),
        ("/api/deliveries/99999999999999999999", 422),
        ("/api/nothing", 404),
        ("/api/audit-trail?page=x", 422),
    ],
)
async def test_nonsense_gets_a_problem(world: World, path: str, status: int):
    async with await world.a_client("admin") as client:
        answer = await client.get(path)

    assert answer.status_code == status
    told = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (told["status"], told["type"], bool(told["detail"])) == (status, "about:blank", True)
    assert "set-cookie" not in answer.headers


async def test_a_list_cuts_long_errors_and_the_ticket_has_them_whole(small_world: World):
    made = await small_world.ticket(error_message="x" * 200_000)
    async with await small_world.a_client("viewer") as client:
        (listed,) = (await client.get("/api/tickets")).json()["tickets"]
        whole = (await client.get(f"/api/tickets/{made.id}")).json()

    assert len(listed["error_message"]) <= 2000
    assert len(whole["error_message"]) == 200_000


async def test_the_history_has_every_attempt_with_its_answer(world: World):
    ticket = await world.ticket()
    await world.attempt(
        ticket,
        1,
        status="failed",
        remediation_run_id="rerun-1",
        logic_app_response='{"status": "accepted"}',
        failure_reason="the rerun failed again",
        completed_at=MORNING + timedelta(seconds=42),
        duration_seconds=42,
        via="playbook",
    )
    await world.attempt(ticket, 2, due_at=MORNING + timedelta(seconds=30))
    async with await world.a_client("viewer") as client:
        told = (await client.get(f"/api/tickets/{ticket.id}/remediation-history")).json()
        second = (await client.get(f"/api/tickets/{ticket.id}/remediation-history?page=2&page_size=1")).json()

    assert (told["total"], told["page"]) == (2, 1)
    first = told["attempts"][0]
    assert (first["attempt_number"], first["status"], first["duration_seconds"]) == (1, "failed", 42)
    assert first["failure_reason"] == "the rerun failed again"
    assert first["logic_app_response"] == '{"status": "accepted"}'
    assert [attempt["attempt_number"] for attempt in second["attempts"]] == [2]


async def test_commands_carry_the_name_of_who_gave_them(world: World):
    first, second = await world.ticket("a"), await world.ticket("b")
    async with world.client(await world.token("operator", "ada")) as client:
        closed = await client.post(f"/api/tickets/{first.id}/acknowledge", json={"empid": "E7"})
        again = await client.post(f"/api/tickets/{first.id}/acknowledge")
        stopped = await client.post(f"/api/tickets/{second.id}/stop", json={"cancel_run": False})
        missing = await client.post("/api/tickets/none/stop")

    told = closed.json()
    assert (told["status"], told["ack_user"], told["ack_empid"], told["tab"]) == ("acknowledged", "ada", "E7", "closed")
    assert again.status_code == 409
    assert "ada" in again.json()["detail"]
    assert "ada" in stopped.json()["hands_off"]
    assert missing.status_code == 404


@pytest.mark.parametrize("body", [b"x", b"[]", b'{"cancel_run": "yes"}', b'{"cancel": true}', b'"\\ud800"'])
async def test_a_command_with_an_odd_body_is_refused(small_world: World, body: bytes):
    ticket = await small_world.ticket()
    async with await small_world.a_client("operator") as client:
        headers = {"Content-Type": "application/json"}
        answer = await client.post(f"/api/tickets/{ticket.id}/stop", content=body, headers=headers)

    assert answer.status_code == 422


async def test_a_command_body_has_a_limit(small_world: World):
    ticket = await small_world.ticket()
    async with await small_world.a_client("operator") as client:
        answer = await client.post(f"/api/tickets/{ticket.id}/stop", content=b"x" * 70_000)

    assert answer.status_code == 413


async def test_the_red_button_is_pressed_and_released(world: World):
    async with world.client(await world.token("operator", "ada")) as client:
        before = (await client.get("/api/automation")).json()
        pressed = (await client.post("/api/automation", json={"enabled": False, "reason": "storm"})).json()
        still = (await client.get("/api/automation")).json()
        released = (await client.post("/api/automation", json={"enabled": True})).json()

    assert (before["enabled"], before["by"]) == (True, None)
    assert pressed == still
    assert (pressed["enabled"], pressed["pressed"], pressed["reason"], pressed["by"]) == (False, True, "storm", "ada")
    assert (released["enabled"], released["pressed"]) == (True, False)
    assert pressed["paused"] == []


async def test_one_pipeline_is_paused_and_resumed(world: World):
    until = (world.clock.now() + timedelta(hours=2)).isoformat()
    word = {"pipeline": "Sales/Nightly-Load", "enabled": False, "until": until, "reason": "new schema"}
    resume = {"pipeline": "sales/nightly-load", "enabled": True}
    async with world.client(await world.token("operator", "ada")) as client:
        paused = (await client.post("/api/automation", json=word)).json()
        resumed = (await client.post("/api/automation", json=resume)).json()
        again = await client.post("/api/automation", json=resume)

    (pause,) = paused["paused"]
    assert (paused["enabled"], paused["pressed"]) == (True, False)
    assert (pause["pipeline"], pause["by"], pause["reason"]) == ("sales/nightly-load", "ada", "new schema")
    assert pause["until"] == stamp(datetime.fromisoformat(until))
    assert resumed["paused"] == []
    assert (again.status_code, again.json()["detail"]) == (409, "sales/nightly-load is not paused")
    lines = [(line.action, line.pipeline, line.user_name) for line in await world.all_of(schema.audit_trail)]
    assert lines == [("pipeline_paused", "Nightly-Load", "ada"), ("pipeline_resumed", "nightly-load", "ada")]


async def test_a_circuit_breaker_is_told_while_it_is_not_closed(small_world: World):
    book = Playbook(error_type="GatewayTimeout", action="retry_pipeline")
    small_world.services.playbooks = Playbooks({("GatewayTimeout", None): book})
    now = small_world.clock.now()
    for one in range(8):
        ticket = await small_world.ticket(f"load-{one}")
        await small_world.attempt(ticket, status="failed", completed_at=now)
    async with await small_world.a_client("viewer") as client:
        (told,) = (await client.get("/api/automation")).json()["breakers"]
        page = (await client.get("/metrics")).text
        small_world.clock.pass_by(minutes=10)
        (later,) = (await client.get("/api/system")).json()["automation"]["breakers"]
        small_world.clock.pass_by(minutes=50)
        assert (await client.get("/api/automation")).json()["breakers"] == []

    assert (told["error_type"], told["action"], told["state"]) == ("GatewayTimeout", "retry_pipeline", "open")
    assert (told["failed"], told["of"], told["until"]) == (8, 8, stamp(now + timedelta(minutes=10)))
    assert later["state"] == "half_open"
    assert 'pipemend_breaker_open{action="retry_pipeline",error_type="GatewayTimeout"} 1.0' in page


async def test_a_pause_ends_by_itself(small_world: World):
    until = (small_world.clock.now() + timedelta(hours=2)).isoformat()
    async with small_world.client(await small_world.token("operator", "ada")) as client:
        await client.post("/api/automation", json={"pipeline": "sales/load", "enabled": False, "until": until})
        small_world.clock.pass_by(hours=2)
        assert (await client.get("/api/automation")).json()["paused"] == []


@pytest.mark.parametrize(
    ("word", "status", "detail"),
    [
        ({"pipeline": "sales", "enabled": False}, 422, "match"),
        ({"pipeline": "sale/load", "enabled": False}, 404, "called 'sale' is connected, only sales"),
        ({"pipeline": "sales/load", "enabled": False, "until": "2026-11-23T10:15:00Z"}, 409, "is over already"),
        ({"pipeline": "sales/load", "enabled": False, "until": "2026-11-24T10:15:00"}, 422, "timezone"),
        ({"pipeline": "sales/load", "enabled": True, "until": "2026-11-24T10:15:00Z"}, 422, "only a pause"),
        ({"enabled": False, "until": "2026-11-24T10:15:00Z"}, 422, "only a pause"),
    ],
)
async def test_a_pause_that_makes_no_sense_is_refused_with_the_reason(
    small_world: World, word: dict[str, Any], status: int, detail: str
):
    async with await small_world.a_client("operator") as client:
        answer = await client.post("/api/automation", json=word)
        assert (answer.status_code, detail in answer.json()["detail"]) == (status, True), answer.text
        assert (await client.get("/api/automation")).json()["paused"] == []


@pytest.mark.parametrize("body", [{}, {"enabled": "no"}, {"enabled": 0}, {"enabled": False, "pipelines": "a/b"}])
async def test_the_red_button_wants_a_clear_word(small_world: World, body: dict[str, Any]):
    async with await small_world.a_client("operator") as client:
        assert (await client.post("/api/automation", json=body)).status_code == 422
        assert (await client.get("/api/automation")).json()["enabled"]


async def test_the_metrics_are_the_four_queries_and_the_days(world: World):
    healed = await world.ticket("a", **HEALED)
    await world.attempt(healed, status="succeeded")
    await world.ticket("b", remediation_status=RemediationStatus.MAX_RETRIES_EXCEEDED)
    await world.ticket("c", error_type="SqlDeadlock")
    async with await world.a_client("viewer") as client:
        told = (await client.get("/api/metrics/auto-remediation")).json()

    assert (told["success_rate"], told["avg_mttr_minutes"]) == (50.0, 1.5)
    assert told["top_errors"] == [
        {"error_type": "GatewayTimeout", "count": 2, "auto_remediated": 1},
        {"error_type": "SqlDeadlock", "count": 1, "auto_remediated": 0},
    ]
    assert [attempt["ticket_id"] for attempt in told["recent_attempts"]] == [healed.id]
    assert told["per_day"] == [{"day": "2026-11-23", "tickets": 3, "auto_remediated": 1, "escalated": 1}]


async def test_the_metrics_of_an_empty_installation_are_empty(world: World):
    async with await world.a_client("viewer") as client:
        told = (await client.get("/api/metrics/auto-remediation")).json()

    assert told == {
        "success_rate": None,
        "avg_mttr_minutes": None,
        "top_errors": [],
        "recent_attempts": [],
        "per_day": [],
    }


async def test_the_audit_trail_is_paged_and_filtered(world: World):
    ticket = await world.ticket()
    for number in range(3):
        line = partial(audit.write, action=f"act-{number}", at=MORNING, user="ada", ticket=ticket if number else None)
        await world.database.write(line)
    async with await world.a_client("viewer") as client:
        everything = (await client.get("/api/audit-trail?page_size=2")).json()
        of_ticket = (await client.get(f"/api/audit-trail?ticket_id={ticket.id}")).json()

    assert [entry["action"] for entry in everything["entries"]] == ["act-2", "act-1"]
    assert everything["total"] == 3
    assert [entry["action"] for entry in of_ticket["entries"]] == ["act-2", "act-1"]
    assert of_ticket["entries"][0]["pipeline"] == "nightly-load"


async def test_deliveries_say_what_became_of_each(world: World):
    async with world.client(headers={"X-Pipemend-Secret": "open+sesame"}) as client:
        error = "failed for https://h/?sig=verysecretsignature1234"
        await client.post("/azure-monitor", json={"pipeline_name": "p", "run_id": "r", "error": error})
        await client.post("/azure-monitor", content=b"garbage")
    async with await world.a_client("admin") as admin:
        told = (await admin.get("/api/deliveries")).json()
        whole = (await admin.get("/api/deliveries/1")).json()

    assert [(d["outcome"], len(d["alerts"]), d["count"]) for d in told["deliveries"]] == [
        ("unreadable", 0, 1),
        ("accepted", 1, 1),
    ]
    assert told["deliveries"][0]["reason"]
    alert = told["deliveries"][1]["alerts"][0]
    assert (alert["state"], alert["pipeline"]) == ("new", "p")
    assert "verysecret" not in alert["error_message"]
    assert told["held"] == []
    assert '"pipeline_name"' in whole["body"]


async def test_the_system_shows_feeds_notifiers_and_parked_messages(world: World):
    resource = Resource(FACTORY.platform, FACTORY.id, FACTORY.name)
    await world.database.write(lambda db: feeds.begin(db, resource, MORNING))
    ticket = await world.ticket()
    parked = {"event_id": 1, "notifier": "slack", "ticket_id": ticket.id, "state": "parked", "error": "no channel"}
    await world.database.write(lambda db: db.execute(schema.receipts.insert().values(**parked)))
    async with await world.a_client("viewer") as client:
        told = (await client.get("/api/system")).json()

    assert [(feed["name"], feed["error"]) for feed in told["feeds"]] == [("sales", None)]
    assert told["notifiers"] == [
        {"name": "slack", "waiting": 0, "waiting_since": None, "error": None, "parked": 1, "superseded": 0}
    ]
    assert [(m["ticket_id"], m["event"], m["error"]) for m in told["parked"]] == [
        (ticket.id, "new_ticket", "no channel")
    ]
    assert told["automation"]["enabled"] is True


async def test_health_needs_no_token(world: World):
    async with world.client() as client:
        assert (await client.get("/healthz")).json() == {"status": "ok"}
        assert (await client.get("/readyz")).status_code == 200


async def test_a_worker_that_stands_still_is_not_ready(small_world: World):
    class Stuck:
        def healthy(self) -> str | None:
            return "standing still: intake"

    small_world.app.state.worker = Stuck()
    async with small_world.client() as client:
        answer = await client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["detail"] == "standing still: intake"


async def test_a_mistake_of_ours_shows_no_trace(small_world: World, monkeypatch: pytest.MonkeyPatch):
    async def broken(*_: object) -> None:
        raise RuntimeError("password=hunter2")

    async with await small_world.a_client("viewer") as client:
        monkeypatch.setattr("pipemend.web.operations.automation_of", broken)
        answer = await client.get("/api/automation")

    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "hunter2" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_the_description_of_the_api_is_served_to_users(small_world: World):
    async with await small_world.a_client("viewer") as client:
        told = (await client.get("/openapi.json")).json()

    assert "/api/tickets/{ticket_id}/acknowledge" in told["paths"]
    assert told["components"]["securitySchemes"]


async def test_a_correction_comes_back_as_a_labelled_line(world: World, tmp_path: Path):
    ticket = await world.ticket("nightly", error_message="The gateway gave up.", error_type="Unclassified")
    body = {"error_type": "GatewayTimeout", "remediable": "yes", "note": "known"}
    async with await world.a_client("operator") as client:
        told = await client.post(f"/api/tickets/{ticket.id}/correct", json=body)
        (line,) = (await client.get("/api/corrections")).json()["corrections"]

    assert told.json()["error_type"] == "GatewayTimeout"
    assert (line["id"], line["message"], line["error_type"]) == (ticket.id, "The gateway gave up.", "GatewayTimeout")
    file = tmp_path / "corrections.jsonl"
    file.write_text(json.dumps(line))
    assert len(labelled(file)) == 1


@pytest.mark.parametrize(
    "body",
    [{"error_type": "Nonsense", "remediable": "yes"}, {"error_type": "GatewayTimeout", "remediable": "perhaps"}],
)
async def test_a_correction_in_unknown_words_is_refused(small_world: World, body: dict[str, str]):
    ticket = await small_world.ticket()
    async with await small_world.a_client("operator") as client:
        assert (await client.post(f"/api/tickets/{ticket.id}/correct", json=body)).status_code == 422


async def test_masked_failures_are_listed_by_the_api_and_on_the_system_page(world: World):
    run = Run(ref=RunRef("data_factory", FACTORY.id, "run-1"), pipeline="load", status=RunStatus.SUCCEEDED)

    def found(db: Any) -> None:
        masked.insert(db, run, "sales", MORNING)
        [row] = masked.claim_due(db, MORNING, 1, MORNING, "w")
        failed = {"activity": "Copy data1", "code": "2200", "message": "<b>504</b>"}
        masked.settle(db, row, state=masked.FOUND, activities=[failed])

    await world.database.write(found)
    async with await world.a_client("viewer") as client, await world.browser("operator") as browser:
        told = (await client.get("/api/masked-failures")).json()
        shown = (await browser.get("/dashboard/system")).text

    assert told["total"] == 1
    assert told["masked_failures"][0]["activities"][0]["activity"] == "Copy data1"
    assert "Copy data1" in shown
    assert "&lt;b&gt;504" in shown
