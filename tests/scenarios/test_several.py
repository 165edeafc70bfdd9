"""Several processes on one PostgreSQL: doors alone, workers beside them, and what happens when one of them goes."""

import httpx
import psycopg
import pytest

from tests.scenarios.conftest import free_port
from tests.scenarios.installation import Installation
from tests.scenarios.test_start import serve


def test_doors_and_two_workers_heal_together(on_postgres: Installation) -> None:
    on_postgres.starts("--no-worker")
    assert "no worker is alive" in on_postgres.get("/api/system")["worker"]
    first, second = on_postgres.begins_to_work("first"), on_postgres.begins_to_work("second")  # both make tables
    on_postgres.until(lambda: "Pipemend works" in first.said() and "Pipemend works" in second.said(), "both work")
    assert on_postgres.get("/api/system")["worker"] is None

    for n in range(4):
        on_postgres.breaks(f"heals-{n}", outcomes=["GatewayTimeout", "Succeeded"], alert="log_v2")
    on_postgres.breaks("never-heals", outcomes=["GatewayTimeout"], alert="log_v2")
    for n in range(4):
        on_postgres.until_ticket(f"heals-{n}", "it is healed", status="acknowledged", ack_user="AI_AUTO_HEAL")
        assert len(on_postgres.reruns(f"heals-{n}")) == 1
    on_postgres.until_ticket("never-heals", "people are told", remediation_status="max_retries_exceeded")
    assert len(on_postgres.reruns("never-heals")) == 3

    assert first.leaves() < 10
    assert second.leaves() < 10
    assert "Traceback" not in first.said() + second.said()


def test_doors_alone_ring_and_a_worker_listens(on_postgres: Installation) -> None:
    on_postgres.starts("--no-worker")
    on_postgres.works("worker")
    with psycopg.connect(on_postgres.environment["DATABASE_URL"], autocommit=True) as db:
        db.execute("LISTEN pipemend")
        listening = "SELECT 1 FROM pg_stat_activity WHERE query = 'LISTEN pipemend' AND pid <> pg_backend_pid()"
        on_postgres.until(lambda: db.execute(listening).fetchone(), "the worker listens")
        on_postgres.breaks("nightly-load", outcomes=["GatewayTimeout", "Succeeded"], alert="log_v2")
        assert list(db.notifies(timeout=10, stop_after=1)), "nobody rang"


def test_a_worker_tells_how_it_is_and_what_it_has_measured(on_postgres: Installation) -> None:
    metrics = free_port()
    on_postgres.environment["METRICS_PORT"] = str(metrics)
    worker = on_postgres.works("worker", "--health-port", str(on_postgres.port))

    assert on_postgres.ready()
    with httpx.Client(base_url=on_postgres.server.base_url, trust_env=False) as anybody:
        assert anybody.get("/healthz").json() == {"status": "ok"}
        assert anybody.get("/api/tickets").status_code == 404
        page = anybody.get(f"http://127.0.0.1:{metrics}/metrics")
        assert "pipemend_tickets{" in page.text
        assert "pipemend_outside_call_seconds" in page.text
        assert anybody.get(f"http://127.0.0.1:{metrics}/readyz").status_code == 404
    assert worker.leaves() < 10
    assert worker.process.returncode == 0


@pytest.mark.parametrize("words", [["serve", "--no-worker"], ["worker"]], ids=" ".join)
def test_a_file_belongs_to_one_process(tmp_path, words: list[str]) -> None:
    done = serve(tmp_path, *words[1:], verb=words[0])

    assert done.returncode == 1
    (said,) = done.stderr.splitlines()
    assert said.startswith("pipemend: DATABASE_URL")
    assert "PostgreSQL" in said
