"""Databricks jobs, with real processes, kill -9, and the twin's workspace at the other end."""

import os
import random
import sqlite3
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.conftest import free_port
from tests.scenarios.installation import Installation, installation

WORKSPACE = "/twin/databricks/dbx-twin"
SMALL, LARGE = "Standard_D4s_v3", {"memory_mb": 80 * 1024, "error": "ExecutorOutOfMemory"}


def job(installed: Installation, name: str, *outcomes: str, **plan: Any) -> str:
    """A job that runs now and comes to these ends; the run's id."""
    body = {"outcomes": list(outcomes), "duration": 0.3, **plan}
    installed.twin.put(f"{WORKSPACE}/jobs/{name}", json=body).raise_for_status()
    answer = installed.twin.post(f"{WORKSPACE}/jobs/{name}/trigger", json={"by": "schedule"})
    return str(answer.raise_for_status().json()["run_id"])


def acts(installed: Installation) -> Sequence[str]:
    """What was started or changed in the workspace, in order."""
    return [str(act["act"]) for act in installed.twin.get(f"{WORKSPACE}/acts").json()["acts"]]


def test_a_failed_job_is_repaired_once_though_we_die_meanwhile(installed: Installation) -> None:
    installed.starts()
    run_id = job(installed, "orders", "GatewayTimeout", "Succeeded", duration=3)
    installed.until(lambda: (installed.ticket("orders") or {}).get("remediation_run_id"), "the repair is known")

    installed.dies()
    installed.starts()

    ticket = installed.until_ticket("orders", "it is healed", status="acknowledged", ack_user="AI_AUTO_HEAL")
    assert ticket["id"].startswith("DBX-")
    assert ticket["remediation_run_id"].startswith(f"{run_id}:repair:")


@pytest.mark.soak
def test_a_cluster_is_restarted_once_though_we_die_meanwhile(installed: Installation) -> None:
    (installed.folder / "playbooks.toml").write_text('[GatewayTimeout.databricks]\naction = "restart_cluster"\n')
    installed.twin.put(f"{WORKSPACE}/clusters/shared", json={"start_seconds": 2}).raise_for_status()
    installed.starts()
    job(installed, "stock", "GatewayTimeout", "Succeeded", cluster="shared")
    installed.until(lambda: any("restart" in act.lower() for act in acts(installed)), "the cluster is restarted")

    installed.dies()
    installed.starts()

    installed.until_ticket("stock", "it is healed", status="acknowledged", ack_user="AI_AUTO_HEAL")
    done = [act.lower() for act in acts(installed)]
    assert [sum(word in act for act in done) for word in ("restart", "repair")] == [1, 1], done


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_no_lease_is_left_behind_however_often_we_die(
    tmp_path: Path, twin: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """`LEASE_KILLS=100` makes it long. A cluster is enlarged for one job after the other; we die at any moment."""
    (folder := tmp_path / "pipemend").mkdir()
    with installation(folder, twin, free_port(), None) as installed:
        (folder / "playbooks.toml").write_text(
            "[ClusterMemoryExhausted]\ninitial_delay_seconds = 0\nmax_retries = 20\nbackoff_seconds = [1]\n"
        )
        installed.twin.put(f"{WORKSPACE}/clusters/shared", json={"start_seconds": 0.5}).raise_for_status()
        chance, killed, jobs = random.Random(7), 0, list[str]()
        installed.starts()
        while killed < int(os.environ.get("LEASE_KILLS", "15")):
            if _machine(installed) == SMALL and all(_over(installed, name) for name in jobs):
                jobs.append(f"large-{len(jobs)}")
                job(installed, jobs[-1], "Succeeded", cluster="shared", needs=LARGE)
            time.sleep(chance.uniform(0.2, 6))
            installed.dies()
            killed += 1
            installed.starts()
        for name in jobs:
            installed.until(lambda name=name: _over(installed, name), f"{name} is over", 120)  # type: ignore[misc]
        installed.until(lambda: _machine(installed) == SMALL, "the cluster is as it was", 120)
        with capsys.disabled():
            print(f"\n{killed} kills, {len(jobs)} jobs, acts: {dict(Counter(acts(installed)))}")
        installed.keeps_its_word()
    assert sqlite3.connect(folder / "pipemend.db").execute("SELECT count(*) FROM leases").fetchone() == (0,)


def _machine(installed: Installation) -> str:
    [cluster] = installed.twin.get(f"{WORKSPACE}/clusters").json()["clusters"]
    return str(cluster["node_type_id"])


def _over(installed: Installation, name: str) -> bool:
    return (installed.ticket(name) or {}).get("status") == "acknowledged"


def test_a_pipeline_and_the_job_that_it_runs_have_one_ticket(installed: Installation) -> None:
    installed.starts()
    plan = {"outcomes": ["GatewayTimeout", "Succeeded"], "duration": 0.3}
    installed.twin.put(f"{WORKSPACE}/jobs/load", json=plan).raise_for_status()
    installed.breaks("daily", outcomes=["Succeeded"], jobs=["dbx-twin/load"], job_activity="DatabricksJob")

    installed.until_ticket("daily", "it is healed", status="acknowledged", remediation_status="succeeded")
    assert [ticket["pipeline"] for ticket in installed.get("/api/tickets")["tickets"]] == ["daily"]
    assert not any("repair" in act.lower() for act in acts(installed))


@pytest.mark.soak
def test_a_playbook_may_run_the_job_anew(installed: Installation) -> None:
    url = installed.twin.put("/twin/workflows/retry-job", json={"behaviour": "sync"}).json()["url"]
    installed.environment["PLAYBOOK_RETRY_JOB"] = url
    installed.starts()
    job(installed, "prices", "GatewayTimeout", "Succeeded")

    ticket = installed.until_ticket("prices", "it is healed", status="acknowledged", ack_user="AI_AUTO_HEAL")
    assert ticket["remediation_run_id"].isdigit()
    [attempt] = installed.get(f"/api/tickets/{ticket['id']}/remediation-history")["attempts"]
    assert attempt["via"] == "playbook"
