"""The pages as a browser without a script gets them."""

import re
from dataclasses import replace
from html import unescape
from typing import Any

import pytest

from pipemend.core.clock import stamp
from pipemend.core.guardrails import judge
from pipemend.core.situation import Objection, Situation
from pipemend.core.storm import Cause
from pipemend.core.ticket import AI_USER, Approval, RemediationStatus, Status
from pipemend.flows.services import Policy
from pipemend.store import storms, tickets
from pipemend.web import static_files
from tests.web.stage import fill
from tests.web.world import World

BADGES: dict[str, dict[str, Any]] = {
    "🤖 Auto-Healing": {"remediation_status": RemediationStatus.IN_PROGRESS},
    "✅ Auto-Remediated": {"status": Status.ACKNOWLEDGED, "remediation_status": RemediationStatus.SUCCEEDED},
    "⚠️ Escalated": {"remediation_status": RemediationStatus.MAX_RETRIES_EXCEEDED},
    "Failed": {"remediation_status": RemediationStatus.FAILED},
    "Needs approval": {"approval": Approval.AWAITING},
    "Open": {},
    "In Progress": {"status": Status.IN_PROGRESS},
}


def row_of(html: str, ticket_id: str) -> str:
    """What a person reads in a row of the list."""
    (row,) = re.findall(rf'<tr data-id="{ticket_id}".*?</tr>', html, re.DOTALL)
    return words_of(row)


def words_of(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


@pytest.mark.parametrize("badge", BADGES)
async def test_the_list_shows_the_badge_in_words(world: World, badge: str):
    ticket = await world.ticket(**BADGES[badge])
    async with await world.browser("viewer") as client:
        page = await client.get("/dashboard")

    assert page.status_code == 200
    assert f" {badge} " in row_of(page.text, ticket.id)
    assert "nightly-load" in row_of(page.text, ticket.id)


async def test_tabs_count_and_lead_to_their_tickets(small_world: World):
    await fill(small_world)
    async with await small_world.browser("viewer") as client:
        page = (await client.get("/dashboard?q=load")).text
        links = re.findall(r'<a href="([^"]*)"[^>]*class="tab ([a-z_]*)[^"]*">[^<]*<b>(\d+)</b>', page)
        assert len(links) == 7
        for address, key, count in links:
            told = (await client.get(unescape(address))).text
            assert f"of {count}<" in told or (count == "0" and "Nothing fits" in told)
            assert "q=load" in address
            assert not key or f"tab={key}" in address


async def test_pages_of_the_list_lead_on_and_back(small_world: World):
    for number in range(25):
        await small_world.ticket(f"p{number}", run_id=f"r{number}")
    async with await small_world.browser("viewer") as client:
        second = (await client.get("/dashboard?page_size=10&page=2")).text
        beyond = await client.get("/dashboard?page=99")

    assert "11–20 of 25" in words_of(second)
    assert re.search(r'href="/dashboard\?page_size=10" rel="prev"', second)
    assert re.search(r'href="/dashboard\?page=3&amp;page_size=10" rel="next"', second)
    assert (beyond.status_code, "no page 99" in beyond.text) == (200, True)


@pytest.mark.parametrize("query", ["tab=x", "page=0", "page=x", "sort=x", "nonsense=1", "page=999999999"])
async def test_a_wrong_address_says_so_on_a_page(small_world: World, query: str):
    async with await small_world.browser("viewer") as client:
        page = await client.get(f"/dashboard?{query}")

    assert page.status_code == 422
    assert page.headers["content-type"].startswith("text/html")
    assert query.partition("=")[0] in page.text


async def test_the_script_asks_for_parts_and_gets_no_frame(small_world: World):
    await small_world.ticket()
    async with await small_world.browser("viewer") as client:
        whole = await client.get("/dashboard")
        part = await client.get("/dashboard", headers={"HX-Request-Type": "partial"})
    async with small_world.client() as stranger:
        here = {"HX-Request-Type": "partial", "HX-Current-URL": "http://pipemend.test/dashboard?tab=open"}
        refused = await stranger.get("/dashboard", headers=here)
        lost = await stranger.get("/dashboard", headers={**here, "HX-Current-URL": "http://[nowhere"})

    assert "<header" in whole.text
    assert "<header" not in part.text
    assert 'id="list"' in part.text
    assert "HX-Request-Type" in part.headers["vary"]
    assert (refused.status_code, refused.text) == (401, "")
    assert refused.headers["hx-redirect"] == "/login?next=%2Fdashboard%3Ftab%3Dopen"
    assert lost.headers["hx-redirect"] == "/login"


async def test_texts_from_outside_are_shown_as_texts(small_world: World):
    evil = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'"
    ticket = await small_world.ticket(
        evil,
        error_message=evil,
        error_type=evil,
        rca_result=evil,
        recommendations=(evil,),
        finops_team=evil,
        display_resource=evil,
        run_link="javascript:alert(1)",
        decision={"answer": "never", "why": evil, "words": [{"says": evil, "objects": True, "final": True}]},
        rca={"faults": [{"activity": evil, "message": evil}, {"activity": evil, "message": evil}]},
    )
    await small_world.attempt(ticket, status="failed", failure_reason=evil, logic_app_response=evil)
    async with await small_world.browser("viewer") as client:
        for path in ("/dashboard", f"/dashboard?ticket={ticket.id}", f"/dashboard?q={evil}", "/dashboard/metrics"):
            page = (await client.get(path)).text
            assert "<script>alert" not in page
            assert "<img" not in page
            assert "javascript:" not in page


async def test_pages_hold_neither_inline_scripts_nor_styles(small_world: World):
    made = await fill(small_world)
    async with await small_world.browser("admin") as client:
        for path in ("/dashboard", f"/dashboard?ticket={made[6].id}", "/dashboard/metrics", "/dashboard/system"):
            page = (await client.get(path)).text
            assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)", page)


