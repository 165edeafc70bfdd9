"""Signing in at a provider: whom we believe, what they may do, and all that is no proof."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from pipemend.core.errors import SettingsError
from pipemend.settings import Settings
from pipemend.store import people, schema
from pipemend.twin import running
from tests.web.world import BASE, World, build


def installation(database_url: str, issuer: str) -> World:
    return build(
        database_url,
        public_url=BASE,
        allowed_hosts="127.0.0.1",
        oidc_issuer=issuer,
        oidc_client_id="pipemend",
        oidc_client_secret="twin-oidc-secret",
        oidc_admin_groups="chiefs",
        oidc_operator_groups="data-platform, on-call",
    )


@dataclass
class Office:
    """An installation, the provider beside it, and somebody who goes from one to the other."""

    world: World
    provider: httpx.AsyncClient

    async def signed_in_there(self, **who: Any) -> None:
        (await self.provider.put("/twin/single-sign-on", json=who)).raise_for_status()

    async def leave(self, browser: httpx.AsyncClient, next: str = "") -> str:
        """To the provider and as far as the address that leads back."""
        sent = await browser.get("/login/oidc", params={"next": next})
        assert sent.status_code == 302, sent.text
        asked = await self.provider.get(sent.headers["location"])
        return str(asked.headers["location"])

    async def come(self, browser: httpx.AsyncClient, next: str = "") -> httpx.Response:
        return await browser.get(await self.leave(browser, next))


@pytest.fixture
async def office(sqlite_url: str) -> AsyncIterator[Office]:
    async with running() as twin, httpx.AsyncClient(base_url=twin, trust_env=False) as provider:
        world = installation(sqlite_url, f"{twin}/oidc")
        yield Office(world, provider)
        await world.app.state.live.close()
        world.database.close()


async def test_whom_the_provider_signs_in_comes_in_with_the_role_of_their_groups(office: Office):
    async with office.world.client() as browser:
        form = await browser.get("/login")
        back = await office.come(browser, "/dashboard?tab=open")
        acted = await browser.post("/api/automation", json={"enabled": False})
        listed = await browser.get("/api/tokens")

    assert "/login/oidc" in form.text
    assert (back.status_code, back.headers["location"]) == (303, "/dashboard?tab=open")
    assert (acted.status_code, acted.json()["by"], listed.status_code) == (200, "ada@example.com", 403)
    assert [(u.name, u.role, u.subject) for u in await office.world.all_of(schema.users)] == [
        ("ada@example.com", "operator", "u-0001")
    ]


async def test_the_role_is_that_of_the_groups_at_each_sign_in(office: Office):
    async with office.world.client() as browser:
        await office.come(browser)
        await office.signed_in_there(groups=["chiefs", "on-call"], name="ada.byron@example.com")
        await office.come(browser)
        assert (await browser.get("/api/tokens")).status_code == 200
        await office.signed_in_there(groups=["strangers"])
        refused = await office.come(browser)
        assert (refused.status_code, "None of your groups" in refused.text) == (403, True)
        assert (await browser.get("/api/tickets")).status_code == 401

    assert [u.name for u in await office.world.all_of(schema.users)] == ["ada@example.com"]


async def test_a_name_that_somebody_has_here_is_never_taken_for_them(office: Office):
    await office.world.session("admin", "ada@example.com")
    async with office.world.client() as browser:
        refused = await office.come(browser)

    assert refused.status_code == 403
    assert "set-cookie" not in refused.headers or "pipemend=" not in refused.headers["set-cookie"]


async def test_who_was_disabled_here_stays_out(office: Office):
    async with office.world.client() as browser:
        await office.come(browser)
        now = office.world.clock.now()
        await office.world.database.write(lambda db: people.change(db, "ada@example.com", disabled_at=now))
        assert (await office.come(browser)).status_code == 403


@pytest.mark.parametrize(
    "lie",
    [
        {"signed": "stranger"},
        {"signed": "HS256"},
        {"signed": "none"},
        {"claims": {"iss": "https://evil.example"}},
        {"claims": {"aud": "another-application"}},
        {"claims": {"aud": "another-application", "azp": "pipemend"}},
        {"claims": {"nonce": "of another browser"}},
        {"claims": {"exp": 1000}},
        {"claims": {"sub": ""}},
        {"claims": {"preferred_username": None}},
    ],
)
async def test_a_token_that_proves_nothing_lets_nobody_in(office: Office, lie: dict[str, Any]):
    await office.signed_in_there(**lie)
    async with office.world.client() as browser:
        refused = await office.come(browser)
        inside = await browser.get("/api/tickets")

    assert (refused.status_code, inside.status_code) == (401, 401)
    assert await office.world.all_of(schema.users) == []


async def test_an_answer_is_good_in_the_browser_that_asked_and_once(office: Office):
    async with office.world.client() as mine, office.world.client() as theirs:
        back = await office.leave(mine)
        assert (await theirs.get(back)).status_code == 401
        assert (await theirs.get("/login/oidc/done?code=x&state=y")).status_code == 401
        assert (await theirs.get("/login/oidc/done?error=access_denied")).status_code == 401
        await office.come(theirs)
        assert (await mine.get(back)).status_code == 303
        assert (await mine.get(back)).status_code == 401


async def test_an_answer_that_names_another_provider_is_refused(office: Office):
    async with office.world.client() as browser:
        back = urlsplit(await office.leave(browser))
        query = back.query.rpartition("iss=")[0] + "iss=https%3A%2F%2Fevil.example"
        assert (await browser.get(f"{back.path}?{query}")).status_code == 401


async def test_a_provider_that_calls_itself_otherwise_is_not_the_one_we_mean(office: Office):
    await office.signed_in_there(calls_itself="https://evil.example")
    async with office.world.client() as browser:
        answer = await browser.get("/login/oidc")

    assert answer.status_code == 502
    assert answer.headers["content-type"].startswith("text/html")


async def test_a_provider_that_is_away_is_said_in_words(sqlite_url: str):
    world = installation(sqlite_url, "http://127.0.0.1:9/oidc")
    async with world.client() as browser:
        answer = await browser.get("/login/oidc")
    world.database.close()

    assert (answer.status_code, "did not answer" in answer.text) == (502, True)


async def test_one_is_led_to_our_own_pages_only(office: Office):
    async with office.world.client() as browser:
        assert (await office.come(browser, "https://evil.example/dashboard")).headers["location"] == "/dashboard"


async def test_without_settings_there_is_no_such_way(small_world: World):
    async with small_world.client() as browser:
        assert (await browser.get("/login/oidc")).status_code == 404
        assert (await browser.get("/login/oidc/done")).status_code == 404


WHOLE = {
    "OIDC_ISSUER": "https://login.microsoftonline.com/t/v2.0",
    "OIDC_CLIENT_ID": "c",
    "OIDC_CLIENT_SECRET": "s",
    "PUBLIC_URL": "https://pipemend.example",
    "OIDC_VIEWER_GROUPS": "*",
}


@pytest.mark.parametrize("missing", WHOLE)
def test_half_of_the_settings_stop_the_start(missing: str):
    Settings.of(WHOLE)
    with pytest.raises(SettingsError, match=missing):
        Settings.of({name: value for name, value in WHOLE.items() if name != missing})
