"""kill -9 before, in and after every effect of every flow, on both databases: nothing lost, nothing doubled."""

from collections.abc import Sequence

import pytest

from tests.scenarios.installation import Installation
from tests.scenarios.lives import GOES_ON, Lives, all_is_well

# One boundary of each kind; `make soak` dies at all of them. {call} is what starts the rerun.
BOUNDARIES = (
    "deliveries.accept / before the commit",
    "intake._settle / before the commit",
    "engine / attempt.look is recorded",
    "remediation._begin_now / before the commit",
    "remediation._begin_now / after the commit",
    "{call} / before it is sent",
    "{call} / after the answer",
    "remediation._settle / before the commit",
    "remediation._settle / after the commit",
    "engine / conclude.read is recorded",
    "remediation._conclude / before the commit",
    "explanation._keep / before the commit",
    "POST chat.postMessage / after the answer",
)
PATIENCE = 15.0  # seconds more than `GOES_ON` that a busy machine may take; `make soak` tells how long it really took


def deaths(call: str) -> Sequence[dict[str, str]]:
    return [{"at": boundary.format(call=call)} for boundary in BOUNDARIES]


@pytest.mark.timeout(240)
def test_it_is_mended_once_wherever_we_die(installed: Installation, request: pytest.FixtureRequest) -> None:
    database = request.node.callspec.params["installed"]
    direct = database == "postgresql"  # each way of starting a rerun once
    if direct:
        del installed.environment["PLAYBOOK_RETRY_PIPELINE"]
    lives = Lives(installed, deaths("POST createRun" if direct else "POST invoke"))

    lives.begin()
    lives.live()

    all_is_well(installed, list(lives.broken.values()))
    waited = lives.went_on()
    assert waited
    assert max(waited.values()) < GOES_ON[database] + PATIENCE, waited