async def test_a_ticket_tells_its_story(world: World):
    def talkative(situation: Situation) -> Objection | None:
        return Objection("the gateway is being mended")

    decision = judge(Situation(now=world.clock.now(), enabled=True), (talkative,)).record(world.clock.now())
    ticket = await world.ticket(
        rca_result="The gateway was busy.",
        recommendations=("Add a node.",),
        decision=decision,
        remediation_status=RemediationStatus.MAX_RETRIES_EXCEEDED,
        remediation_attempts=1,
        run_link="https://adf.azure.com/runs/run-of-nightly-load?x=1",
        itsm_ticket_id="OPS-7",
        slack_channel="C1",
        slack_ts="17.01",
    )
    await world.attempt(
        ticket,
        status="failed",
        remediation_run_id="rerun-1",
        failure_reason="It failed again.",
        logic_app_response='{"status":"accepted"}',
    )
    async with await world.browser("operator") as client:
        page = (await client.get(f"/dashboard?ticket={ticket.id}")).text

    told = words_of(page)
    for words in (
        ticket.id,
        "⚠️ Escalated",
        "The gateway did not answer within 00:02:00.",
        "The gateway was busy.",
        "Add a node.",
        "No automatic repair",
        "Objects: the gateway is being mended",
        "A person has to act: the gateway is being mended",
        "Attempt 1 /3 Failed",
        '{"status":"accepted"}',
        "OPS-7",
        "C1 · 17.01",
        "Acknowledge",
        "Retry now",
    ):
        assert words in told
    assert 'href="https://adf.azure.com/runs/rerun-1?x=1"' in page


async def test_a_waiting_attempt_says_when_it_is_due(small_world: World):
    ticket = await small_world.ticket(remediation_status=RemediationStatus.IN_PROGRESS)
    due = small_world.clock.now()
    small_world.clock.pass_by(minutes=-5)
    await small_world.attempt(ticket, due_at=due)
    async with await small_world.browser("viewer") as client:
        page = (await client.get(f"/dashboard?ticket={ticket.id}")).text

    assert "Waiting in 5m" in words_of(page)
    assert stamp(due) in page


async def test_a_missing_ticket_is_a_page_that_says_so(small_world: World):
    async with await small_world.browser("viewer") as client:
        page = await client.get("/dashboard?ticket=ADF-nothing")

    assert page.status_code == 404
    assert "no ticket ADF-nothing" in page.text


async def test_an_address_that_leads_nowhere_is_a_page_for_a_browser_and_a_problem_for_a_program(world: World):
    async with world.client() as client:
        page = await client.get("/nope", headers={"Accept": "text/html"})
        told = await client.get("/nope")

    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert (told.status_code, told.headers["content-type"]) == (404, "application/problem+json")


async def test_viewers_see_no_buttons_and_may_not_press_them(small_world: World):
    ticket = await small_world.ticket()
    async with await small_world.browser("viewer") as client:
        pages = [(await client.get(path)).text for path in (f"/dashboard?ticket={ticket.id}", "/dashboard/system")]
        pressed = await client.post(f"/dashboard/tickets/{ticket.id}/stop")
        red = await client.post("/dashboard/system/automation", data={"enabled": "false"})

    assert all('action="/dashboard/' not in page for page in pages)
    assert (pressed.status_code, red.status_code) == (403, 403)


