"""The pages in a real browser: they live by themselves, keep their content policy and move nothing under a hand."""

import re
from datetime import UTC, datetime

import pytest
from playwright.async_api import Route, async_playwright, expect

from pipemend.core.commands import Switch
from pipemend.core.events import RemediationStarted, StatusChanged, TicketOpened
from pipemend.core.ticket import AI_USER, RemediationStatus, Status
from pipemend.flows.commands import carry_out
from pipemend.store import access
from pipemend.web.app import create_app
from tests.web.reader import CHROMIUM, FLAGS, Reader, findings, needs_chromium
from tests.web.serving import serving
from tests.web.stage import fill
from tests.web.world import World

pytestmark = needs_chromium
OTHERS = ("/dashboard/pipelines", "/dashboard/playbooks", "/dashboard/audit", "/dashboard/system")
PAINTED = """() => {
  const canvas = document.querySelector('#plot-days canvas')
  return canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some((value) => value)
}"""


async def test_one_signs_in_and_out(reader: Reader):
    token = await reader.world.token("viewer")
    async with reader.page(role=None) as page:
        await page.goto(f"{reader.address}/dashboard?tab=open")
        await page.get_by_label("API token").fill(token)
        await page.get_by_role("button", name="Sign in").click()
        await expect(page).to_have_url(f"{reader.address}/dashboard?tab=open")
        await expect(page.locator("#live")).to_have_text("Live")
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_label("API token")).to_be_visible()


async def test_a_badge_changes_by_itself_and_a_toast_tells(reader: Reader):
    ticket = await reader.world.ticket()
    async with reader.page() as page:
        await page.goto(f"{reader.address}/dashboard")
        row = page.locator(f'tr[data-id="{ticket.id}"]')
        await expect(row).to_contain_text("Open")

        await reader.changes(
            ticket,
            RemediationStarted(ticket_id=ticket.id, attempt=1),
            remediation_status=RemediationStatus.IN_PROGRESS,
        )
        await expect(row).to_contain_text("🤖 Auto-Healing")
        await expect(page.locator(".tab.healing b")).to_have_text("1")
        await expect(page.get_by_text(f"🤖 Auto-remediation started for {ticket.id}")).to_be_visible()

        await reader.changes(
            ticket,
            StatusChanged(ticket_id=ticket.id, new_status="acknowledged", remediation_success=True),
            remediation_status=RemediationStatus.SUCCEEDED,
            status=Status.ACKNOWLEDGED,
            ack_user=AI_USER,
        )
        await expect(row).to_contain_text("✅ Auto-Remediated")
        await expect(page.get_by_text(f"✅ Auto-remediation succeeded for {ticket.id}")).to_be_visible()

        await reader.world.happens(
            StatusChanged(ticket_id="T-2", new_status="open", remediation_failed=True, escalated=True)
        )
        words = "⚠️ Auto-remediation failed for T-2 - Manual intervention required"
        await expect(page.get_by_text(words)).to_be_visible()


async def test_a_new_ticket_appears_by_itself(reader: Reader):
    async with reader.page() as page:
        await page.goto(f"{reader.address}/dashboard")
        await expect(page.get_by_text("All quiet.")).to_be_visible()
        await reader.world.ticket("brand-new")
        await expect(page.get_by_role("link", name="brand-new")).to_be_visible()


async def test_what_happened_while_the_page_was_on_its_way_is_not_missed(reader: Reader):
    async def delay(route: Route) -> None:
        await reader.world.ticket("meanwhile")
        await route.continue_()

    async with reader.page() as page:
        await page.route("**/static/main-*.js", delay)
        await page.goto(f"{reader.address}/dashboard")
        await expect(page.get_by_role("link", name="meanwhile")).to_be_visible()


async def test_nothing_moves_under_a_hand(reader: Reader):
    first = await reader.world.ticket("first")
    async with reader.page() as page:
        await page.goto(f"{reader.address}/dashboard")
        await expect(page.locator("#live")).to_have_text("Live")
        await page.locator(f'tr[data-id="{first.id}"]').hover()
        await reader.world.ticket("second")
        pill = page.get_by_role("button", name="Show 1 new ticket")
        await expect(pill).to_be_visible()
        await expect(page.get_by_role("link", name="second")).to_have_count(0)
        await pill.click()
        await expect(page.get_by_role("link", name="second")).to_be_visible()


