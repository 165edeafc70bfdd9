"""Whatever is posted to a door: it is kept or refused in words, and never our own mistake."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipemend.core import callback
from pipemend.store import schema
from tests.web.world import SECRET, World, build

NUMBERS = st.integers() | st.floats() | st.sampled_from([10**400, -(10**400), 1e308])
LEAVES = (
    st.none() | st.booleans() | NUMBERS | st.text() | st.sampled_from(["\x00", "\ud800", "💥" * 50, "=cmd|' /C'!A0"])
)
NAMES = st.text(max_size=8) | st.sampled_from(
    [
        "schemaId",
        "data",
        "essentials",
        "alertContext",
        "condition",
        "allOf",
        "dimensions",
        "name",
        "value",
        "SearchResults",
    ]
)
TREES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(NAMES, inner, max_size=5), max_leaves=30
)
ENCODINGS = st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1"])
ODD = st.sampled_from(
    [
        b"",
        b"\x00",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
        b'{"schemaId": 1, "schemaId": "azureMonitorCommonAlertSchema", "data": []}',
        b'{"pipeline_name": "a", "pipeline_name": "b", "run_id": NaN, "error": Infinity}',
        b'{"pipeline_name": "\\ud800\\u0000", "run_id": 1' + b"0" * 5000 + b"}",
        b"x" * (256 * 1024 + 1),
    ]
)


def written(tree: Any, encoding: str) -> bytes:
    errors = "strict" if encoding == "latin-1" else "surrogatepass"
    return json.dumps(tree, ensure_ascii=encoding == "latin-1").encode(encoding, errors)


BODIES = ODD | st.binary(max_size=200) | st.builds(written, TREES, ENCODINGS)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> World:
    path: Path = tmp_path_factory.mktemp("doors") / "pipemend.db"
    engine = sa.create_engine(f"sqlite:///{path}")
    schema.metadata.create_all(engine)
    engine.dispose()
    return build(f"sqlite:///{path}")


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(body=BODIES)
def test_no_body_is_our_mistake(installation: World, body: bytes):
    attempt = "ADF-20261124T101500-1f496d07ab-1"
    token = callback.token(installation.services.callback_secret, attempt)

    async def post() -> tuple[int, int]:
        async with installation.client() as client:
            alert = await client.post("/azure-monitor", content=body, headers={"X-Pipemend-Secret": SECRET})
            ended = await client.post(callback.PATH, params={"attempt": attempt, "token": token}, content=body)
            return alert.status_code, ended.status_code

    alert, ended = asyncio.run(post())
    assert alert in (202, 400, 413)
    assert ended == 401  # there is no such attempt, whatever the body says
