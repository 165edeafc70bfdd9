"""A pipeline whose input is a file waits until that is there, as far as its connection may see it: over HTTP, at the
twin."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pipemend.clients import azure
from pipemend.clients.http import Http
from pipemend.clients.upstream import CheckUpstream
from pipemend.core.attempt import AttemptStatus
from pipemend.core.playbook import PipelineRule, Playbook, Playbooks
from pipemend.core.run import RunStatus
from pipemend.core.ticket import RemediationStatus
from pipemend.store.database import Database
from tests.platforms.adf import settings_for
from tests.twin.conftest import stage, twin
from tests.twin.stage import Stage
from tests.world import World

__all__ = ["stage", "twin"]
MISSING, UNKNOWN = "ServerBusy", "Mystery"
BOOK = Playbook(error_type=MISSING, action="check_upstream", max_retries=2, deadline_seconds=300)
BLOB = "landing/orders/today.csv"


@pytest.fixture
async def world(
    migrated_file: Path, tmp_path: Path, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    shutil.copy(migrated_file, tmp_path / "pipemend.db")
    database = Database(f"sqlite:///{tmp_path / 'pipemend.db'}")
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{stage.base_url}/identity/token")
    monkeypatch.setenv("IDENTITY_HEADER", "twin-identity")
    made, http, identity = World(database), Http(), azure.identity(settings_for(stage.base_url))
    monkeypatch.setattr(made.adf, "identity", lambda resource: identity, raising=False)
    follow(made, http, f"{stage.base_url}/storage/{BLOB}")
    await made.begin()
    yield made
    await identity.close()
    await http.close()
    database.close()


def follow(world: World, http: Http, *upstream: str) -> None:
    world.services.playbooks = Playbooks({(MISSING, None): BOOK}, (PipelineRule(match="*/load", upstream=upstream),))

    def names(where: str, what: str) -> tuple[str, ...]:
        return world.services.playbooks.rule_for(where, what).upstream

    waits = CheckUpstream(world.services.platforms, names, world.adf.rerun, http)
    world.adf.remedies = {"retry_pipeline": world.adf.rerun, "check_upstream": waits}


def started(world: World) -> list[str]:
    return [world.adf.runs[run_id].pipeline for run_id in world.adf.rerun.started_runs]


async def reason(world: World) -> str:
    ticket = next(ticket for ticket in await world.tickets() if ticket.pipeline == "load")
    [attempt] = await world.attempts(ticket.id)
    return attempt.failure_reason or ""


async def test_it_is_waited_for_and_then_the_pipeline_is_rerun(world: World, stage: Stage) -> None:
    world.adf.fails("load", MISSING)
    await world.after(180)
    assert started(world) == []
    assert await reason(world) == f"it waits for the blob {stage.base_url}/storage/{BLOB}"

    await stage.put(f"storage/{BLOB}")
    await world.after(90)
    [rerun] = world.adf.rerun.started_runs
    world.adf.ends(rerun, RunStatus.SUCCEEDED)
    await world.after(60)
    assert (await world.ticket()).ack_user == "AI_AUTO_HEAL"
    assert await world.broken() == set()


async def test_one_that_is_not_there_by_the_deadline_is_for_people(world: World, stage: Stage) -> None:
    world.adf.fails("load", MISSING)
    await world.after(420, step=70)
    ticket, [attempt] = await world.ticket(), await world.attempts()
    assert started(world) == []
    assert (attempt.status, ticket.remediation_status) == (AttemptStatus.FAILED, RemediationStatus.FAILED)
    told = f"it was not ready by its deadline: it waits for the blob {stage.base_url}/storage/{BLOB}"
    assert attempt.failure_reason == told
    assert await world.broken() == set()


@pytest.mark.parametrize(
    ("rights", "word"),
    [
        ({"role": False}, "answered 403 AuthorizationPermissionMismatch: its identity needs the role"),
        ({"network": False}, "and the network rules of the account have to let Pipemend in"),
    ],
)
async def test_one_that_nobody_may_see_is_for_people_at_once(
    world: World, stage: Stage, rights: dict[str, bool], word: str
) -> None:
    await stage.put("storage", **rights)
    await stage.put(f"storage/{BLOB}")
    world.adf.fails("load", MISSING)
    await world.after(31)
    why = await reason(world)
    assert word in why
    assert "Storage Blob Data Reader" in why
    assert (await world.ticket()).remediation_status is RemediationStatus.FAILED
    assert started(world) == []


async def test_storage_that_cannot_answer_is_asked_again(world: World, stage: Stage) -> None:
    await stage.fault("storage", None, "status", status=409, times=1)
    await stage.put(f"storage/{BLOB}")
    world.adf.fails("load", MISSING)
    await world.after(31)
    assert "nobody can say whether the blob" in await reason(world)
    assert "Azure Storage answered 409" in await reason(world)
    await world.after(90)
    assert started(world) == ["load"]


async def test_a_token_that_is_refused_is_renewed(world: World, stage: Stage) -> None:
    world.adf.fails("load", MISSING)
    await world.after(31)
    await stage.put("identity", generation=1)
    await stage.put(f"storage/{BLOB}")
    await world.after(90)
    assert started(world) == ["load"]


async def test_a_failed_pipeline_is_run_again_while_a_blob_is_waited_for(world: World, stage: Stage) -> None:
    follow(world, http := Http(), "adf-night/extract", f"{stage.base_url}/storage/{BLOB}")
    world.adf.fails("extract", UNKNOWN)
    world.adf.fails("load", MISSING)
    await world.after(90)
    assert started(world) == ["extract"]
    world.adf.ends(world.adf.rerun.started_runs[0], RunStatus.SUCCEEDED)
    await world.after(120)
    assert "it waits for the blob" in await reason(world)
    assert started(world) == ["extract"]
    await stage.put(f"storage/{BLOB}")
    await world.after(90)
    assert started(world) == ["extract", "load"]
    await http.close()


async def test_one_that_was_there_and_is_gone_is_waited_for(world: World, stage: Stage) -> None:
    await stage.put(f"storage/{BLOB}")
    (await stage.http.delete(f"/twin/storage/{BLOB}")).raise_for_status()
    world.adf.fails("load", MISSING)
    await world.after(60)
    assert "it waits for the blob" in await reason(world)


async def test_a_connection_without_an_identity_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(world.adf, "identity")
    world.adf.fails("load", MISSING)
    await world.after(31)
    assert "adf-night has no identity in Azure" in await reason(world)
