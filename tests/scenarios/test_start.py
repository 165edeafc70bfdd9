"""A start that goes wrong says in one line which setting is meant."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest


def serve(folder: Path, *words: str, verb: str = "serve", **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "PIPEMEND_DATA_DIR": str(folder / "data"), **settings}
    return subprocess.run(
        [sys.executable, "-m", "pipemend", verb, *words],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("words", "settings", "named"),
    [
        ([], {"DATABASE_URL": "postgresql://nobody:hunter2@127.0.0.1:1/x"}, "DATABASE_URL"),
        ([], {"DATABASE_URL": "mysql://x"}, "DATABASE_URL"),
        ([], {"PIPEMEND_DATA_DIR": "/proc/nowhere/x"}, "PIPEMEND_DATA_DIR"),
        (["--port", "99999"], {}, "PIPEMEND_PORT"),
        ([], {"PIPEMEND_HOST": "0.0.0.0", "PIPEMEND_PORT": "0"}, "PIPEMEND_HOST"),
        ([], {"SLACK_BOT_TOKEN": "xoxb-1"}, "SLACK_ALERT_CHANNEL"),
    ],
    ids=["database away", "other database", "no folder", "no port", "open to others", "half a group"],
)
def test_a_mistake_is_named_in_one_line(tmp_path: Path, words: list[str], settings: dict[str, str], named: str) -> None:
    done = serve(tmp_path, *words, **settings)

    assert done.returncode == 1
    said = [line for line in done.stderr.splitlines() if line.startswith("pipemend: ")]
    assert len(said) == 1, done.stderr
    assert named in said[0]
    assert "Traceback" not in done.stderr
    assert "hunter2" not in done.stderr
    assert "listens on" not in done.stdout


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = serve(tmp_path, "--port", str(taken.getsockname()[1]))
    assert done.returncode == 1
    assert "PIPEMEND_PORT" in done.stderr
    assert "listens on" not in done.stdout