async def test_a_button_acts_in_the_name_of_who_presses_it(world: World):
    ticket = await world.ticket()
    async with await world.browser("operator") as client:
        pressed = await client.post(f"/dashboard/tickets/{ticket.id}/acknowledge")
        late = await client.post(f"/dashboard/tickets/{ticket.id}/acknowledge")
        foreign = await client.post(f"/dashboard/tickets/{ticket.id}/retry", headers={"Sec-Fetch-Site": "cross-site"})
        odd = await client.post(f"/dashboard/tickets/{ticket.id}/explode")

    assert (pressed.status_code, pressed.headers["location"]) == (303, f"/dashboard?ticket={ticket.id}")
    closed = await world.database.read(lambda db: tickets.get(db, ticket.id))
    assert closed.ack_user == "operator"
    assert (late.status_code, "closed already" in late.text) == (409, True)
    assert (foreign.status_code, odd.status_code) == (403, 422)


async def test_a_ticket_is_handed_over_and_opened_again_on_its_page(small_world: World):
    ticket = await small_world.ticket()
    page, acts = f"/dashboard?ticket={ticket.id}", f"/dashboard/tickets/{ticket.id}"
    async with await small_world.browser("operator") as client:
        over = await client.post(f"{acts}/escalate", data={"reason": "the source is gone"})
        told = words_of((await client.get(page)).text)
        again = await client.post(f"{acts}/escalate", data={"reason": "once more"})
        await client.post(f"{acts}/acknowledge")
        closed = (await client.get(page)).text
        opened = await client.post(f"{acts}/reopen", data={"reason": "still broken"})

    assert (over.status_code, again.status_code, opened.status_code) == (303, 409, 303)
    assert "Left to people: handed over by operator: the source is gone" in told
    assert f"{acts}/reopen" in closed
    after = await small_world.database.read(lambda db: tickets.get(db, ticket.id))
    assert (after.status, after.hands_off) == ("open", "reopened by operator: still broken")


async def test_no_retry_is_offered_where_it_could_do_nothing(small_world: World):
    ticket = await small_world.ticket()
    async with await small_world.browser("operator") as client:
        offered = (await client.get(f"/dashboard?ticket={ticket.id}")).text
        small_world.services.policy = replace(small_world.services.policy, enabled=False)
        told = (await client.get(f"/dashboard?ticket={ticket.id}")).text

    assert "/retry" in offered
    assert "/retry" not in told
    assert "No retry is offered: automatic remediation is switched off (AUTO_REMEDIATION_ENABLED)." in words_of(told)


async def test_a_pause_is_told_on_every_page_and_ended_on_one(world: World):
    async with await world.browser("operator") as client:
        word = {"pipeline": "sales/nightly-load", "hours": "4", "reason": "a <b>schema</b>"}
        paused = await client.post("/dashboard/system/pauses", data=word)
        told = [words_of((await client.get(path)).text) for path in ("/dashboard", "/dashboard/system")]
        wrong = await client.post("/dashboard/system/pauses", data={"pipeline": "sale/nightly-load"})
        await client.post("/dashboard/system/pauses/end", data={"pipeline": "sales/nightly-load"})
        after = words_of((await client.get("/dashboard/system")).text)

    assert paused.status_code == 303
    banner = "sales/nightly-load paused by operator until 23 Nov 14:15:00 UTC: a <b>schema</b>"
    assert all(banner in page for page in told)
    assert (wrong.status_code, "no factory or workspace called" in wrong.text) == (404, True)
    assert "sales/nightly-load" not in after


async def test_the_red_button_shows_a_banner_on_every_page(world: World):
    ticket = await world.ticket()
    paths = ("/dashboard", f"/dashboard?ticket={ticket.id}", "/dashboard/metrics", "/dashboard/system")
    async with await world.browser("operator") as client:
        await client.post("/dashboard/system/automation", data={"enabled": "false", "reason": "a <b>storm</b>"})
        stopped = [words_of((await client.get(path)).text) for path in paths]
        await client.post("/dashboard/system/automation", data={"enabled": "true"})
        released = [words_of((await client.get(path)).text) for path in paths]

    assert all("All automation is stopped by operator" in page and "a <b>storm</b>" in page for page in stopped)
    assert not any("All automation is stopped" in page for page in released)


async def test_a_switched_off_installation_says_so(small_world: World):
    small_world.services.policy = Policy(enabled=False)
    async with await small_world.browser("viewer") as client:
        page = words_of((await client.get("/dashboard")).text)

    assert "Automatic remediation is switched off" in page


async def test_the_figures_and_the_system_have_their_pages(world: World):
    await fill(world)
    async with await world.browser("admin") as client:
        await client.post("/azure-monitor?secret=open+sesame", content=b"garbage")
        metrics = words_of((await client.get("/dashboard/metrics")).text)
        system = words_of((await client.get("/dashboard/system")).text)
        replayed = await client.post("/dashboard/system/deliveries/1/replay")

    assert "tickets with an automatic repair were healed by it" in metrics
    assert "GatewayTimeout" in metrics
    assert "✓ Watching" in system
    assert "Failing, 4 times" in system
    assert "Unreadable" in system
    assert replayed.status_code == 303


