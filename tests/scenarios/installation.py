"""Pipemend as its users run it: processes, a real database, the twin for the outside world."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx

from pipemend.cli.audit import look, starts_of
from pipemend.demo.processes import settings
from pipemend.demo.scenarios import FACTORY
from pipemend.settings import Settings

T = TypeVar("T")
PATIENCE = 40.0


class Running:
    """One process of ours, ended by its id."""

    def __init__(self, words: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.log = log
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, *words],
                env=dict(environment),
                cwd=log.parent,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )

    def dies(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait(timeout=10)

    def leaves(self) -> float:
        """SIGTERM; the seconds until it is gone."""
        begun = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=20)
        return time.monotonic() - begun

    def freezes(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaws(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def ended(self, seconds: float) -> int:
        """Waits for its end; the exit code."""
        return self.process.wait(timeout=seconds)

    def said(self) -> str:
        return self.log.read_text(errors="replace")


class Installation:
    """One server that can be started, killed and started again, workers beside it, and the twin."""

    def __init__(self, folder: Path, twin: str, port: int, environment: Mapping[str, str]) -> None:
        self.folder, self.port, self.environment = folder, port, dict(environment)
        self.server = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10, trust_env=False)
        self.twin = httpx.Client(base_url=twin, timeout=10, trust_env=False)
        self.running: list[Running] = []

    @property
    def main(self) -> Running:
        """The server that was started last."""
        return self.running[-1]

    def command(self, *words: str) -> str:
        """Runs a command to its end; what it printed."""
        done = self.runs(*words)
        done.check_returncode()
        return done.stdout

    def runs(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Runs a command to its end, whatever that is."""
        return subprocess.run(
            [sys.executable, "-m", "pipemend", *words],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def moves_to(self, port: int) -> None:
        """The next server stands elsewhere, and whoever comes goes there."""
        self.port, self.server.base_url = port, f"http://127.0.0.1:{port}"
        self.alerts_come()

    def starts(self, *words: str) -> None:
        """The server, until it is ready."""
        log = self.folder / "serve.log"
        self.running.append(
            Running(["-m", "pipemend", "serve", "--port", str(self.port), *words], self.environment, log)
        )
        self.until(self.ready, "the server is ready")

    def works(self, name: str, *words: str) -> Running:
        """A worker beside the server, at work."""
        worker = self.begins_to_work(name, *words)
        self.until(lambda: "Pipemend works" in worker.said(), f"{name} works")
        return worker

    def begins_to_work(self, name: str, *words: str) -> Running:
        worker = Running(["-m", "pipemend", "worker", *words], self.environment, self.folder / f"{name}.log")
        self.running.insert(0, worker)
        return worker

    def ready(self) -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return self.server.get("/readyz").is_success
        return False

    def dies(self) -> None:
        """kill -9."""
        self.main.dies()

    def leaves(self) -> float:
        """SIGTERM; the seconds until it is gone."""
        return self.main.leaves()

    def all_die(self) -> None:
        for one in self.running:
            if one.process.poll() is None:
                one.dies()

    def ends(self) -> None:
        self.all_die()
        self.server.close()
        self.twin.close()

    def keeps_its_word(self) -> None:
        """Nothing in the tables, and nothing that the twin was asked for, breaks a rule."""
        database = Settings.load(self.environment, dotenv=None).database
        starts = starts_of(str(self.twin.base_url))
        assert look(database, starts, timedelta(minutes=1)) == []

    # the outside world

    def breaks(self, pipeline: str, **plan: Any) -> str:
        """A pipeline that fails as planned, triggered now; its run id."""
        whole = {"duration": 0.3, "alert": "none", **plan}
        self.twin.put(f"/twin/pipelines/{FACTORY}/{pipeline}", json=whole).raise_for_status()
        return self.triggers(pipeline)

    def alerts_come(self, **group: Any) -> None:
        """The twin posts its alerts to our door."""
        secret = {"X-Pipemend-Secret": self.environment["AZURE_MONITOR_SECRET"]}
        door = {"url": f"http://127.0.0.1:{self.port}/azure-monitor", "headers": secret, **group}
        self.twin.put("/twin/action-group", json=door).raise_for_status()

    def triggers(self, pipeline: str) -> str:
        answer = self.twin.post(f"/twin/pipelines/{FACTORY}/{pipeline}/trigger", json={"by": "schedule"})
        return str(answer.raise_for_status().json()["runId"])

    def runs_of(self, pipeline: str) -> list[Mapping[str, Any]]:
        return list(self.twin.get("/twin/runs", params={"pipeline": pipeline}).json()["runs"])

    def reruns(self, pipeline: str) -> list[Mapping[str, Any]]:
        return [run for run in self.runs_of(pipeline) if run.get("referencedRunId")]

    def failed(self, pipeline: str) -> bool:
        return any(run.get("status") == "Failed" for run in self.runs_of(pipeline))

    def playbook(self, **behaviour: Any) -> None:
        self.twin.put("/twin/workflows/retry-pipeline", json=behaviour).raise_for_status()

    # what people see

    def get(self, path: str, **query: Any) -> Any:
        return self.server.get(path, params=query).raise_for_status().json()

    def ticket(self, pipeline: str) -> Mapping[str, Any] | None:
        """The only ticket of a pipeline, or none yet."""
        found: list[Mapping[str, Any]] = self.get("/api/tickets", pipeline=pipeline)["tickets"]
        assert len(found) <= 1, f"{len(found)} tickets for one failure"
        return found[0] if found else None

    def verified(self) -> None:
        """What `pipemend audit verify` looks for is not there, neither in our tables nor at the twin."""
        done = self.runs("audit", "verify", "--twin", str(self.twin.base_url))
        assert done.returncode == 0, done.stdout + done.stderr

    def until(self, holds: Callable[[], T], what: str, seconds: float = PATIENCE) -> T:
        """Waits until something holds; its last value."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if value := holds():
                return value
            time.sleep(0.05)
        tails = "\n".join(f"{log.name}: {log.read_text(errors='replace')[-3000:]}" for log in self.folder.glob("*.log"))
        raise AssertionError(f"not within {seconds} s: {what}\n{tails}")

    def until_ticket(self, pipeline: str, what: str, **columns: Any) -> Mapping[str, Any]:
        """Waits until the pipeline's ticket has these values."""

        def fits() -> Mapping[str, Any] | None:
            ticket = self.ticket(pipeline)
            return ticket if ticket and all(ticket[name] == value for name, value in columns.items()) else None

        found = self.until(fits, what)
        assert found is not None
        return found


@contextlib.contextmanager
def installation(folder: Path, twin: str, port: int, database_url: str | None) -> Iterator[Installation]:
    """A server with a token, not started yet."""
    playbooks = folder / "playbooks.toml"
    playbooks.write_text("[GatewayTimeout]\nbackoff_seconds = [1]\n")
    environment = settings(twin, f"http://127.0.0.1:{port}", folder, playbooks)
    if "PYTHONPATH" in os.environ:
        environment["PYTHONPATH"] = os.environ["PYTHONPATH"]
    if database_url is not None:
        environment["DATABASE_URL"] = database_url
    made = Installation(folder, twin, port, environment)
    try:
        made.command("migrate")
        token = made.command("tokens", "add", "test", "--role", "admin").strip().splitlines()[-1]
        made.server.headers["Authorization"] = f"Bearer {token}"
        made.alerts_come()
        yield made
    finally:
        made.ends()
