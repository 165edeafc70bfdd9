"""A rolling upgrade: a new process starts on newer tables while the old one has work in flight, then the old leaves."""

from collections.abc import Sequence

import psycopg
import pytest

from tests.scenarios.conftest import free_port
from tests.scenarios.installation import Installation
from tests.scenarios.lives import all_is_well

NEXT_RELEASE = (
    "ALTER TABLE tickets ADD COLUMN of_the_next_release text; UPDATE alembic_version SET version_num = 'next'"
)


@pytest.mark.timeout(180)
def test_the_new_process_goes_on_with_the_work_of_the_old(on_postgres: Installation) -> None:
    on_postgres.playbook(behaviour="slow:3")
    on_postgres.starts()
    old = on_postgres.main
    broken = _break(on_postgres, "in-flight", 3)
    for pipeline in broken:
        on_postgres.until_ticket(pipeline, "its repair has begun", remediation_attempts=1)

    with psycopg.connect(on_postgres.environment["DATABASE_URL"], autocommit=True) as db:
        db.execute(NEXT_RELEASE)
    broken += _break(on_postgres, "on-newer-tables", 2)  # the old one goes on
    on_postgres.moves_to(free_port())
    on_postgres.starts()
    assert old.process.poll() is None
    assert old.leaves() < 10
    assert old.ended(0) == 0
    broken += _break(on_postgres, "after-the-upgrade", 2)

    all_is_well(on_postgres, broken)
    for pipeline in broken:
        on_postgres.until_ticket(pipeline, "it is healed", status="acknowledged", ack_user="AI_AUTO_HEAL")
        assert len(on_postgres.reruns(pipeline)) == 1


def _break(installed: Installation, name: str, number: int) -> list[str]:
    broken = [f"{name}-{n}" for n in range(number)]
    for pipeline in broken:
        installed.breaks(pipeline, outcomes=["GatewayTimeout", "Succeeded"], alert="log_v2")
    return broken


@pytest.mark.parametrize("words", [["serve"], ["worker"]], ids=" ".join)
def test_older_tables_are_refused_by_name(on_postgres: Installation, words: Sequence[str]) -> None:
    with psycopg.connect(on_postgres.environment["DATABASE_URL"], autocommit=True) as db:
        db.execute("UPDATE alembic_version SET version_num = '0001'")
    refused = on_postgres.runs(*words)
    assert refused.returncode == 1
    assert "pipemend migrate" in refused.stderr
    assert "Traceback" not in refused.stderr
    with psycopg.connect(on_postgres.environment["DATABASE_URL"], autocommit=True) as db:
        db.execute("UPDATE alembic_version SET version_num = '0002'")