async def test_empty_pages_say_what_comes(small_world: World):
    async with await small_world.browser("viewer") as client:
        listed = words_of((await client.get("/dashboard")).text)
        tab = words_of((await client.get("/dashboard?tab=escalated")).text)
        metrics = await client.get("/dashboard/metrics")

    assert "All quiet" in listed
    assert "Nothing here" in tab
    assert metrics.status_code == 200


async def test_a_ticket_closed_by_the_machine_names_it_in_words(small_world: World):
    ticket = await small_world.ticket(
        status=Status.ACKNOWLEDGED, ack_user=AI_USER, remediation_status=RemediationStatus.SUCCEEDED, ack_seconds=372.0
    )
    async with await small_world.browser("viewer") as client:
        page = words_of((await client.get(f"/dashboard?ticket={ticket.id}")).text)

    assert "Acknowledged by AI Auto-Heal" in page
    assert "Closed after 6m 12s" in page


KINDS = [("main.css", "text/css"), ("main.js", "text/javascript"), ("icon.svg", "image/svg"), ("inter", "font/woff2")]


@pytest.mark.parametrize(("name", "kind"), KINDS)
async def test_static_files_are_named_by_their_content_and_kept_for_good(small_world: World, name: str, kind: str):
    async with small_world.client() as client:
        page = (await client.get("/login")).text
        stem, _, end = name.partition(".")
        (address,) = re.findall(rf'"(/static/{stem}-[^"]*{end})"', page) or [static_files.address(name)]
        plain = await client.get(address, headers={"Accept-Encoding": "identity"})
        packed = [
            await client.get(address, headers={"Accept-Encoding": word}) for word in ("gzip, deflate", "gzip, br")
        ]

    assert plain.headers["content-type"].startswith(kind)
    assert plain.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert "content-encoding" not in plain.headers
    if kind != "font/woff2":
        assert [answer.headers["content-encoding"] for answer in packed] == ["gzip", "br"]
    assert all(answer.headers["vary"] == "Accept-Encoding" for answer in packed)
    assert packed[0].content == plain.content


@pytest.mark.parametrize(
    "path", ["/static/../app.py", "/static/%2e%2e%2fapp.py", "/static/none.css", "/static/", "/static/manifest.json"]
)
async def test_nothing_else_is_served_as_a_file(small_world: World, path: str):
    async with small_world.client() as client:
        assert (await client.get(path)).status_code == 404


async def test_the_bare_address_leads_to_the_dashboard(small_world: World):
    async with small_world.client() as client:
        assert (await client.get("/")).headers["location"] == "/dashboard"


@pytest.mark.parametrize("data", [{}, {"enabled": "perhaps"}, {"enabled": "false", "reason": "x" * 501}])
async def test_an_odd_form_is_refused_on_a_page(small_world: World, data: dict[str, str]):
    async with await small_world.browser("operator") as client:
        page = await client.post("/dashboard/system/automation", data=data)

    assert page.status_code == 422
    assert page.headers["content-type"].startswith("text/html")


async def test_a_person_corrects_the_diagnosis_on_the_page(small_world: World):
    ticket = await small_world.ticket(error_type="Unclassified")
    form = {"error_type": "SqlDeadlock", "remediable": "conditional", "note": "<b>seen before</b>"}
    async with await small_world.browser("operator") as client:
        pressed = await client.post(f"/dashboard/tickets/{ticket.id}/correct", data=form)
        page = (await client.get(f"/dashboard?ticket={ticket.id}")).text

    assert pressed.status_code == 303
    assert "Unclassified was in truth SqlDeadlock. <b>seen before</b>" in words_of(page)
    assert "<b>seen" not in page


async def test_a_ticket_of_a_storm_says_so_and_leads_to_the_others(world: World):
    cause = Cause(platform="data_factory", resource="x", error_type="GatewayTimeout")
    now = world.clock.now()
    storm_id = await world.database.write(lambda db: storms.begin(db, cause, "sales", now, now))
    of_storm = {"resource": "x", "error_type": "GatewayTimeout", "connection": "sales", "storm_id": storm_id}
    first, _ = await world.ticket("load-a", **of_storm), await world.ticket("load-b", **of_storm)
    await world.ticket("other", error_type="SqlDeadlock")
    async with await world.browser("viewer") as client:
        page = (await client.get(f"/dashboard?ticket={first.id}")).text
        (address,) = re.findall(r'Part of a storm: <a href="([^"]*)">2 tickets</a>', page)
        told = (await client.get(unescape(address))).text
        api = (await client.get(f"/api/tickets/{first.id}")).json()

    assert "load-a" in told
    assert "load-b" in told
    assert ">other<" not in told
    assert api["storm_id"] == storm_id
