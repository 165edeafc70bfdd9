"""A running twin in a process of its own, and an installation on each database."""

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.postgres import drop_database, fresh_database
from tests.scenarios.installation import Installation, installation


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


@pytest.fixture
def twin(tmp_path: Path) -> Iterator[str]:
    with running_twin(tmp_path) as url:
        yield url


@contextlib.contextmanager
def running_twin(folder: Path) -> Iterator[str]:
    """The address of a twin in a process of its own."""
    port = free_port()
    with (folder / "twin.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "pipemend", "twin", "--port", str(port)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(150):
            try:
                if httpx.get(f"{url}/twin/", timeout=2, trust_env=False).is_success:
                    break
            except httpx.HTTPError:
                time.sleep(0.1)
        yield url
    finally:
        process.kill()
        process.wait(timeout=10)


@pytest.fixture(params=["sqlite", "postgresql"])
def installed(request: pytest.FixtureRequest, tmp_path: Path, twin: str) -> Iterator[Installation]:
    """An installation on an empty database, not started yet. At the end it has kept every rule."""
    server = request.getfixturevalue("postgres_server") if request.param == "postgresql" else None
    yield from _installed(tmp_path, twin, server)


@pytest.fixture
def on_postgres(tmp_path: Path, twin: str, postgres_server: str) -> Iterator[Installation]:
    """The same where several processes are allowed."""
    yield from _installed(tmp_path, twin, postgres_server)


def _installed(tmp_path: Path, twin: str, server: str | None) -> Iterator[Installation]:
    url = fresh_database(server) if server is not None else None
    folder = tmp_path / "pipemend"
    folder.mkdir()
    with installation(folder, twin, free_port(), url) as made:
        yield made
        made.keeps_its_word()
    if url is not None:
        drop_database(url)