async def test_the_focus_stays_where_it_is(reader: Reader):
    ticket = await reader.world.ticket("first")
    async with reader.page() as page:
        await page.goto(f"{reader.address}/dashboard")
        await page.keyboard.press("/")
        await expect(page.locator("#q")).to_be_focused()
        await page.get_by_role("link", name="first").focus()
        await reader.changes(
            ticket,
            RemediationStarted(ticket_id=ticket.id, attempt=1),
            remediation_status=RemediationStatus.IN_PROGRESS,
        )
        await expect(page.locator(f'tr[data-id="{ticket.id}"]')).to_contain_text("Auto-Healing")
        await expect(page.get_by_role("link", name="first")).to_be_focused()


async def test_typing_filters_and_the_address_follows(reader: Reader):
    await reader.world.ticket("orders")
    await reader.world.ticket("prices", error_type="SqlDeadlock")
    async with reader.page() as page:
        await page.goto(f"{reader.address}/dashboard")
        await page.locator("#q").fill("pric")
        await expect(page.get_by_role("link", name="orders")).to_have_count(0)
        await expect(page.get_by_role("link", name="prices")).to_be_visible()
        await expect(page).to_have_url(f"{reader.address}/dashboard?q=pric")
        await expect(page.locator("#q")).to_be_focused()
        await page.locator("#q").fill("")
        await page.get_by_label("Error type").select_option("GatewayTimeout")
        await expect(page.get_by_role("link", name="prices")).to_have_count(0)
        await page.reload()
        await expect(page.get_by_label("Error type")).to_have_value("GatewayTimeout")


async def test_a_story_goes_on_by_itself(reader: Reader):
    ticket = await reader.world.ticket(remediation_status=RemediationStatus.IN_PROGRESS)
    await reader.world.attempt(ticket, status="failed", failure_reason="no", logic_app_response="the answer")
    async with reader.page() as page:
        await page.goto(f"{reader.address}/dashboard?ticket={ticket.id}")
        await page.get_by_text("The playbook's answer").click()
        await expect(page.get_by_text("the answer", exact=True)).to_be_visible()
        await reader.world.attempt(ticket, 2, status="in_progress", remediation_run_id="rerun-2")
        await reader.world.happens(RemediationStarted(ticket_id=ticket.id, attempt=2))
        await expect(page.get_by_role("heading", name=re.compile("Attempt 2"))).to_contain_text("Running")
        await expect(page.get_by_text("rerun-2", exact=True)).to_be_visible()
        await expect(page.get_by_text("the answer", exact=True)).to_be_visible()
        await expect(page.get_by_text("The playbook's answer")).to_be_focused()


async def test_a_button_asks_before_it_acts(reader: Reader):
    ticket = await reader.world.ticket()
    async with reader.page() as page:
        await page.goto(f"{reader.address}/dashboard?ticket={ticket.id}")
        await page.get_by_text("Stop automation").first.click()
        form = page.locator("#act-stop form")
        await expect(form).to_contain_text("A rerun that runs goes on.")
        await page.keyboard.press("Escape")
        await expect(form).to_be_hidden()
        await page.get_by_text("Stop automation").first.click()
        await form.get_by_role("button").click()
        await expect(page.get_by_text("Stepped back: stopped by operator")).to_be_visible()
        await expect(page.locator("#act-stop")).to_have_count(0)


async def test_the_red_button_is_pressed_and_every_page_says_so(reader: Reader):
    async with reader.page() as page:
        await page.goto(f"{reader.address}/dashboard/system")
        await page.locator("#act-press summary").click()
        await page.locator("#act-press").get_by_label("Reason").fill("too many at once")
        await page.locator("#act-press button").click()
        await expect(page.locator(".banner.stop")).to_contain_text("too many at once")
        await page.get_by_role("link", name="Metrics").click()
        await expect(page.locator(".banner.stop")).to_be_visible()


@pytest.mark.parametrize("path", ["/dashboard", "/dashboard?ticket={}", "/dashboard/metrics", "/dashboard/system"])
async def test_a_page_that_is_open_already_says_at_once_that_the_red_button_was_pressed(reader: Reader, path: str):
    ticket = await reader.world.ticket()
    async with reader.page() as page:
        await page.goto(reader.address + path.format(ticket.id))
        await expect(page.locator("#live")).to_have_text("Live")
        await carry_out(reader.world.services, Switch(enabled=False, reason="storm", by="rosa"))
        await expect(page.locator(".banner.stop")).to_contain_text("storm", timeout=2000)


