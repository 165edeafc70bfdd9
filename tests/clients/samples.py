"""The collection of published payloads that may lie beside the repository."""

from pathlib import Path

import pytest

WIRE = Path(__file__).resolve().parents[3] / "shared" / "wire"


def sample(name: str) -> bytes:
    """A payload as it was published; the test is skipped where the collection is not at hand."""
    if not WIRE.is_dir():
        pytest.skip("the collection of published payloads is not beside the repository")
    return (WIRE / name).read_bytes()
