"""Small mistakes on the command line are named in one line."""

import contextlib
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

import pipemend

MISTAKES = {
    "an address without its scheme": (["deliveries", "list", "--url", "127.0.0.1:8000", "--token", "x"], "--url"),
    "a token without a name": (["tokens", "add", ""], "NAME"),
    "a token with a name of two lines": (["tokens", "add", "a\nb"], "NAME"),
    "a playbook that is none": (["twin", "--playbook", "missing.json"], "--playbook"),
    "a platform nobody knows": (["classify", "--platform", "airflow", "text"], "--platform"),
}


def pipemend_says(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pipemend", *arguments]
    return subprocess.run(command, cwd=folder, env={"PIPEMEND_DATA_DIR": str(folder)}, text=True, capture_output=True)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_in_one_line(mistake: str, tmp_path: Path):
    arguments, named = MISTAKES[mistake]
    said = pipemend_says(arguments, tmp_path)

    assert said.returncode == 1
    assert named in said.stderr
    assert said.stderr.count("\n") == 1


def test_it_says_which_release_it_is(tmp_path: Path):
    assert pipemend_says(["--version"], tmp_path).stdout == f"pipemend {pipemend.__version__}\n"


def test_tokens_of_the_command_line_stand_in_the_audit_trail(tmp_path: Path):
    for arguments in (["tokens", "add", "grafana", "--role", "viewer"], ["tokens", "revoke", "grafana"]):
        assert pipemend_says(arguments, tmp_path).returncode == 0

    with contextlib.closing(sqlite3.connect(tmp_path / "pipemend.db")) as db:
        lines = db.execute("SELECT action, user_name FROM audit_trail").fetchall()
    assert lines == [("token_added", "command line"), ("token_revoked", "command line")]
