"""The demo to its end: both scenarios of the plan, line by line, in real processes."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path


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
