"""Tokens, sessions, links and roles: who gets in, and how far."""

import re
from urllib.parse import urlsplit

import pytest

from pipemend.core.ticket import Status
from pipemend.store import schema, tickets
from tests.web.world import BASE, World, build

COOKIE = "pipemend"


async def test_an_api_token_opens_the_api(world: World):
    async with await world.a_client("viewer") as client:
        assert (await client.get("/api/tickets")).status_code == 200


@pytest.mark.parametrize("header", ["Bearer wrong", "Bearer ", "Basic abc", "nonsense", ""])
async def test_a_wrong_header_is_refused_with_a_problem(small_world: World, header: str):
    async with small_world.client(headers={"Authorization": header}) as client:
        answer = await client.get("/api/tickets")

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json()["status"] == 401


async def test_only_a_few_addresses_are_open(small_world: World):
    async with small_world.client() as client:
        answers = {path: (await client.get(path)).status_code for path in small_world.app.openapi()["paths"]}
        answers["/openapi.json"] = (await client.get("/openapi.json")).status_code
        answers["/dashboard"] = (await client.get("/dashboard")).status_code

    assert {path for path, status in answers.items() if status == 200} == {"/healthz", "/readyz"}
    assert answers["/dashboard"] == 303
    assert {status for path, status in answers.items() if path.startswith("/api/")} <= {401, 405}
    assert answers["/openapi.json"] == 401


async def test_viewers_read_and_do_not_command(small_world: World):
    ticket = await small_world.ticket()
    async with await small_world.a_client("viewer") as client:
        for word in ("acknowledge", "retry", "stop"):
            answer = await client.post(f"/api/tickets/{ticket.id}/{word}")
            assert answer.status_code == 403
            assert "operator" in answer.json()["detail"]
        assert (await client.post("/api/automation", json={"enabled": False})).status_code == 403
        assert (await client.get("/api/deliveries")).status_code == 403
        assert (await client.get("/api/tokens")).status_code == 403


async def test_operators_command_and_see_no_tokens(small_world: World):
    ticket = await small_world.ticket()
    async with await small_world.a_client("operator") as client:
        assert (await client.post(f"/api/tickets/{ticket.id}/acknowledge")).status_code == 200
        assert (await client.get("/api/tokens")).status_code == 403
        assert (await client.post("/api/deliveries/1/replay")).status_code == 403


async def test_an_admin_makes_and_revokes_tokens(world: World):
    async with await world.a_client("admin") as admin:
        made = await admin.post("/api/tokens", json={"name": "ci", "role": "viewer"})
        again = await admin.post("/api/tokens", json={"name": "ci", "role": "viewer"})
        token = made.json()["token"]
        async with world.client(token) as ci:
            before = await ci.get("/api/tickets")
            assert (await admin.delete("/api/tokens/ci")).status_code == 204
            after = await ci.get("/api/tickets")
        listed = await admin.get("/api/tokens")
        gone = await admin.delete("/api/tokens/ci")

    assert (made.status_code, again.status_code, gone.status_code) == (201, 409, 404)
    assert (before.status_code, after.status_code) == (200, 401)
    assert token not in listed.text
    assert {entry["name"]: bool(entry["revoked_at"]) for entry in listed.json()["tokens"]} == {
        "admin": False,
        "ci": True,
    }
    assert [e.action for e in await world.all_of(schema.audit_trail)] == ["token_added", "token_revoked"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": "ci"}, 422),
        ({"name": "ci", "role": "root"}, 422),
        ({"name": "", "role": "viewer"}, 422),
        ({"name": "a\nb", "role": "viewer"}, 422),
        ({"name": "<script>", "role": "viewer"}, 422),
        ({"name": "x" * 65, "role": "viewer"}, 422),
        ({"name": "AI_AUTO_HEAL", "role": "viewer"}, 409),
        ({"name": "recovered", "role": "viewer"}, 409),
        ({"name": "ci", "role": "viewer", "token": "mine"}, 422),
    ],
)
async def test_a_token_needs_a_sensible_name_and_role(small_world: World, body: dict[str, str], status: int):
    async with await small_world.a_client("admin") as client:
        assert (await client.post("/api/tokens", json=body)).status_code == status


