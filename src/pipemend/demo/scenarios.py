"""What breaks in the demo, and how each story must end."""

from dataclasses import dataclass, field
from typing import Any

FACTORY = "adf-demo"
SECONDS = 1.2  # how long a run of the twin takes

# The built-in playbooks with short waits, so that the whole story fits into a minute.
PLAYBOOKS = """
[GatewayTimeout]
backoff_seconds = [1, 1, 1]
[HttpConnectionFailed]
backoff_seconds = [1, 1, 1]
[ThrottlingError]
backoff_seconds = [1, 1, 1]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One pipeline that breaks. `reruns` is how many the factory must have seen at the end."""

    pipeline: str
    about: str
    outcomes: tuple[str, ...]
    alert: str
    reruns: int
    status: str
    remediation: str | None
    badge: str | None
    closed_by: str | None = None
    children: tuple["Scenario", ...] = field(default=())
    opens: bool = True

    def plan(self) -> dict[str, Any]:
        """How the twin is told."""
        return {
            "outcomes": list(self.outcomes),
            "duration": SECONDS,
            "alert": self.alert,
            "children": [child.pipeline for child in self.children],
        }


def healed(pipeline: str, about: str, *outcomes: str, alert: str, children: tuple[Scenario, ...] = ()) -> Scenario:
    """A story that ends well, after as many reruns as it takes."""
    inner = children[0].outcomes if children else outcomes
    return Scenario(
        pipeline=pipeline,
        about=about,
        outcomes=outcomes,
        alert=alert,
        reruns=len(inner) - 1,
        status="acknowledged",
        remediation="succeeded",
        badge="✅ Auto-Remediated",
        closed_by="AI_AUTO_HEAL",
        children=children,
    )


CHILD = Scenario(
    pipeline="post_ledger",
    about="",
    outcomes=("GatewayTimeout", "Succeeded"),
    alert="log_v2",
    reruns=0,
    status="",
    remediation=None,
    badge=None,
    opens=False,
)
HEALS = healed("nightly_sales", "a gateway time-out that heals at once", "GatewayTimeout", "Succeeded", alert="log_v2")
ESCALATES = Scenario(
    pipeline="customer_sync",
    about="a gateway time-out that never heals",
    outcomes=("GatewayTimeout",),
    alert="log_v2",
    reruns=3,
    status="open",
    remediation="max_retries_exceeded",
    badge="⚠️ Escalated",
)
SCENARIOS = (
    HEALS,
    healed(
        "hourly_orders",
        "a lost connection that heals on the second attempt; its alert names no run",
        "HttpConnectionFailed",
        "HttpConnectionFailed",
        "Succeeded",
        alert="metric",
    ),
    ESCALATES,
    Scenario(
        pipeline="load_invoices",
        about="a user error, left to people",
        outcomes=("TypeConversion",),
        alert="log_v1",
        reruns=0,
        status="open",
        remediation=None,
        badge=None,
    ),
    healed(
        "daily_close",
        "a child pipeline fails; its parent is rerun from there",
        "Succeeded",
        alert="none",
        children=(CHILD,),
    ),
    healed("silent_export", "no alert ever comes; the feed sees it", "ThrottlingError", "Succeeded", alert="none"),
)
