"""Routes: who is told about which pipelines, and where. What a route does not name is as the settings say."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase


@dataclass(frozen=True, slots=True)
class Secret:
    """What a file holds. It is shown as the file's name."""

    file: str
    value: str = field(repr=False)

    def __str__(self) -> str:
        return self.file


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Holds for the pipelines whose `factory/name` fits `match`, and whose tickets have this team where it names one.

    `slack_mention`: ids of users and groups who are called when people have to act. `severity`: of their failures,
    where the rule of the pipeline names none; None: the diagnosis's.
    """

    match: str = "*"
    team: str | None = None
    slack_channel: str | None = None
    slack_mention: tuple[str, ...] = ()
    jira_project: str | None = None
    severity: str | None = None
    teams_webhook_url: Secret | None = None
    pagerduty_routing_key: Secret | None = None
    webhook_url: Secret | None = None
    webhook_secret: Secret | None = None

    @property
    def name(self) -> str:
        """By what it holds; empty for whoever has none."""
        team = f"team {self.team}" if self.team else ""
        return ", ".join(filter(None, ("" if self.match == "*" else self.match, team)))

    def fits(self, pipeline: str, team: str | None) -> bool:
        """Upper and lower case count as the same."""
        right_team = self.team is None or (team or "").lower() == self.team.lower()
        return right_team and fnmatchcase(pipeline.lower(), self.match.lower())

    def addresses(self) -> Mapping[str, str]:
        """The addresses outside that it names, by field."""
        named = {"teams_webhook_url_file": self.teams_webhook_url, "webhook_url_file": self.webhook_url}
        return {name: secret.value for name, secret in named.items() if secret is not None}


NO_ROUTE = Route()
