"""Users: how they are made, sign in, change their password, and are shut out."""

import re
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from pipemend.store import people, schema
from tests.web.world import BASE, World

PASSWORD = "three quiet owls"
OTHER = "four loud sparrows"
TOGETHER = {"password": PASSWORD, "again": PASSWORD}


async def link_for(world: World, name: str | None) -> str:
    return await world.database.write(lambda db: people.make_link(db, name, world.clock.now()))


async def signed_up(world: World, name: str = "ada", role: str = "operator") -> None:
    """A user with the password of these tests."""
    await world.session(role, name)
    async with world.client() as browser:
        answer = await browser.post("/welcome", data={"link": await link_for(world, name), **TOGETHER})
        assert answer.status_code == 303, answer.text


async def sign_in(browser: httpx.AsyncClient, name: str = "ada", password: str = PASSWORD) -> int:
    return (await browser.post("/login", data={"name": name, "password": password})).status_code


async def inside(browser: httpx.AsyncClient) -> bool:
    return (await browser.get("/api/tickets")).status_code == 200


async def test_the_first_link_makes_the_first_admin_and_is_good_once(world: World):
    link = await link_for(world, None)
    async with world.client() as browser, world.client() as late:
        looked = await browser.get(f"/welcome?link={link}")
        made = await browser.post("/welcome", data={"link": link, "name": " Ada ", **TOGETHER})
        people_page = await browser.get("/dashboard/people")
        again = await late.post("/welcome", data={"link": link, "name": "eve", **TOGETHER})

    assert "The first admin" in looked.text
    assert (made.status_code, made.headers["location"]) == (303, "/dashboard")
    assert people_page.status_code == 200
    assert again.status_code == 401
    assert [(user.name, user.role) for user in await world.all_of(schema.users)] == [("ada", "admin")]
    assert [e.action for e in await world.all_of(schema.audit_trail)] == ["user_added", "password_set"]


async def test_the_first_link_ends_with_the_first_user_whoever_made_them(small_world: World):
    link = await link_for(small_world, None)
    await small_world.session("viewer")
    async with small_world.client() as browser:
        assert (await browser.get(f"/welcome?link={link}")).status_code == 401


async def test_a_link_is_over_after_a_day_and_when_a_newer_one_is_made(small_world: World):
    await small_world.session("viewer", "ada")
    older, newer = await link_for(small_world, "ada"), await link_for(small_world, "ada")
    async with small_world.client() as browser:
        assert (await browser.get(f"/welcome?link={older}")).status_code == 401
        assert "Welcome, ada" in (await browser.get(f"/welcome?link={newer}")).text
        small_world.clock.pass_by(hours=25)
        assert (await browser.post("/welcome", data={"link": newer, **TOGETHER})).status_code == 401


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"password": "short", "again": "short"}, "at least 12"),
        ({"password": "x" * 300, "again": "x" * 300}, "at most 200"),
        ({"password": "a" * 20, "again": "a" * 20}, "too easy"),
        ({"password": PASSWORD, "again": OTHER}, "differ"),
    ],
)
async def test_a_bad_password_is_refused_and_the_link_stays_good(small_world: World, given: dict[str, str], why: str):
    await small_world.session("viewer", "ada")
    link = await link_for(small_world, "ada")
    async with small_world.client() as browser:
        answer = await browser.post("/welcome", data={"link": link, **given})
        assert (answer.status_code, why in answer.text) == (422, True)
        assert (await browser.post("/welcome", data={"link": link, **TOGETHER})).status_code == 303


@pytest.mark.parametrize("name", ["AI_AUTO_HEAL", "recovered", "", "a b", "<b>", "x" * 101, "grafana"])
async def test_nobody_gets_the_name_of_the_machine_or_of_a_token(small_world: World, name: str):
    await small_world.token("viewer", "Grafana")
    link = await link_for(small_world, None)
    async with small_world.client() as browser:
        answer = await browser.post("/welcome", data={"link": link, "name": name, **TOGETHER})

    assert answer.status_code == 422
    assert await small_world.all_of(schema.users) == []


