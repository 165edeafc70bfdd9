"""Every benchmark runs, as small as it can be. Its figures are nobody's business here."""

import subprocess
import sys
from pathlib import Path

import pytest

from bench.registry import BENCHES

QUICK = ("imports", "lists")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.soak) for name in BENCHES]
)
def test_it_runs(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", name, "--small", "--db", "sqlite"],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "measured" in done.stdout
