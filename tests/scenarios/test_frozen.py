"""A worker that is paused and wakes late: others have its work by then, and it changes nothing any more."""

import os
import signal

import pytest

from tests.scenarios.installation import Installation
from tests.scenarios.lives import Lives

SOAK = pytestmark = pytest.mark.soak  # the whole file: its stories take long


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    "boundary",
    [
        pytest.param("remediation._begin_now / before the commit", marks=SOAK),  # it holds the rows of the ticket
        "remediation._begin_now / after the commit",  # and has not called yet
        "POST createRun / after the answer",
        pytest.param("remediation._settle / before the commit", marks=SOAK),
    ],
)
def test_a_worker_that_wakes_late_changes_nothing(on_postgres: Installation, boundary: str) -> None:
    del on_postgres.environment["PLAYBOOK_RETRY_PIPELINE"]
    lives = Lives(on_postgres, [{"at": boundary, "stop": True}])
    launcher = lives.begin("worker")
    on_postgres.starts("--no-worker")
    on_postgres.until(lambda: "Pipemend works" in launcher.said(), "the worker works")
    on_postgres.breaks("nightly-load", outcomes=["GatewayTimeout", "Succeeded"], alert="log_v2")
    frozen = on_postgres.until(lives.stopped, "it freezes")
    assert frozen is not None

    on_postgres.works("other")
    ticket = on_postgres.until_ticket("nightly-load", "the other one mends it", ack_user="AI_AUTO_HEAL")
    history = f"/api/tickets/{ticket['id']}/remediation-history"
    before = on_postgres.get(history)
    os.kill(frozen, signal.SIGCONT)

    assert launcher.ended(20) == 70
    assert on_postgres.get(history) == before
    assert len(on_postgres.reruns("nightly-load")) == 1
    on_postgres.verified()
