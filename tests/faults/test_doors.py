"""Whatever is posted to a door: it is kept or refused in words, and never our own mistake."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipemend.core import callback
from pipemend.core.clock import WallClock
from pipemend.platforms import databricks
from pipemend.settings import Settings
from pipemend.store import schema
from tests.web.world import SECRET, World, build

WORKSPACE = {
    "DATABRICKS_HOST": "adb-12345.7.azuredatabricks.net",
    "DATABRICKS_TOKEN": "secret",
    "DATABRICKS_WEBHOOK_USER": "databricks",
    "DATABRICKS_WEBHOOK_PASSWORD": "pass:word",
}
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
        "event_type",
        "workspace_id",
        "job",
        "job_id",
        "run",
        "run_id",
        "status",
        "error",
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
    world = build(f"sqlite:///{path}", doors=databricks.build(Settings.of(WORKSPACE), WallClock()).doors)
    asyncio.run(_tried_once(world))
    return world


async def _tried_once(world: World) -> None:
    ticket = await world.ticket()
    await world.attempt(ticket, 1, status="in_progress")


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(body=BODIES)
def test_no_body_is_our_mistake(installation: World, body: bytes):
    (ticket,) = asyncio.run(installation.all_of(schema.tickets))
    nobodys, ours = ("ADF-20261124T101500-1f496d07ab-1", f"{ticket.id}-1")
    assert _answers(installation, body, [nobodys, ours]) <= {202, 400, 413}


def _answers(installation: World, body: bytes, attempts: Sequence[str]) -> set[int]:
    """The statuses with which our doors answer. The callback of an attempt that is not there has to be refused."""

    async def post() -> set[int]:
        async with installation.client() as client:
            doors = [
                client.post("/azure-monitor", content=body, headers={"X-Pipemend-Secret": SECRET}),
                client.post("/databricks-monitor", content=body, auth=("databricks", "pass:word")),
            ]
            tokens = [callback.token(installation.services.callback_secret, attempt) for attempt in attempts]
            asked = [{"attempt": attempt, "token": token} for attempt, token in zip(attempts, tokens, strict=True)]
            nobodys, *ended = [await client.post(callback.PATH, params=one, content=body) for one in asked]
            assert nobodys.status_code == 401  # whatever the body says
            return {answer.status_code for answer in (*ended, *(await asyncio.gather(*doors)))}

    return asyncio.run(post())
