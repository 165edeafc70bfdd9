"""Whatever dies, a failure is mended once: real processes, kill -9, both databases."""

import pytest

from tests.scenarios.installation import Installation


@pytest.mark.soak
def test_a_rerun_in_flight_is_watched_on_after_a_kill(installed: Installation) -> None:
    installed.starts()
    installed.breaks("nightly-load", outcomes=["GatewayTimeout", "Succeeded"], duration=3)
    installed.until_ticket("nightly-load", "the rerun runs", remediation_status="in_progress", remediation_attempts=1)

    installed.dies()
    installed.starts()

    installed.until_ticket("nightly-load", "it is healed", status="acknowledged", ack_user="AI_AUTO_HEAL")
    assert len(installed.reruns("nightly-load")) == 1


@pytest.mark.soak
def test_a_call_in_the_air_when_we_die_is_not_made_again(installed: Installation) -> None:
    installed.starts()
    installed.playbook(behaviour="slow:3")
    installed.breaks("nightly-load", outcomes=["GatewayTimeout", "Succeeded"])
    installed.until_ticket("nightly-load", "the call is made", remediation_attempts=1)

    installed.dies()
    installed.starts()

    installed.until_ticket("nightly-load", "it is healed", status="acknowledged", remediation_status="succeeded")
    assert len(installed.reruns("nightly-load")) == 1
    calls = installed.twin.get("/twin/workflows/retry-pipeline/runs").json()["runs"]
    assert len(calls) == 1


def test_what_fails_while_we_are_down_is_found_at_the_start(installed: Installation) -> None:
    installed.starts()
    installed.breaks("first-load", outcomes=["GatewayTimeout", "Succeeded"])
    installed.until_ticket("first-load", "the feed works", status="acknowledged")
    installed.dies()
    installed.breaks("nightly-load", outcomes=["GatewayTimeout", "Succeeded"])
    installed.until(lambda: installed.failed("nightly-load"), "it fails while we are down")
    assert installed.reruns("nightly-load") == []

    installed.starts()

    installed.until_ticket("nightly-load", "it is healed", status="acknowledged", ack_user="AI_AUTO_HEAL")


@pytest.mark.soak
def test_it_leaves_within_ten_seconds_and_goes_on_afterwards(installed: Installation) -> None:
    installed.starts()
    installed.breaks("nightly-load", outcomes=["GatewayTimeout", "Succeeded"], duration=4)
    installed.until_ticket("nightly-load", "the rerun runs", remediation_status="in_progress", remediation_attempts=1)

    assert installed.leaves() < 10
    installed.starts()

    installed.until_ticket("nightly-load", "it is healed", status="acknowledged")
    assert len(installed.reruns("nightly-load")) == 1
