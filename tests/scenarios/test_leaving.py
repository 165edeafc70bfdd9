"""SIGTERM with calls in the air: gone within ten seconds, and what came of the calls is known afterwards."""

import pytest

from tests.scenarios.installation import Installation
from tests.scenarios.lives import all_is_well

AIR = [("sqlite", 2), ("postgresql", 20)]  # seconds until the playbook answers: while it leaves, or long afterwards


@pytest.mark.timeout(180)
@pytest.mark.parametrize(("installed", "seconds"), AIR, indirect=["installed"])
def test_what_is_in_the_air_is_neither_lost_nor_doubled(installed: Installation, seconds: int) -> None:
    installed.playbook(behaviour=f"slow:{seconds}")
    slack = {"match": {"service": "slack", "operation": "chat.postMessage"}, "kind": "timeout_after", "seconds": 15}
    installed.twin.post("/twin/faults", json={**slack, "times": 1}).raise_for_status()
    installed.starts()
    installed.breaks("nightly-load", outcomes=["GatewayTimeout", "Succeeded"], alert="log_v2")
    installed.until_ticket("nightly-load", "the call is made", remediation_attempts=1)
    installed.until(lambda: _said(installed), "the first message is on its way")

    took = installed.leaves()
    assert took < 10
    assert installed.main.ended(0) == 0
    installed.starts()

    all_is_well(installed, ["nightly-load"])
    assert len(installed.reruns("nightly-load")) == 1
    calls = installed.twin.get("/twin/workflows/retry-pipeline/runs").json()["runs"]
    assert len(calls) == 1


def _said(installed: Installation) -> bool:
    return bool(installed.twin.get("/twin/slack/messages").json()["messages"])
