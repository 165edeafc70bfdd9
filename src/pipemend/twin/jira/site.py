"""The site: its issues, each with every version of its fields, so that search can lag behind."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from ..clock import now
from .workflow import TO_DO, Status, Workflow

USER = "twin@example.com"
TOKEN = "twin-jira-token"  # noqa: S105  # the twin's own token, good for nothing else
ACCOUNT = "5b10ac8d82e05b22cc7d4ef5"


@dataclass(frozen=True)
class JiraSettings:
    """`lag` is how many seconds search is behind; with `projects` set no others exist; `forbidden` are rights that the
    account lacks, by Jira's names for them. Without `ends` there is no closed status."""

    lag: float = 0.0
    direct: bool = True
    resolution_screen: bool = False
    projects: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()
    ends: bool = True

    def workflow(self) -> Workflow:
        return Workflow(self.direct, self.resolution_screen, self.ends)


@dataclass(frozen=True)
class Fields:
    project: str
    type: str
    summary: str
    description: dict[str, Any] | None = None
    labels: tuple[str, ...] = ()
    status: Status = TO_DO
    assignee: str | None = None
    resolution: str | None = None
    priority: str = "Medium"
    more: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Comment:
    id: str
    body: dict[str, Any]
    created: datetime
    updated: datetime


@dataclass
class Issue:
    id: str
    key: str
    versions: list[tuple[datetime, Fields]]
    comments: list[Comment] = field(default_factory=list)

    @property
    def fields(self) -> Fields:
        return self.versions[-1][1]

    @property
    def created(self) -> datetime:
        return self.versions[0][0]

    @property
    def updated(self) -> datetime:
        return self.versions[-1][0]

    def change(self, **fields: Any) -> None:
        self.versions.append((now(), replace(self.fields, **fields)))

    def as_of(self, when: datetime) -> Fields | None:
        """The fields at that moment; None when there was no issue yet."""
        return next((fields for since, fields in reversed(self.versions) if since <= when), None)


class Site:
    def __init__(self) -> None:
        self.settings = JiraSettings()
        self.issues: dict[str, Issue] = {}
        self._ids = count(10001)
        self._numbers: dict[str, int] = {}

    def create(self, fields: Fields) -> Issue:
        number = self._numbers[fields.project] = self._numbers.get(fields.project, 0) + 1
        issue = Issue(str(next(self._ids)), f"{fields.project}-{number}", [(now(), fields)])
        self.issues[issue.key] = issue
        return issue

    def issue(self, key_or_id: str) -> Issue | None:
        found = self.issues.get(key_or_id.upper())
        return found or next((issue for issue in self.issues.values() if issue.id == key_or_id), None)

    def comment(self, issue: Issue, body: dict[str, Any]) -> Comment:
        comment = Comment(str(next(self._ids)), body, now(), now())
        issue.comments.append(comment)
        return comment

    def indexed(self) -> list[tuple[Issue, Fields]]:
        """What search knows, newest issue first."""
        when = now() - timedelta(seconds=self.settings.lag)
        known = ((issue, issue.as_of(when)) for issue in reversed(self.issues.values()))
        return [(issue, fields) for issue, fields in known if fields]