async def test_signing_in_with_a_token_gives_a_session(world: World):
    token = await world.token("operator", "ada")
    async with world.client() as client:
        answer = await client.post("/login", data={"token": f" {token}\n"})
        inside = await client.get("/api/tickets")

    assert (answer.status_code, answer.headers["location"]) == (303, "/dashboard")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    assert all(word in cookie for word in ("HttpOnly", "SameSite=lax", "Path=/"))
    assert "Secure" not in cookie
    assert token not in cookie
    assert inside.status_code == 200


async def test_over_https_the_cookie_is_bound_to_this_host(small_world: World):
    token = await small_world.token("viewer")
    async with small_world.client() as client:
        answer = await client.post("https://pipemend.test/login", data={"token": token})
        inside = await client.get("https://pipemend.test/api/tickets")

    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-pipemend=")
    assert "Secure" in cookie
    assert inside.status_code == 200
    assert "strict-transport-security" in inside.headers


async def test_behind_a_proxy_the_public_address_says_that_it_is_https(sqlite_url: str):
    world = build(sqlite_url, public_url="https://pipemend.test")
    token = await world.token("viewer")
    async with world.client() as client:
        answer = await client.post("/login", data={"token": token})

    assert answer.headers["set-cookie"].startswith("__Host-pipemend=")
    world.database.close()


async def test_a_wrong_token_shows_the_form_again(small_world: World):
    async with small_world.client() as client:
        answer = await client.post("/login", data={"token": "pm_wrong"})

    assert answer.status_code == 401
    assert "not valid" in answer.text
    assert "set-cookie" not in answer.headers


async def test_ten_failures_a_minute_are_enough(small_world: World):
    token = await small_world.token("viewer")
    async with small_world.client() as client:
        failed = [(await client.post("/login", data={"token": "wrong"})).status_code for _ in range(10)]
        limited = await client.post("/login", data={"token": token})
        by_link = await client.get("/login?link=wrong")
        small_world.clock.pass_by(seconds=61)
        later = await client.post("/login", data={"token": token})

    assert failed == [401] * 10
    assert (limited.status_code, by_link.status_code, later.status_code) == (429, 429, 303)
    assert limited.headers["retry-after"] == "60"


async def test_a_link_signs_in_once(world: World):
    async with await world.a_client("operator") as client:
        url = (await client.post("/api/sign-in-links")).json()["url"]
    assert url.startswith(f"{BASE}/login?link=")
    address = f"{urlsplit(url).path}?{urlsplit(url).query}"

    async with world.client() as browser:
        first = await browser.get(address)
        inside = await browser.get("/api/tickets")
    async with world.client() as other:
        again = await other.get(address)

    assert (first.status_code, first.headers["location"]) == (303, "/dashboard")
    assert inside.status_code == 200
    assert (again.status_code, "set-cookie" in again.headers) == (401, False)


async def test_an_old_link_is_refused(small_world: World):
    async with await small_world.a_client("viewer") as client:
        url = (await client.post("/api/sign-in-links")).json()["url"]
    small_world.clock.pass_by(minutes=16)
    async with small_world.client() as browser:
        assert (await browser.get(url)).status_code == 401


async def test_a_session_ends_after_its_time(small_world: World):
    async with await small_world.browser("operator") as client:
        small_world.clock.pass_by(hours=13)
        assert (await client.get("/api/tickets")).status_code == 401


async def test_revoking_a_token_ends_its_sessions(small_world: World):
    async with await small_world.browser("operator") as browser, await small_world.a_client("admin") as admin:
        await admin.delete("/api/tokens/operator")
        assert (await browser.get("/api/tickets")).status_code == 401


async def test_signing_out_ends_the_session_itself(small_world: World):
    async with await small_world.browser("operator") as client:
        value = client.cookies[COOKIE]
        assert (await client.post("/logout")).headers["location"] == "/login"
        assert (await client.get("/api/tickets", headers={"Cookie": f"{COOKIE}={value}"})).status_code == 401


