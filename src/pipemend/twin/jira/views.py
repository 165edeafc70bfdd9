"""The shapes in which Jira shows issues and comments."""

from datetime import UTC, datetime
from typing import Any

from .documents import plain
from .site import ACCOUNT, USER, Comment, Fields, Issue
from .workflow import status_view


def moment_view(when: datetime) -> str:
    """Jira's way: milliseconds and an offset without a colon."""
    when = when.astimezone(UTC)
    return f"{when:%Y-%m-%dT%H:%M:%S}.{when.microsecond // 1000:03d}+0000"


PEOPLE = "twin:"


def account_of(name: str) -> str:
    """Everybody exists: the account of a person is made from the name."""
    return f"{PEOPLE}{name}"


def user_view(account: str | None, base_url: str) -> dict[str, Any] | None:
    if account is None:
        return None
    return {
        "self": f"{base_url}/rest/api/3/user?accountId={account}",
        "accountId": account,
        "emailAddress": USER if account == ACCOUNT else None,
        "displayName": "Twin" if account == ACCOUNT else account.removeprefix(PEOPLE),
        "active": True,
        "timeZone": "Etc/UTC",
        "accountType": "atlassian",
    }


def comment_view(issue: Issue, comment: Comment, base_url: str) -> dict[str, Any]:
    return {
        "self": f"{base_url}/rest/api/3/issue/{issue.id}/comment/{comment.id}",
        "id": comment.id,
        "author": user_view(ACCOUNT, base_url),
        "body": comment.body,
        "updateAuthor": user_view(ACCOUNT, base_url),
        "created": moment_view(comment.created),
        "updated": moment_view(comment.updated),
        "jsdPublic": True,
    }


def comments_view(issue: Issue, base_url: str) -> dict[str, Any]:
    shown = [comment_view(issue, comment, base_url) for comment in issue.comments]
    return {"comments": shown, "maxResults": len(shown), "total": len(shown), "startAt": 0}


def issue_view(issue: Issue, fields: Fields, base_url: str, wanted: list[str]) -> dict[str, Any]:
    every = fields_view(issue, fields, base_url)
    chosen = every if not wanted or "*all" in wanted else {name: every[name] for name in wanted if name in every}
    return {
        "expand": "renderedFields,names,schema,operations,editmeta,changelog,versionedRepresentations",
        "id": issue.id,
        "self": f"{base_url}/rest/api/3/issue/{issue.id}",
        "key": issue.key,
        "fields": chosen,
    }


def fields_view(issue: Issue, fields: Fields, base_url: str) -> dict[str, Any]:
    return {
        **fields.more,
        "summary": fields.summary,
        "description": fields.description,
        "labels": list(fields.labels),
        "status": status_view(fields.status, base_url),
        "assignee": user_view(fields.assignee, base_url),
        "reporter": user_view(ACCOUNT, base_url),
        "creator": user_view(ACCOUNT, base_url),
        "resolution": {"name": fields.resolution} if fields.resolution else None,
        "priority": {"name": fields.priority},
        "project": {"key": fields.project, "name": fields.project},
        "issuetype": {"name": fields.type, "subtask": False},
        "created": moment_view(issue.created),
        "updated": moment_view(issue.updated),
        "comment": comments_view(issue, base_url),
    }


def plain_view(issue: Issue) -> dict[str, Any]:
    """An issue for whoever looks behind the stage."""
    fields = issue.fields
    return {
        "key": issue.key,
        "project": fields.project,
        "type": fields.type,
        "summary": fields.summary,
        "description": plain(fields.description),
        "labels": list(fields.labels),
        "status": fields.status.name,
        "status_category": fields.status.category,
        "assignee": fields.assignee,
        "resolution": fields.resolution,
        "priority": fields.priority,
        "comments": [plain(comment.body) for comment in issue.comments],
    }
