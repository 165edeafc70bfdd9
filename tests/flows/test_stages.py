"""Remedies of several stages: a cluster is got ready first, and a crash or a stop in between does no harm."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from pipemend.analyzers.rules import Rules
from pipemend.core.attempt import AttemptStatus
from pipemend.core.commands import Acknowledge, Retry, Stop, Switch
from pipemend.core.playbook import Playbook, Playbooks
from pipemend.core.ticket import RemediationStatus
from pipemend.flows import settling
from pipemend.store import attempts
from pipemend.store.database import Database
from tests.flows.test_databricks import GATEWAY, Workspace
from tests.platforms.tiny_databricks import TinyDatabricks, connected

BOOK = Playbook(error_type="GatewayTimeout", action="restart_cluster", max_retries=2, backoff_seconds=(30,))


@pytest.fixture
async def world(database: Database) -> AsyncIterator[Workspace]:
    made = Workspace(database)
    made.tiny = TinyDatabricks()
    made.tiny.clusters["c-1"] = {
        "cluster_id": "c-1",
        "cluster_name": "etl",
        "state": "RUNNING",
        "start_time": 1,
        "num_workers": 4,
        "spark_version": "16.4.x",
        "node_type_id": "Standard_D4s_v3",
        "cluster_source": "UI",
    }
    made.tiny.libraries["c-1"] = []
    async with connected(made.tiny, clock=made.clock) as dbx:
        made.services.platforms = {"databricks": dbx}
        made.services.analyzer = Rules()
        follow(made)
        await made.begin()
        yield made


def follow(world: Workspace, action: str = "restart_cluster", **more: Any) -> None:
    world.services.playbooks = Playbooks({("GatewayTimeout", None): replace(BOOK, action=action, **more)})


def fails(world: Workspace, name: str = "nightly-load") -> int:
    run_id = world.fails(name=name, error=GATEWAY)
    world.tiny.runs[run_id]["tasks"][0]["existing_cluster_id"] = "c-1"
    return run_id


def acts(world: Workspace) -> list[str]:
    """What was done to clusters, libraries and runs, in order."""
    reading = ("get", "list", "list-node-types", "get-output", "cluster-status")
    return [path for path, _ in world.tiny.bodies if path.rsplit("/", 1)[-1] not in reading]


async def test_a_cluster_is_restarted_before_the_job_is_repaired(world: Workspace) -> None:
    run_id = fails(world)
    await world.after(31)
    assert acts(world) == ["clusters/restart"]
    [attempt] = await world.attempts()
    assert (attempt.status, attempt.stage, attempt.remediation_run_id) == (AttemptStatus.IN_PROGRESS, "ready", None)
    assert (await world.ticket()).remediation_status is RemediationStatus.IN_PROGRESS

    await world.after(60)
    assert acts(world) == ["clusters/restart"]  # it has not come up yet
    world.tiny.comes_up("c-1")
    await world.after(31)
    assert acts(world) == ["clusters/restart", "jobs/runs/repair"]

    world.ends(run_id, "SUCCESS")
    await world.after(31)
    assert (await world.ticket()).ack_user == "AI_AUTO_HEAL"
    [attempt] = await world.attempts()
    assert attempt.failure_reason is None
    assert world.slack.words.count("remediation_started") == 1


async def test_a_cluster_that_is_down_is_started(world: Workspace) -> None:
    world.tiny.clusters["c-1"]["state"] = "TERMINATED"
    fails(world)
    await world.after(31)
    assert acts(world) == ["clusters/start"]


async def test_a_cluster_that_does_not_come_up_is_a_failed_attempt(world: Workspace) -> None:
    fails(world)
    await world.after(31)
    reason = {"code": "CLOUD_PROVIDER_LAUNCH_FAILURE", "type": "CLOUD_FAILURE", "parameters": {}}
    world.tiny.clusters["c-1"].update(state="TERMINATED", termination_reason=reason)
    await world.after(20)
    first = (await world.attempts())[0]
    assert first.status is AttemptStatus.FAILED
    assert "CLOUD_PROVIDER_LAUNCH_FAILURE" in (first.failure_reason or "")


async def test_a_cluster_made_for_the_run_is_left_alone(world: Workspace) -> None:
    world.fails(error=GATEWAY)
    await world.after(31)
    assert acts(world) == ["jobs/runs/repair"]


async def test_nobodys_work_is_cut_off_by_a_restart(world: Workspace) -> None:
    other = world.tiny.begins("other-job")
    world.tiny.runs[other]["tasks"][0]["existing_cluster_id"] = "c-1"
    fails(world)
    await world.after(31)
    assert acts(world) == []
    assert "other-job" in ((await world.attempts())[0].failure_reason or "")

    world.ends(other, "SUCCESS")
    await world.after(62)
    assert acts(world) == ["clusters/restart"]


async def test_one_cluster_takes_five_jobs_down_and_is_mended_once(world: Workspace) -> None:
    runs = [fails(world, f"job-{number}") for number in range(5)]
    await world.after(93)
    assert acts(world) == ["clusters/restart"]
    assert len(await world.tickets()) == 5

    world.tiny.comes_up("c-1")
    await world.after(62)
    assert sorted(acts(world)) == ["clusters/restart", *["jobs/runs/repair"] * 5]
    for run_id in runs:
        world.ends(run_id, "SUCCESS")
    await world.after(31)
    assert {ticket.ack_user for ticket in await world.tickets()} == {"AI_AUTO_HEAL"}


async def test_the_red_button_is_obeyed_before_each_stage(world: Workspace) -> None:
    fails(world)
    await world.after(31)
    await world.command(Switch(enabled=False, reason="maintenance", by="rosa"))
    world.tiny.comes_up("c-1")
    await world.after(120)
    assert acts(world) == ["clusters/restart"]
    assert "red button" in ((await world.attempts())[0].failure_reason or "")

    await world.command(Switch(enabled=True, reason="", by="rosa"))
    await world.after(62)
    assert acts(world) == ["clusters/restart", "jobs/runs/repair"]


async def test_a_stop_between_stages_starts_nothing_more(world: Workspace) -> None:
    fails(world)
    await world.after(31)
    await world.command(Stop(ticket_id=(await world.ticket()).id, by="rosa"))
    world.tiny.comes_up("c-1")
    await world.after(62)
    assert acts(world) == ["clusters/restart"]
    ticket = await world.ticket()
    assert ticket.remediation_status is RemediationStatus.FAILED
    assert (await world.attempts())[0].status is AttemptStatus.CANCELLED


async def test_a_closed_ticket_needs_no_more_stages(world: Workspace) -> None:
    fails(world)
    await world.after(31)
    await world.command(Acknowledge(ticket_id=(await world.ticket()).id, by="rosa"))
    world.tiny.comes_up("c-1")
    await world.after(62)
    assert acts(world) == ["clusters/restart"]
    assert ((await world.ticket()).ack_user, (await world.attempts())[0].status) == ("rosa", AttemptStatus.CANCELLED)


async def test_a_stage_ends_at_the_deadline(world: Workspace) -> None:
    follow(world, deadline_seconds=300)
    fails(world)
    await world.after(400)
    [attempt] = await world.attempts()
    assert attempt.status is AttemptStatus.FAILED
    assert "not ready by its deadline" in (attempt.failure_reason or "")
    assert (await world.ticket()).remediation_status is RemediationStatus.FAILED


async def test_a_crash_in_a_stage_is_mended_by_looking_again(world: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The restart was sent, and we died before anything was saved."""
    lost = iter([True])
    whole = settling.settle

    def dies_once(*args: Any) -> None:
        if (await_stage := attempts.get(args[0], args[2])).stage == "restart" and next(lost, False):
            raise RuntimeError(f"killed in {await_stage.stage}")
        whole(*args)

    monkeypatch.setattr("pipemend.flows.remediation.settle", dies_once)
    fails(world)
    with pytest.raises(RuntimeError, match="killed"):
        await world.after(31)
    assert acts(world) == ["clusters/restart"]
    assert (await world.attempts())[0].status is AttemptStatus.STARTING

    await world.upkeep()
    world.tiny.comes_up("c-1")
    await world.after(93)
    assert acts(world) == ["clusters/restart", "jobs/runs/repair"]


