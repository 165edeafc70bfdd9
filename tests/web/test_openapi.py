"""The API keeps what its description promises: to every role, and whatever is asked."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
import schemathesis
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, given, settings

from pipemend.store import schema
from pipemend.web import asked
from tests.web.world import World, build

CHECKS = ["not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance"]
EXAMPLES = 4  # for each operation and role


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> World:
    path: Path = tmp_path_factory.mktemp("openapi") / "pipemend.db"
    engine = sa.create_engine(f"sqlite:///{path}")
    schema.metadata.create_all(engine)
    engine.dispose()
    world = build(f"sqlite:///{path}")
    asyncio.run(world.ticket("nightly-load"))
    return world


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("role", [None, "viewer", "operator", "admin"])
def test_answers_are_as_described(installation: World, role: str | None):
    headers = {"Authorization": f"Bearer {asyncio.run(installation.token(role))}"} if role else {}
    described: Any = schemathesis.openapi.from_dict(installation.app.openapi())
    described.app = installation.app
    checks = schemathesis.checks.CHECKS.get_by_names(CHECKS)

    for found in described.get_all_operations():
        operation = found.ok()

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def ask(case: Any) -> None:
            case.validate_response(case.call(headers=headers), checks=checks)

        ask()


def test_every_body_has_examples_that_are_good(installation: World):
    described = installation.app.openapi()
    bodies = [
        operation["requestBody"]
        for path in described["paths"].values()
        for operation in path.values()
        if "requestBody" in operation
    ]
    assert bodies

    for body in bodies:
        shown = body["content"]["application/json"]["schema"]
        (name,) = re.findall(r"#/components/schemas/(\w+)", str(shown))
        examples = described["components"]["schemas"][name]["examples"]
        assert [getattr(asked, name).model_validate(example) for example in examples]
