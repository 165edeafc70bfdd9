"""People in Jira change issues, and its webhook tells of it."""

from dataclasses import asdict
from typing import Any

from ...jira.documents import document
from ...jira.reports import Actor
from ...jira.site import ACCOUNT, Issue
from ...jira.views import account_of, plain_view
from ...jira.workflow import STATUSES
from ...operations import operation
from ...wire import Answer, Call, json_answer
from ...world import World
from .reading import SERVICE, body, changed, not_there, refused

KNOWN = ("by", "app", "status", "assignee", "summary", "description", "labels", "comment")


def put_webhook(world: World, call: Call) -> Answer:
    world.reports.settings = changed(world.reports.settings, call)
    return json_answer(asdict(world.reports.settings))


def reports(world: World, _: Call) -> Answer:
    return json_answer({"reports": [delivery.as_dict() for delivery in world.reports.post.deliveries]})


def again(world: World, call: Call) -> Answer:
    number = call.params["n"]
    delivery = world.reports.again(int(number)) if number.isdecimal() else None
    if delivery is None:
        raise not_there(f"report {number}")
    return json_answer({"n": delivery.n})


def release(world: World, call: Call) -> Answer:
    """What was held goes out, one after the other."""
    data = body(call, ("newest_first",))
    return json_answer({"released": world.reports.release(newest_first=bool(data.get("newest_first")))})


def change(world: World, call: Call) -> Answer:
    """Somebody changes an issue, in one go. `by` nobody is the account of the token."""
    data, issue = body(call, KNOWN), _issue(world, call)
    actor = Actor(account_of(str(data["by"])) if data.get("by") else ACCOUNT, bool(data.get("app")))
    was = issue.fields
    issue.change(**_changes(data))
    world.reports.changed(issue, was, actor, call.base_url)
    if data.get("comment"):
        comment = world.jira.comment(issue, document(str(data["comment"])))
        world.reports.commented(issue, comment, call.base_url)
    return json_answer(plain_view(issue))


def _issue(world: World, call: Call) -> Issue:
    issue = world.jira.issue(call.params["issue"])
    if issue is None:
        raise not_there(f"issue {call.params['issue']}")
    return issue


def _changes(data: dict[str, Any]) -> dict[str, Any]:
    changes: dict[str, Any] = {name: data[name] for name in ("summary",) if name in data}
    if "status" in data:
        status = STATUSES.get(str(data["status"]))
        if status is None:
            raise refused(f"status: one of {', '.join(STATUSES)}")
        changes |= {"status": status, "resolution": "Done" if status.category == "done" else None}
    if "assignee" in data:
        changes["assignee"] = account_of(str(data["assignee"])) if data["assignee"] else None
    if "description" in data:
        changes["description"] = document(str(data["description"]))
    if "labels" in data:
        changes["labels"] = tuple(str(label) for label in data["labels"] or ())
    return changes


OPERATIONS = (
    operation(SERVICE, "putJiraWebhook", "PUT", "/twin/jira/webhook", put_webhook),
    operation(SERVICE, "jiraReports", "GET", "/twin/jira/reports", reports),
    operation(SERVICE, "jiraRelease", "POST", "/twin/jira/reports/release", release),
    operation(SERVICE, "jiraReportAgain", "POST", "/twin/jira/reports/{n}/again", again),
    operation(SERVICE, "changeIssue", "POST", "/twin/jira/issues/{issue}/change", change),
)