async def test_a_lost_answer_in_a_stage_is_looked_at_again(world: Workspace) -> None:
    world.tiny.trouble("clusters/restart", status=504, body="gateway", after=True)
    fails(world)
    await world.after(62)
    world.tiny.comes_up("c-1")
    await world.after(62)
    assert acts(world) == ["clusters/restart", "jobs/runs/repair"]


async def test_libraries_are_taken_off_and_installed_again(world: Workspace) -> None:
    follow(world, "reinstall_libraries")
    broken, fine = {"pypi": {"package": "x"}}, {"pypi": {"package": "y"}}
    world.tiny.libraries["c-1"] = [
        {"library": broken, "status": "FAILED", "messages": ["boom"]},
        {"library": fine, "status": "INSTALLED"},
    ]
    fails(world)
    await world.after(31)
    assert acts(world) == ["libraries/uninstall", "clusters/restart"]
    world.tiny.comes_up("c-1")
    await world.after(31)
    assert acts(world)[2:] == ["libraries/install"]
    assert world.tiny.sent("libraries/install") == [{"cluster_id": "c-1", "libraries": [broken]}]
    await world.after(31)
    assert len(acts(world)) == 3  # still installing
    world.tiny.libraries["c-1"][-1]["status"] = "INSTALLED"
    await world.after(31)
    assert acts(world)[3:] == ["jobs/runs/repair"]


async def test_a_library_that_fails_again_is_a_failed_attempt(world: Workspace) -> None:
    follow(world, "reinstall_libraries", max_retries=1)
    world.tiny.libraries["c-1"] = [{"library": {"pypi": {"package": "x"}}, "status": "FAILED", "messages": ["boom"]}]
    fails(world)
    await world.after(31)
    world.tiny.comes_up("c-1")
    await world.after(31)
    world.tiny.libraries["c-1"][-1].update(status="FAILED", messages=["no such version"])
    await world.after(31)
    [attempt] = await world.attempts()
    assert attempt.status is AttemptStatus.FAILED
    assert "no such version" in (attempt.failure_reason or "")
    assert "jobs/runs/repair" not in acts(world)


async def test_a_person_may_retry_what_was_edited_through_all_its_stages(world: Workspace) -> None:
    fails(world)
    await world.command(Switch(by="rosa", enabled=False))
    await world.after(31)
    world.tiny.settings = {**world.tiny.settings, "max_concurrent_runs": 2}
    await world.command(Switch(by="rosa", enabled=True))
    await world.after(62)
    ticket = await world.ticket()
    assert "has edited" in str(ticket.decision["why"])
    assert acts(world) == []

    await world.command(Retry(ticket_id=ticket.id, by="rosa"))
    await world.after(31)
    world.tiny.comes_up("c-1")
    await world.after(31)
    assert acts(world) == ["clusters/restart", "jobs/runs/repair"]
