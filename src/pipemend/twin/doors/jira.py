"""The part of Jira's REST API, version 3, that makes, finds, comments and moves issues."""

import base64
import binascii
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..clock import now
from ..jira.documents import flaw
from ..jira.intake import BadFields, new_fields, read_changes
from ..jira.reports import Actor
from ..jira.search import BadJql, test
from ..jira.site import ACCOUNT, TOKEN, USER, Comment, Issue
from ..jira.views import account_of, comment_view, comments_view, issue_view, user_view
from ..jira.workflow import RESOLUTIONS, Transition, status_view, transition_view
from ..operations import operation
from ..refusals import jira_error
from ..wire import Answer, Call, Refused, items, json_answer, within
from ..world import World

API = "/rest/api/3"
ISSUE = API + "/issue/{issue}"


def create_issue(world: World, call: Call) -> Answer:
    try:
        fields = new_fields(_object(call), world.jira.settings.projects)
    except BadFields as wrong:
        raise Refused(_refusal(wrong)) from wrong
    issue = world.jira.create(fields)
    world.reports.created(issue, Actor(), call.base_url)
    return json_answer({"id": issue.id, "key": issue.key, "self": f"{call.base_url}{API}/issue/{issue.id}"}, status=201)


def get_issue(world: World, call: Call) -> Answer:
    issue = _issue(world, call)
    wanted = [name for name in call.query.get("fields", "").split(",") if name]
    return json_answer(issue_view(issue, issue.fields, call.base_url, wanted))


def edit_issue(world: World, call: Call) -> Answer:
    issue = _issue(world, call)
    was = issue.fields
    try:
        issue.change(**read_changes(_object(call), was))
    except BadFields as wrong:
        raise Refused(_refusal(wrong)) from wrong
    world.reports.changed(issue, was, Actor(), call.base_url)
    return Answer(204)


def assign(world: World, call: Call) -> Answer:
    issue, given = _issue(world, call), _object(call)
    if "accountId" not in given:
        return jira_error(400, errors={"assignee": "accountId is required"})
    was = issue.fields
    issue.change(assignee=given["accountId"])
    world.reports.changed(issue, was, Actor(), call.base_url)
    return Answer(204)


def add_comment(world: World, call: Call) -> Answer:
    issue = _issue(world, call)
    comment = world.jira.comment(issue, _document(_object(call).get("body")))
    world.reports.commented(issue, comment, call.base_url)
    return json_answer(comment_view(issue, comment, call.base_url), 201)


def edit_comment(world: World, call: Call) -> Answer:
    issue, body = _issue(world, call), _document(_object(call).get("body"))
    for n, comment in enumerate(issue.comments):
        if comment.id == call.params["comment"]:
            issue.comments[n] = Comment(comment.id, body, comment.created, now())
            return json_answer(comment_view(issue, issue.comments[n], call.base_url))
    return jira_error(404, "Can not find a comment for the id.")


def get_comments(world: World, call: Call) -> Answer:
    return json_answer(comments_view(_issue(world, call), call.base_url))


def get_transitions(world: World, call: Call) -> Answer:
    issue = _issue(world, call)
    with_fields = "transitions.fields" in call.query.get("expand", "")
    possible = world.jira.settings.workflow().transitions(issue.fields.status)
    shown = [transition_view(one, call.base_url, with_fields=with_fields) for one in possible]
    return json_answer({"expand": "transitions", "transitions": shown})


def make_transition(world: World, call: Call) -> Answer:
    issue, given = _issue(world, call), _object(call)
    chosen = within(given, "transition").get("id")
    possible = world.jira.settings.workflow().transitions(issue.fields.status)
    transition = next((one for one in possible if one.id == chosen), None)
    if transition is None:
        return jira_error(400, f"Transition id '{chosen}' is not valid for this issue.")
    resolution = _resolution(transition, given)
    added = items(within(given, "update"), "comment")
    documents = [_document(within(item, "add").get("body")) for item in added]
    was = issue.fields
    issue.change(status=transition.to, resolution=resolution)
    world.reports.changed(issue, was, Actor(), call.base_url)
    for document in documents:
        world.reports.commented(issue, world.jira.comment(issue, document), call.base_url)
    return Answer(204)


def _resolution(transition: Transition, given: dict[str, Any]) -> str | None:
    """The resolution of an issue that ends. A screen insists on one, and without a screen none may be given."""
    named = within(within(given, "fields"), "resolution").get("name")
    if transition.has_screen and not named:
        raise Refused(jira_error(400, errors={"resolution": "Resolution is required."}))
    if named and not transition.has_screen:
        reason = "Field 'resolution' cannot be set. It is not on the appropriate screen, or unknown."
        raise Refused(jira_error(400, errors={"resolution": reason}))
    if named and named not in RESOLUTIONS:
        raise Refused(jira_error(400, errors={"resolution": f"Resolution '{named}' is not valid."}))
    return named or ("Done" if transition.to.category == "done" else None)


