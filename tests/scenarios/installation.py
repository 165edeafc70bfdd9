"""Pipemend as its users run it: processes, a real database, the twin for the outside world."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import httpx

from pipemend.demo.processes import settings
from pipemend.demo.scenarios import FACTORY

T = TypeVar("T")
PATIENCE = 40.0


class Installation:
    """One server that can be started, killed and started again, and the twin beside it."""

    def __init__(self, folder: Path, twin: str, port: int, environment: Mapping[str, str]) -> None:
        self.folder, self.port, self.environment = folder, port, dict(environment)
        self.server = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10, trust_env=False)
        self.twin = httpx.Client(base_url=twin, timeout=10, trust_env=False)
        self.process: subprocess.Popen[bytes] | None = None

    def command(self, *words: str) -> str:
        """Runs a command to its end; what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "pipemend", *words],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return done.stdout

    def starts(self) -> None:
        with (self.folder / "serve.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pipemend", "serve", "--port", str(self.port)],
                env=self.environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.until(self._ready, "the server is ready")

    def _ready(self) -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return self.server.get("/readyz").is_success
        return False

    def dies(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(timeout=10)

    def leaves(self) -> float:
        """SIGTERM; the seconds until it is gone."""
        assert self.process is not None
        begun = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=20)
        return time.monotonic() - begun

    def ends(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(timeout=10)
        self.server.close()
        self.twin.close()

    # the outside world

    def breaks(self, pipeline: str, **plan: Any) -> str:
        """A pipeline that fails as planned, triggered now; its run id."""
        whole = {"duration": 0.3, "alert": "none", **plan}
        self.twin.put(f"/twin/pipelines/{FACTORY}/{pipeline}", json=whole).raise_for_status()
        return self.triggers(pipeline)

    def triggers(self, pipeline: str) -> str:
        answer = self.twin.post(f"/twin/pipelines/{FACTORY}/{pipeline}/trigger", json={"by": "schedule"})
        return str(answer.raise_for_status().json()["runId"])

    def reruns(self, pipeline: str) -> list[Mapping[str, Any]]:
        runs = self.twin.get("/twin/runs", params={"pipeline": pipeline}).json()["runs"]
        return [run for run in runs if run.get("referencedRunId")]

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

    def until(self, holds: Callable[[], T], what: str, seconds: float = PATIENCE) -> T:
        """Waits until something holds; its last value."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if value := holds():
                return value
            time.sleep(0.1)
        tail = (self.folder / "serve.log").read_text(errors="replace")[-3000:]
        raise AssertionError(f"not within {seconds} s: {what}\n{tail}")

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
        yield made
    finally:
        made.ends()