async def test_a_session_that_ends_leads_back_to_the_form(reader: Reader):
    async with reader.page() as page:
        await page.goto(f"{reader.address}/dashboard")
        await expect(page.locator("#live")).to_have_text("Live")
        await reader.world.database.write(lambda db: access.revoke_token(db, "operator", reader.world.clock.now()))
        await reader.world.happens(TicketOpened(ticket_id="T", pipeline="p"))
        await expect(page.get_by_label("API token")).to_be_visible()
    # The browser itself logs that an answer was refused.
    reader.said[:] = [line for line in reader.said if "401" not in line]


async def test_the_page_says_when_it_is_offline_and_catches_up(small_world: World):
    small_world.clock.moment = datetime.now(UTC)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        async with serving(small_world.app) as address:
            reader = Reader(small_world, f"http://{address}", browser, [])
            context = await browser.new_context()
            await reader.sign_in(context, "viewer")
            page = await context.new_page()
            await page.goto(f"{reader.address}/dashboard")
            await expect(page.locator("#live")).to_have_text("Live")
        await expect(page.locator("#live")).to_have_text("Offline")
        await small_world.ticket("meanwhile")
        again = create_app(small_world.services, small_world.settings)
        async with serving(again, int(address.rpartition(":")[2])):
            await expect(page.locator("#live")).to_have_text("Live", timeout=10_000)
            await expect(page.get_by_role("link", name="meanwhile")).to_be_visible()
            await browser.close()


async def test_the_charts_are_drawn_again_for_another_range_and_say_what_they_show(reader: Reader):
    await fill(reader.world)
    async with reader.page() as page:
        await page.goto(f"{reader.address}/dashboard/metrics")
        canvas = page.locator("#plot-days canvas")
        await expect(canvas).to_be_visible()
        assert await page.evaluate(PAINTED)
        await page.get_by_role("link", name="7 days").click()
        await expect(page).to_have_url(f"{reader.address}/dashboard/metrics?days=7")
        await expect(page.locator("#table-days tbody tr")).to_have_count(7)
        await expect(page.locator(".plot canvas")).to_have_count(2)
        await page.emulate_media(color_scheme="dark")
        assert await page.evaluate(PAINTED)
        box = await canvas.bounding_box()
        assert box
        await page.mouse.move(box["x"] + box["width"] - 60, box["y"] + 60)
        await expect(page.locator('.readout[data-for="plot-days"]')).to_contain_text("healed")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_nobody_is_shut_out(reader: Reader, scheme: str):
    made = await fill(reader.world)
    paths = (
        "/dashboard",
        f"/dashboard?ticket={made[6].id}",
        "/dashboard/metrics",
        "/dashboard/audit",
        "/dashboard/system",
    )
    async with reader.page("admin", color_scheme=scheme) as page:
        for path in paths:
            await page.goto(f"{reader.address}{path}")
            assert await findings(page) == [], path


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_no_page_is_wider_than_a_small_telephone(reader: Reader, scheme: str):
    made = await fill(reader.world)
    paths = (
        "/dashboard",
        f"/dashboard?ticket={made[6].id}",
        "/dashboard/metrics",
        "/dashboard/audit",
        "/dashboard/system",
    )
    async with reader.page("admin", viewport={"width": 360, "height": 780}, color_scheme=scheme) as page:
        for path in paths:
            await page.goto(f"{reader.address}{path}")
            assert await page.evaluate("() => document.documentElement.scrollWidth <= innerWidth"), path


async def test_everything_works_without_a_script(reader: Reader):
    await reader.world.ticket("orders")
    await reader.world.ticket("prices")
    async with reader.page(java_script_enabled=False) as page:
        await page.goto(f"{reader.address}/dashboard")
        await page.locator("#q").fill("pric")
        await page.get_by_role("button", name="Apply").click()
        await expect(page.get_by_role("link", name="orders")).to_have_count(0)
        await page.get_by_role("link", name="prices").click()
        await page.locator("#act-acknowledge summary").click()
        await page.locator("#act-acknowledge button").click()
        await expect(page.get_by_text("Acknowledged by operator", exact=True)).to_be_visible()