def search(world: World, call: Call) -> Answer:
    """Without `fields` the answer has ids alone."""
    given = _object(call) if call.method == "POST" else dict(call.query)
    try:
        wanted = test(str(given.get("jql") or ""))
    except BadJql as wrong:
        return jira_error(400, str(wrong))
    found = [(issue, fields) for issue, fields in world.jira.indexed() if wanted(issue, fields)]
    start, size = _number(given.get("nextPageToken"), 0), _number(given.get("maxResults"), 50)
    names = given.get("fields") or []
    names = names.split(",") if isinstance(names, str) else list(names)
    page = found[start : start + size]
    shown = [issue_view(i, f, call.base_url, names) if names else {"id": i.id} for i, f in page]
    last = start + size >= len(found)
    return json_answer({"issues": shown, "isLast": last} | ({} if last else {"nextPageToken": str(start + size)}))


def _number(value: Any, otherwise: int) -> int:
    if value is None or str(value).isdecimal():
        return otherwise if value is None else int(value)
    raise Refused(jira_error(400, f"'{value}' is not a number."))


def old_search(_: World, __: Call) -> Answer:
    return jira_error(410, "The requested API has been removed. Please migrate to the /rest/api/3/search/jql API.")


def myself(_: World, call: Call) -> Answer:
    return json_answer(user_view(ACCOUNT, call.base_url))


def project_statuses(world: World, call: Call) -> Answer:
    """The statuses of each issue type of a project."""
    _project(world, call.params["project"])
    shown = [status_view(status, call.base_url) for status in world.jira.settings.workflow().statuses()]
    return json_answer([{"id": "10001", "name": "Task", "subtask": False, "statuses": shown}])


def my_permissions(world: World, call: Call) -> Answer:
    """What the account may do; everything but what was taken from it."""
    _project(world, call.query.get("projectKey", ""))
    asked = [name for name in call.query.get("permissions", "").split(",") if name]
    if not asked:
        raise Refused(jira_error(400, "The 'permissions' query parameter is required."))
    lacks = world.jira.settings.forbidden
    given = {name: {"key": name, "type": "PROJECT", "havePermission": name not in lacks} for name in asked}
    return json_answer({"permissions": given})


def _project(world: World, key: str) -> None:
    known = world.jira.settings.projects
    if known and key not in known:
        raise Refused(jira_error(404, f"No project could be found with key '{key}'."))


def find_users(_: World, call: Call) -> Answer:
    """Everybody exists: the account id of an address is made from it."""
    query = call.query.get("query", "")
    account = ACCOUNT if query == USER else account_of(query)
    return json_answer([{**(user_view(account, call.base_url) or {}), "emailAddress": query}] if query else [])


def _issue(world: World, call: Call) -> Issue:
    issue = world.jira.issue(call.params["issue"])
    if issue is None:
        raise Refused(jira_error(404, "Issue does not exist or you do not have permission to see it."))
    return issue


def _document(body: Any) -> dict[str, Any]:
    wrong = flaw(body)
    if wrong:
        raise Refused(_refusal(BadFields({"comment": "Comment body is not valid!"}, wrong)))
    return dict(body)


def _refusal(wrong: BadFields) -> Answer:
    """Jira says little; the header tells what the twin did not like."""
    answer = jira_error(400, errors=wrong.errors)
    return replace(answer, headers=(*answer.headers, ("X-Twin-Why", wrong.why)))


def _object(call: Call) -> dict[str, Any]:
    try:
        data = call.json()
    except ValueError:
        data = None
    if not isinstance(data, dict):
        raise Refused(jira_error(400, "Invalid request payload. Refer to the REST API documentation and try again."))
    return data


def guarded(handle: Callable[[World, Call], Answer]) -> Callable[[World, Call], Answer]:
    """Only whoever has mail address and token is let in."""

    def answer(world: World, call: Call) -> Answer:
        scheme, _, given = call.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic" or not _known(given):
            raise Refused(jira_error(401, "Client must be authenticated to access this resource."))
        done = handle(world, call)
        return replace(done, headers=(*done.headers, ("X-AREQUESTID", call.id), ("X-AACCOUNTID", ACCOUNT)))

    return answer


def _known(given: str) -> bool:
    try:
        return base64.b64decode(given).decode() == f"{USER}:{TOKEN}"
    except (binascii.Error, UnicodeDecodeError):
        return False


OPERATIONS = tuple(
    operation("jira", name, method, path, guarded(handle))
    for name, method, path, handle in (
        ("createIssue", "POST", API + "/issue", create_issue),
        ("getIssue", "GET", ISSUE, get_issue),
        ("editIssue", "PUT", ISSUE, edit_issue),
        ("assign", "PUT", ISSUE + "/assignee", assign),
        ("addComment", "POST", ISSUE + "/comment", add_comment),
        ("getComments", "GET", ISSUE + "/comment", get_comments),
        ("editComment", "PUT", ISSUE + "/comment/{comment}", edit_comment),
        ("getTransitions", "GET", ISSUE + "/transitions", get_transitions),
        ("transition", "POST", ISSUE + "/transitions", make_transition),
        ("search", "POST", API + "/search/jql", search),
        ("search", "GET", API + "/search/jql", search),
        ("oldSearch", "GET", API + "/search", old_search),
        ("oldSearch", "POST", API + "/search", old_search),
        ("projectStatuses", "GET", API + "/project/{project}/statuses", project_statuses),
        ("myPermissions", "GET", API + "/mypermissions", my_permissions),
        ("myself", "GET", API + "/myself", myself),
        ("findUsers", "GET", API + "/user/search", find_users),
    )
)
