"""Who else is told: a Teams channel behind a workflow, a PagerDuty service, and a webhook that checks signatures."""

from dataclasses import asdict, dataclass, field
from typing import Any

SIG, ROUTING_KEY = "twin-teams-signature", "R0UT1NGKEY0000000000000000000TW1"
WEBHOOK_SECRET = "whsec_dHdpbi13ZWJob29rLXNlY3JldC1vZi0zMi1ieXRlcyE="  # noqa: S105 - the twin's own


@dataclass
class Alert:
    """An alert of PagerDuty. `log`: the actions that were taken on it; `key`: the integration that it came through."""

    key: str
    dedup_key: str
    status: str
    payload: dict[str, Any]
    links: list[dict[str, Any]]
    log: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if name != "key"}


class PagerDuty:
    def __init__(self) -> None:
        self.keys = {ROUTING_KEY}
        self.alerts: list[Alert] = []

    def living(self, key: str, dedup_key: str) -> Alert | None:
        """The alert of this name that is not resolved; what came through another key is another one."""
        same = (a for a in self.alerts if (a.key, a.dedup_key) == (key, dedup_key) and a.status != "resolved")
        return next(same, None)


@dataclass
class Post:
    """What came to a webhook, and how often under this id."""

    id: str
    body: dict[str, Any]
    times: int = 1


class Listeners:
    def __init__(self) -> None:
        self.cards: dict[str, list[dict[str, Any]]] = {}  # by workflow
        self.pagerduty = PagerDuty()
        self.posts: dict[str, Post] = {}  # by id, in the order in which they came first
