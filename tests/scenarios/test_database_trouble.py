"""The database hangs, refuses, is locked or its disk is full: 503 at every door, nothing lost, nobody ends."""

import pytest

from tests.scenarios.installation import Installation
from tests.scenarios.outages import away, by_road, doors_say_503_and_what_comes_again_is_kept

CASES = [("sqlite", "locked"), ("sqlite", "full"), ("postgresql", "closed"), ("postgresql", "stuck")]
SCALE = 15.0  # so much faster here; `make soak` takes the whole minute


@pytest.mark.parametrize(("installed", "how"), CASES, indirect=["installed"])
def test_the_doors_say_503_and_what_comes_again_is_kept(installed: Installation, how: str) -> None:
    doors_say_503_and_what_comes_again_is_kept(installed, how, SCALE)


def test_after_a_longer_outage_the_feed_opens_what_is_missing(on_postgres: Installation) -> None:
    on_postgres.alerts_come(retry_seconds=[0.1])  # Azure Monitor gives up
    with by_road(on_postgres) as road:
        on_postgres.starts()
        with away(on_postgres, "closed", road):
            runs = [f"load-{n}" for n in range(3)]
            for pipeline in runs:
                on_postgres.breaks(pipeline, outcomes=["GatewayTimeout", "Succeeded"], alert="log_v2", duration=0.05)
            on_postgres.until(lambda: _given_up(on_postgres) == len(runs), "nobody tries again")
        for pipeline in runs:
            on_postgres.until_ticket(pipeline, "it is healed", status="acknowledged", ack_user="AI_AUTO_HEAL")
            assert len(on_postgres.reruns(pipeline)) == 1


def _given_up(installed: Installation) -> int:
    alerts = installed.twin.get("/twin/alerts").json()["alerts"]
    return sum(alert["done"] and alert["status"] != 202 for alert in alerts)
