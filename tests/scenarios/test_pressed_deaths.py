"""kill -9 between a press in Slack and its effect, on both databases: one press, one effect, however often it comes."""

import contextlib
from functools import partial

import httpx
import pytest

from tests.scenarios.installation import Installation
from tests.scenarios.lives import Lives

RISKY = "[GatewayTimeout]\nbackoff_seconds = [0.2]\napproval = true\n"
BOUNDARIES = (
    "presses._obeyed / before the commit",
    "presses._obeyed / after the commit",
    "remediation._begin_now / before the commit",
    "POST createRun / after the answer",
)
BUTTONS = {
    "SLACK_SIGNING_SECRET": "twin-signing-secret",
    "SLACK_OPERATORS": "U0ROSA0001",
    "SLACK_APP_TOKEN": "xapp-twin",
}


@pytest.mark.soak
@pytest.mark.timeout(300)
@pytest.mark.parametrize("via", ["http", "socket"])
def test_a_press_counts_once_wherever_we_die(installed: Installation, via: str) -> None:
    installed.environment |= BUTTONS
    installed.environment.pop("PLAYBOOK_RETRY_PIPELINE", None)
    url = f"http://127.0.0.1:{installed.port}/slack/interactions"
    installed.twin.put("/twin/slack", json={"interactions_url": url}).raise_for_status()
    lives = Lives(installed, [{"at": boundary} for boundary in BOUNDARIES])
    lives.begin()
    (installed.folder / "playbooks.toml").write_text(RISKY)

    pipelines = [f"load-{n:03}" for n in range(len(BOUNDARIES))]
    for pipeline in pipelines:
        installed.until(installed.ready, "the server is ready")
        installed.breaks(pipeline, outcomes=["GatewayTimeout", "Succeeded"], alert="log_v2")
        press = pressed(installed, pipeline, via)
        installed.until(partial(mended, installed, pipeline, press), f"{pipeline} is mended")

    assert lives.ended(len(BOUNDARIES) - 1), "some death did not come"
    assert [len(installed.reruns(pipeline)) for pipeline in pipelines] == [1] * len(pipelines)
    trail = installed.get("/api/audit-trail", page_size=200)["entries"]
    assert [line["user_name"] for line in trail if line["action"] == "approval_approved"] == [
        "rosa (Slack U0ROSA0001)"
    ] * len(pipelines)
    installed.verified()


def pressed(installed: Installation, pipeline: str, via: str) -> int:
    """Rosa presses Approve below the message of this pipeline; the number of the press."""
    wish = {"button": "Approve", "about": pipeline, "user": "U0ROSA0001", "name": "rosa", "via": via}

    def press() -> int | None:
        answer = installed.twin.post("/twin/slack/press", json=wish)
        return int(answer.json()["n"]) if answer.is_success else None

    found = installed.until(press, f"{pipeline} can be approved")
    assert found is not None
    return found


def mended(installed: Installation, pipeline: str, press: int) -> bool:
    """Slack sends the same press until everything is over, whether the server lives or not."""
    with contextlib.suppress(httpx.HTTPError):
        ticket = installed.ticket(pipeline)
        if ticket and ticket["status"] == "acknowledged":
            return True
        installed.twin.post(f"/twin/slack/presses/{press}/again", json={})
    return False