FOREIGN = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "https://evil.test"},
    {"Origin": "null"},
    {"Origin": "http://pipemend.test.evil.test"},
    {"Sec-Fetch-Site": "cross-site", "Origin": BASE},
]


@pytest.mark.parametrize("headers", FOREIGN)
async def test_another_site_cannot_use_a_session(small_world: World, headers: dict[str, str]):
    ticket = await small_world.ticket()
    async with await small_world.browser("operator") as client:
        answer = await client.post(f"/api/tickets/{ticket.id}/acknowledge", headers=headers)
        read = await client.get("/api/tickets", headers=headers)

    assert (answer.status_code, read.status_code) == (403, 200)
    kept = await small_world.database.read(lambda db: tickets.get(db, ticket.id))
    assert kept.status is Status.OPEN


@pytest.mark.parametrize("headers", FOREIGN)
async def test_another_site_cannot_sign_anybody_in(small_world: World, headers: dict[str, str]):
    token = await small_world.token("viewer")
    async with small_world.client() as client:
        assert (await client.post("/login", data={"token": token}, headers=headers)).status_code == 403


@pytest.mark.parametrize(
    "headers", [{}, {"Origin": BASE}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}]
)
async def test_our_own_page_can_use_a_session(small_world: World, headers: dict[str, str]):
    ticket = await small_world.ticket()
    async with await small_world.browser("operator") as client:
        assert (await client.post(f"/api/tickets/{ticket.id}/acknowledge", headers=headers)).status_code == 200


async def test_a_bearer_token_needs_no_such_guard_and_reads_no_cookie(small_world: World):
    ticket = await small_world.ticket()
    operator = await small_world.token("operator")
    async with await small_world.browser("viewer") as client:
        headers = {"Authorization": f"Bearer {operator}", "Origin": "https://tool.test"}
        good = await client.post(f"/api/tickets/{ticket.id}/acknowledge", headers=headers)
        bad = await client.get("/api/tickets", headers={"Authorization": "Bearer wrong"})

    assert (good.status_code, bad.status_code) == (200, 401)


@pytest.mark.parametrize(
    ("wanted", "given"),
    [
        ("/dashboard?ticket=ADF-1", "/dashboard?ticket=ADF-1"),
        ("https://evil.test/", "/dashboard"),
        ("//evil.test/dashboard", "/dashboard"),
        ("/\\evil.test", "/dashboard"),
        ("/dashboard\\@evil.test", "/dashboard"),
        ("/dashboard\r\nSet-Cookie: a=b", "/dashboard"),
        ("javascript:alert(1)", "/dashboard"),
        ("", "/dashboard"),
    ],
)
async def test_after_signing_in_one_lands_on_our_own_pages_only(small_world: World, wanted: str, given: str):
    token = await small_world.token("viewer")
    async with small_world.client() as client:
        answer = await client.post("/login", data={"token": token, "next": wanted})

    assert answer.headers["location"] == given
    assert answer.headers.get_list("set-cookie") == [answer.headers["set-cookie"]]


async def test_a_stranger_is_brought_to_the_form_and_then_to_the_page(small_world: World):
    token = await small_world.token("viewer")
    async with small_world.client() as client:
        sent = await client.get("/dashboard?ticket=ADF-1")
        form = await client.get(sent.headers["location"])
        (wanted,) = re.findall(r'name="next" value="([^"]*)"', form.text)
        back = await client.post("/login", data={"token": token, "next": wanted})

    assert back.headers["location"] == "/dashboard?ticket=ADF-1"


async def test_everything_carries_the_security_headers(small_world: World):
    async with small_world.client() as client:
        answers = [await client.get(path) for path in ("/login", "/api/tickets", "/healthz", "/nowhere", "/dashboard")]

    for answer in answers:
        assert answer.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"


async def test_no_token_has_a_name_that_the_machine_signs_with(small_world: World):
    async with await small_world.a_client("admin") as client:
        for name in ("AI_AUTO_HEAL", "pipeline", "Recovered", "MERGED", "Pipemend"):
            answer = await client.post("/api/tokens", json={"name": name, "role": "viewer"})
            assert (answer.status_code, "itself uses" in answer.text) == (409, True), answer.text
