"""One identity for all, and errors of ours."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.identity.aio import ClientSecretCredential, ManagedIdentityCredential

from pipemend.clients import azure
from pipemend.clients.azure_sdk import data_factory_client, on_this_machine
from pipemend.clients.pace import Pace
from pipemend.core.errors import NotAllowed, OutsideError, Unreachable
from pipemend.settings import Settings
from tests.platforms.adf import settings_for
from tests.twin.stage import FACTORY, GROUP, SUBSCRIPTION, Stage

PACE = Pace("a test", per_second=1000, at_once=1000)


@dataclass
class Issuer:
    """Makes credentials that count themselves."""

    made: list["Credential"] = field(default_factory=list)
    trouble: Exception | None = None

    def make(self) -> Any:
        self.made.append(Credential(self, f"token-{len(self.made) + 1}"))
        return self.made[-1]


@dataclass
class Credential:
    issuer: Issuer
    word: str
    closed: int = 0

    async def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        await asyncio.sleep(0)
        if self.issuer.trouble:
            raise self.issuer.trouble
        return AccessToken(f"{self.word}:{scopes[0]}", int(time.time()) + 3600)

    async def close(self) -> None:
        self.closed += 1


@pytest.fixture
async def own_identity(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[[Settings], azure.Identity]]:
    """Identities of settings, closed at the end."""
    monkeypatch.delenv("IDENTITY_ENDPOINT", raising=False)
    monkeypatch.delenv("IDENTITY_HEADER", raising=False)
    given: list[azure.Identity] = []

    def identity(settings: Settings) -> azure.Identity:
        given.append(azure.identity(settings))
        return given[-1]

    yield identity
    for one in given:
        await one.close()


async def test_a_refused_token_is_replaced_once_for_all_callers():
    issuer = Issuer()
    identity = azure.Identity(issuer.make)
    old = await identity.token("arm")

    assert all(await asyncio.gather(*(identity.renew(old) for _ in range(20))))
    assert await identity.token("arm") == "token-2:arm"
    assert len(issuer.made) == 2


async def test_a_token_of_another_scope_is_renewed_with_the_rest():
    issuer = Issuer()
    identity = azure.Identity(issuer.make)
    arm, databricks = await identity.token("arm"), await identity.token("databricks")

    assert await identity.renew(arm)
    assert await identity.renew(databricks)
    assert len({await identity.token("arm"), arm}) == 2
    assert len(issuer.made) == 2


async def test_an_identity_that_is_refused_for_good_does_not_ask_for_tokens_all_the_time():
    issuer = Issuer()
    identity = azure.Identity(issuer.make)

    renewed = [await identity.renew(await identity.token("arm")) for _ in range(10)]

    assert renewed == [True] + [False] * 9


async def test_the_old_credential_lives_on_until_the_next_one_is_replaced():
    issuer = Issuer()
    identity = azure.Identity(issuer.make)
    await identity.renew(await identity.token("arm"))
    await identity.token("arm")
    assert issuer.made[0].closed == 0

    await identity.close()
    assert [credential.closed for credential in issuer.made] == [1, 1]


@pytest.mark.parametrize("error", [KeyError("resource"), ValueError("expires_on"), TimeoutError(), OSError("no route")])
async def test_without_a_token_nothing_was_sent(error: Exception):
    with pytest.raises(Unreachable):
        await azure.Identity(Issuer(trouble=error).make).token("arm")


async def test_all_who_have_the_same_settings_share_one_identity(own_identity: Callable[[Settings], azure.Identity]):
    settings, other = settings_for("http://127.0.0.1:9"), settings_for("http://127.0.0.1:9", AZURE_CLIENT_ID="other")

    assert own_identity(settings) is own_identity(settings)
    assert own_identity(settings) is not own_identity(other)


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        ({}, ManagedIdentityCredential),
        ({"AZURE_CLIENT_ID": "user-assigned"}, ManagedIdentityCredential),
        ({"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c", "AZURE_CLIENT_SECRET": "s"}, ClientSecretCredential),
    ],
)
async def test_a_secret_makes_a_service_principal_and_none_the_machines_own_identity(
    more: dict[str, str], kind: type[Any], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("IDENTITY_ENDPOINT", "http://127.0.0.1:9/identity/token")
    monkeypatch.setenv("IDENTITY_HEADER", "x")
    credential = azure.credential(settings_for("http://127.0.0.1:9", **more))

    assert isinstance(credential, kind)
    await credential.close()


async def test_a_shared_identity_is_closed_by_its_last_user(own_identity: Callable[[Settings], azure.Identity]):
    settings = settings_for("http://127.0.0.1:9")
    first, second = azure.identity(settings), own_identity(settings)
    await first.close()

    assert own_identity(settings) is second


def test_the_old_names_of_the_identity_endpoint_are_copied_with_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setenv("IDENTITY_ENDPOINT", "")
    monkeypatch.setenv("IDENTITY_HEADER", "")
    azure.show_endpoint(settings_for("http://127.0.0.1:9", MSI_ENDPOINT="http://127.0.0.1:1/msi", MSI_SECRET="geheim"))

    assert (os.environ["IDENTITY_ENDPOINT"], os.environ["IDENTITY_HEADER"]) == ("http://127.0.0.1:1/msi", "geheim")
    assert "MSI_ENDPOINT" in caplog.text
    assert "geheim" not in caplog.text


def test_an_identity_endpoint_that_stands_in_a_file_is_seen_too(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("IDENTITY_ENDPOINT", "")
    monkeypatch.setenv("IDENTITY_HEADER", "")
    azure.show_endpoint(
        settings_for("http://127.0.0.1:9", IDENTITY_ENDPOINT="http://127.0.0.1:1/x", IDENTITY_HEADER="geheim")
    )

    assert (os.environ["IDENTITY_ENDPOINT"], os.environ["IDENTITY_HEADER"]) == ("http://127.0.0.1:1/x", "geheim")


def test_todays_names_win_over_the_old_ones(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("IDENTITY_ENDPOINT", "http://127.0.0.1:2/today")
    azure.show_endpoint(settings_for("http://127.0.0.1:9", MSI_ENDPOINT="http://127.0.0.1:1/msi", MSI_SECRET="x"))

    assert os.environ["IDENTITY_ENDPOINT"] == "http://127.0.0.1:2/today"


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:8080", True),
        ("http://[::1]:8080", True),
        ("http://localhost:8080", True),
        ("https://127.0.0.1", False),
        ("http://127.0.0.1.example.com", False),
        ("http://management.azure.com", False),
        ("https://management.azure.com", False),
    ],
)
def test_only_this_machine_is_spoken_to_without_tls(url: str, here: bool):
    assert on_this_machine(url) is here


async def test_a_token_is_not_sent_over_http_to_another_machine():
    issuer = Issuer()
    async with data_factory_client(azure.Identity(issuer.make), "s", "http://management.example") as sdk:
        with pytest.raises(Unreachable, match="not sent over http"):
            await azure.start("createRun", lambda: sdk.pipelines.create_run("rg", "f", "p"), PACE)

    assert issuer.made == []


async def test_a_call_with_a_refused_token_is_sent_again_with_a_new_one(
    stage: Stage, own_identity: Callable[[Settings], azure.Identity], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{stage.base_url}/identity/token")
    monkeypatch.setenv("IDENTITY_HEADER", "twin-identity")
    await stage.pipeline("nightly", "Succeeded")
    identity = own_identity(settings_for(stage.base_url))

    async with data_factory_client(identity, SUBSCRIPTION, stage.base_url) as sdk:
        start = lambda: sdk.pipelines.create_run(GROUP, FACTORY, "nightly")  # noqa: E731 - the same call twice
        await azure.start("createRun", start, PACE)
        await stage.put("identity", generation=1)  # every token so far is refused from now on
        await asyncio.gather(*(azure.start("createRun", start, PACE) for _ in range(10)))

    assert len(await stage.requests("identity", "token")) == 2
    assert sum(request["executed"] for request in await stage.requests("arm", "createRun")) == 11


async def test_an_identity_without_rights_is_named(
    stage: Stage, own_identity: Callable[[Settings], azure.Identity], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{stage.base_url}/identity/token")
    monkeypatch.setenv("IDENTITY_HEADER", "twin-identity")
    await stage.fault("arm", None, "status", status=403)

    async with data_factory_client(own_identity(settings_for(stage.base_url)), SUBSCRIPTION, stage.base_url) as sdk:
        with pytest.raises(NotAllowed, match="AuthorizationFailed"):
            await azure.read("getRun", lambda: sdk.pipeline_runs.get(GROUP, FACTORY, "1"), PACE)


@pytest.mark.parametrize(
    ("kind", "more", "error"),
    [("status", {"status": 403}, NotAllowed), ("status", {"status": 500}, Unreachable), ("html", {}, Unreachable)],
)
async def test_trouble_with_the_identity_endpoint_has_started_nothing(
    stage: Stage,
    own_identity: Callable[[Settings], azure.Identity],
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    more: dict[str, int],
    error: type[OutsideError],
):
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{stage.base_url}/identity/token")
    monkeypatch.setenv("IDENTITY_HEADER", "twin-identity")
    await stage.fault("identity", None, kind, times=-1, **more)

    async with data_factory_client(own_identity(settings_for(stage.base_url)), SUBSCRIPTION, stage.base_url) as sdk:
        with pytest.raises(error):
            await azure.start("createRun", lambda: sdk.pipelines.create_run(GROUP, FACTORY, "nightly"), PACE)


@pytest.mark.parametrize(
    "module",
    ["clients.azure", "clients.azure_monitor", "clients.http", "clients.logic_app", "platforms.data_factory"],
)
def test_importing_it_loads_no_vendors_library(module: str):
    look = f"import sys, pipemend.{module}; print(*({{'azure', 'aiohttp', 'httpx'}} & set(sys.modules)))"

    assert subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True).stdout.strip() == ""
