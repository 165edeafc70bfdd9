"""kill -9 for one of two workers: the other one goes on with its work by itself, within seconds."""

import time
from collections.abc import Callable
from datetime import datetime

import pytest

from tests.scenarios.installation import Installation
from tests.scenarios.lives import Lives, all_is_well

SOAK = pytestmark = pytest.mark.soak  # the whole file: its stories take long
GOES_ON = 8.0  # seconds from the death until another worker has the work
HEALS = 4.0  # seconds that the rest of the story takes
PATIENCE = 6.0  # seconds for a busy machine


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    "boundary",
    [
        pytest.param("intake._settle / before the commit", marks=SOAK),  # an alert was accepted, and is not taken in
        "POST createRun / after the answer",  # in the middle of the call
        pytest.param("POST chat.postMessage / after the answer", marks=SOAK),  # while it tells
    ],
)
def test_the_other_worker_takes_over(
    on_postgres: Installation, boundary: str, record_property: Callable[[str, object], None]
) -> None:
    del on_postgres.environment["PLAYBOOK_RETRY_PIPELINE"]
    lives = Lives(on_postgres, [{"at": boundary, "final": True}])
    first = lives.begin("worker")
    on_postgres.starts("--no-worker")
    on_postgres.until(lambda: "Pipemend works" in first.said(), "the first worker works")
    on_postgres.works("second")
    broken: list[str] = []
    while not lives.ended(0):  # failures come until the first worker happens to have one in hand
        broken.append(f"load-{len(broken):03}")
        assert len(broken) < 15, "the first worker does not die"
        on_postgres.breaks(broken[-1], outcomes=["GatewayTimeout", "Succeeded"], alert="log_v2")
        time.sleep(1)
    died = next(entry["t"] for entry in lives.look() if "stops" in entry)

    all_is_well(on_postgres, broken)
    ends = [on_postgres.get("/api/tickets", pipeline=name)["tickets"][0]["ack_ts"] for name in broken]
    waited = max(datetime.fromisoformat(end).timestamp() for end in ends) - died
    record_property("seconds from the death to the last repair", round(waited, 1))
    assert waited < GOES_ON + HEALS + PATIENCE
