"""What `pipemend doctor` looks at in Jira. Nothing is written there."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from pipemend.core.checkup import Amiss, Chain, Check
from pipemend.core.errors import Missing, NotAllowed, Refused, ShutOut, Unreadable
from pipemend.notifiers.jira.api import Api
from pipemend.notifiers.jira.closing import DONE, category

# https://developer.atlassian.com/cloud/jira/platform/rest/v3/api-group-permissions/
RIGHTS = ("CREATE_ISSUES", "EDIT_ISSUES", "ADD_COMMENTS", "TRANSITION_ISSUES")
SITE = "look at JIRA_DOMAIN, and whether this machine may call it"
PROJECT = "look at JIRA_PROJECT_KEY, and let the account of JIRA_USER_EMAIL browse the project"


def chain(api: Api, project: str, issue_type: str) -> Chain:
    return (
        Check("Jira: token", partial(_token, api), SITE),
        Check(f"Jira: project {project}", partial(_project, api, project, issue_type), SITE),
        Check(f"Jira: rights in {project}", partial(_rights, api, project), SITE),
    )


async def _token(api: Api) -> str:
    try:
        await api.get("myself")
    except (ShutOut, NotAllowed) as error:
        raise Amiss(str(error), "make a new API token for the account: JIRA_USER_EMAIL, JIRA_API_TOKEN") from None
    except (Missing, Unreadable) as error:
        raise Amiss(str(error), "look at JIRA_DOMAIN") from None
    return "the account is known"


async def _project(api: Api, project: str, issue_type: str) -> str:
    try:
        kinds = await api.get_list(f"project/{project}/statuses")
    except (Missing, NotAllowed, Refused) as error:
        raise Amiss(str(error), PROJECT) from None
    found = next((kind for kind in kinds if kind.get("name") == issue_type), None)
    if found is None:
        raise Amiss(f"{project} has no issue type {issue_type}", f"add the issue type {issue_type} to the project")
    if not _can_end(found.get("statuses")):
        raise Amiss(
            f"no status of {issue_type} in {project} is of the category Done, so issues stay open",
            "give its workflow a status of the category Done, and a transition that leads there",
        )
    return f"it has {issue_type} with a closed status"


def _can_end(statuses: Any) -> bool:
    """Whether one is closed, as far as the site tells categories."""
    listed: Sequence[Mapping[str, Any]] = statuses if isinstance(statuses, list) else ()
    told = {category(status) for status in listed}
    return DONE in told or told <= {""}


async def _rights(api: Api, project: str) -> str:
    answer = await api.get("mypermissions", projectKey=project, permissions=",".join(RIGHTS))
    told = answer.get("permissions")
    given = told if isinstance(told, dict) else {}
    missing = [right for right in RIGHTS if not (given.get(right) or {}).get("havePermission")]
    if missing:
        raise Amiss(f"the account lacks {', '.join(missing)} in {project}", "give its role these rights in the project")
    return "create, edit, comment and move issues"