async def test_a_token_does_not_get_the_name_of_a_user(small_world: World):
    await small_world.session("viewer", "ada")
    async with await small_world.a_client("admin") as admin:
        assert (await admin.post("/api/tokens", json={"name": "Ada", "role": "viewer"})).status_code == 409


async def test_a_user_signs_in_acts_under_their_name_and_signs_out(world: World):
    ticket = await world.ticket()
    await signed_up(world)
    async with world.client() as browser:
        assert await sign_in(browser, "Ada") == 303
        assert (await browser.post(f"/api/tickets/{ticket.id}/acknowledge")).json()["ack_user"] == "ada"
        await browser.post("/logout")
        assert not await inside(browser)

    assert "ada" in {line.user_name for line in await world.all_of(schema.audit_trail) if line.ticket_id == ticket.id}


async def test_who_is_not_known_has_no_password_or_may_not_come_hears_the_same(small_world: World):
    await signed_up(small_world)
    await signed_up(small_world, "gone")
    await small_world.session("viewer", "new")
    await small_world.database.write(lambda db: people.change(db, "gone", disabled_at=small_world.clock.now()))
    tries = [("ada", OTHER), ("nobody", PASSWORD), ("new", ""), ("gone", PASSWORD), ("", ""), ("ada", "")]
    async with small_world.client() as browser:
        answers = [await browser.post("/login", data={"name": n, "password": p}) for n, p in tries]

    assert {(answer.status_code, answer.text) for answer in answers} == {(401, answers[0].text)}
    assert "set-cookie" not in answers[0].headers


@pytest.mark.parametrize("field", ["name", "password", "token", "next"])
async def test_a_nul_in_the_form_is_refused(world: World, field: str):
    async with world.client() as browser:
        answer = await browser.post("/login", data={"name": "a", "password": "b", field: "a\0b"})

    assert answer.status_code == 422


async def test_signing_in_never_takes_over_a_session_that_was_there(small_world: World):
    await signed_up(small_world)
    planted = await small_world.session("viewer", "eve")
    async with small_world.client(cookies={"pipemend": planted}) as browser:
        assert await sign_in(browser) == 303
        fresh = browser.cookies.get("pipemend", domain="pipemend.test")

    assert fresh not in (None, planted)
    async with small_world.client(cookies={"pipemend": planted}) as eve:
        assert not await inside(eve)


async def test_many_tries_at_one_name_are_stopped_wherever_they_come_from(small_world: World):
    await signed_up(small_world)
    answers = []
    for number in range(21):
        transport = httpx.ASGITransport(app=small_world.app, client=(f"10.0.0.{number}", 1))
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as browser:
            answers.append(await sign_in(browser, "ada", "wrong" if number < 20 else PASSWORD))
            assert await sign_in(browser, f"other{number}", "wrong") == 401
    small_world.clock.pass_by(minutes=16)
    async with small_world.client() as browser:
        answers.append(await sign_in(browser))

    assert answers == [401] * 20 + [429, 303]


async def test_tries_are_counted_across_restarts_and_for_a_whole_ipv6_network(small_world: World):
    await signed_up(small_world)
    answers = []
    for number in range(11):
        transport = httpx.ASGITransport(app=small_world.app, client=(f"2001:db8::{number}", 1))
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as browser:
            answers.append(await sign_in(browser, f"name{number}", "wrong"))

    assert answers == [401] * 10 + [429]
    assert len(await small_world.all_of(schema.sign_in_tries)) == 10


async def test_good_tries_are_forgiven(small_world: World):
    await signed_up(small_world)
    async with small_world.client() as browser:
        assert [await sign_in(browser) for _ in range(12)] == [303] * 12


async def test_changing_the_password_asks_for_the_present_one_and_ends_every_other_session(world: World):
    await signed_up(world)
    wish = {"current": PASSWORD, "password": OTHER, "again": OTHER}
    async with world.client() as here, world.client() as there:
        await sign_in(here)
        await sign_in(there)
        wrong = await here.post("/dashboard/account/password", data={**wish, "current": OTHER})
        good = await here.post("/dashboard/account/password", data=wish)
        assert (wrong.status_code, good.status_code) == (422, 303)
        assert (await inside(here), await inside(there)) == (True, False)
        assert (await sign_in(there), await sign_in(there, password=OTHER)) == (401, 303)


