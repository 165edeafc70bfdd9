"""The demo to its end: both scenarios of the plan, line by line, in real processes."""

import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.scenarios.conftest import free_port


def test_the_demo_mends_what_it_breaks_and_every_check_holds(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pipemend", "demo", "--headless", "--data-dir", str(tmp_path / "demo")],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert "❌" not in done.stdout
    with closing(sqlite3.connect(tmp_path / "demo" / "pipemend.db")) as db:
        assert db.execute("SELECT COUNT(*) FROM tickets").fetchone() == (6,)


def test_a_used_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pipemend.db").write_text("")
    done = subprocess.run(
        [sys.executable, "-m", "pipemend", "demo", "--headless", "--data-dir", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "fresh folder" in done.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the processes of a demo that was killed stay behind")
def test_what_the_demo_started_ends_with_it(tmp_path: Path) -> None:
    port = free_port()
    code = f"""
import time
from pathlib import Path
from pipemend.demo.processes import _bare, _process, _wait_for
with _process("twin", ["--port", "{port}"], _bare(), Path.cwd()):
    _wait_for("http://127.0.0.1:{port}/twin/", Path("twin.log"))
    Path("listens").touch()
    time.sleep(60)
"""
    with (tmp_path / "log").open("wb") as log:
        demo = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, stdout=log, stderr=log)
    until(lambda: (tmp_path / "listens").exists())

    demo.kill()
    demo.wait(timeout=10)

    until(lambda: not listens(port))


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)