async def test_signing_out_everywhere_does(small_world: World):
    await signed_up(small_world)
    async with small_world.client() as here, small_world.client() as there:
        await sign_in(here)
        await sign_in(there)
        await here.post("/dashboard/account/sign-out-everywhere")
        assert (await inside(here), await inside(there)) == (False, False)


async def test_an_admin_makes_changes_and_shuts_out_users(world: World):
    async with await world.person("admin", "root") as admin, world.client() as browser:
        made = await admin.post("/dashboard/people/users", data={"name": "ada", "role": "viewer"})
        (link,) = re.findall(r"/welcome\?link=([\w-]+)", made.text)
        await browser.post("/welcome", data={"link": link, **TOGETHER})
        assert (await browser.post("/api/automation", json={"enabled": False})).status_code == 403
        await admin.post("/dashboard/people/users/ada/role", data={"role": "operator"})
        assert (await browser.post("/api/automation", json={"enabled": False})).status_code == 200
        await admin.post("/dashboard/people/users/ada/disable")
        assert (await inside(browser), await sign_in(browser)) == (False, 401)
        assert (await admin.post("/dashboard/people/users/ada/reset")).status_code == 409  # not let in by the way
        await admin.post("/dashboard/people/users/ada/enable")
        assert (await inside(browser), await sign_in(browser)) == (False, 303)
        reset = await admin.post("/dashboard/people/users/ada/reset")
        assert "/welcome?link=" in reset.text
        assert (await inside(browser), await sign_in(browser)) == (False, 401)

    told = [(line.action, line.user_name) for line in await world.all_of(schema.audit_trail)]
    assert [action for action, by in told if by == "root"] == [
        *("user_added", "user_role_changed", "user_disabled", "user_enabled", "user_reset"),
    ]


async def test_disabling_a_user_ends_the_link_they_have_not_used(small_world: World):
    async with await small_world.person("admin", "root") as admin, small_world.client() as browser:
        made = await admin.post("/dashboard/people/users", data={"name": "ada", "role": "viewer"})
        (link,) = re.findall(r"/welcome\?link=([\w-]+)", made.text)
        await admin.post("/dashboard/people/users/ada/disable")
        assert (await browser.post("/welcome", data={"link": link, **TOGETHER})).status_code == 401


async def test_tokens_are_made_and_revoked_on_the_page(small_world: World):
    async with await small_world.person("admin", "root") as admin:
        made = await admin.post("/dashboard/people/tokens", data={"name": "ci", "role": "viewer"})
        (token,) = re.findall(r"pm_[\w-]+", made.text)
        async with small_world.client(token) as program:
            assert await inside(program)
            await admin.post("/dashboard/people/tokens/ci/revoke")
            assert not await inside(program)
        assert token not in (await admin.get("/dashboard/people")).text


async def test_a_person_gets_no_link_that_is_for_holders_of_tokens(world: World):
    async with await world.person("viewer") as browser:
        assert (await browser.post("/api/sign-in-links")).status_code == 409


@pytest.mark.parametrize("path", ["/welcome", "/login", "/logout", "/dashboard/account/password"])
async def test_other_sites_press_none_of_it(small_world: World, path: str):
    async with await small_world.person("admin") as browser:
        answer = await browser.post(path, data={}, headers={"Sec-Fetch-Site": "cross-site"})

    assert answer.status_code == 403


async def test_the_page_to_sign_in_shows_the_ways_there_are(small_world: World):
    async with small_world.client() as browser:
        before = (await browser.get("/login")).text
        await small_world.session("viewer")
        after = (await browser.get("/login?next=/dashboard%3Ftab%3Dopen")).text

    assert 'name="password"' not in before
    assert 'name="password"' in after
    assert 'name="token"' in after
    assert parse_qs(urlsplit(re.findall(r'value="(/dashboard[^"]*)"', after)[0]).query) == {"tab": ["open"]}
