"""The overview, the way back to the beginning, and the log of requests."""

from collections import Counter

from ...gemini import settings as gemini
from ...identity import HEADER_VALUE
from ...jira import site as jira
from ...logic_apps.workflows import DEFAULT
from ...operations import operation
from ...slack import workspace as slack
from ...wire import Answer, Call, json_answer
from ...world import FACTORY, WORKSPACE, World
from .reading import SERVICE, done


def summary(world: World, call: Call) -> Answer:
    return json_answer(
        {
            "settings": settings(world, call.base_url),
            "pipelines": [f"{f.name}/{p.name}" for f in world.estate.factories.values() for p in f.pipelines.values()],
            "runs": dict(Counter(run.status for run in world.estate.runs())),
            "workflows": {name: flow.behaviour.kind for name, flow in world.workflows.items()},
            "messages": sum(len(channel.messages) for channel in world.slack.channels.values()),
            "issues": len(world.jira.issues),
            "alerts": len(world.action_group.post.deliveries),
            "faults": world.faults.listed(),
            "requests": world.journal.counts(),
        }
    )


def settings(world: World, base_url: str) -> dict[str, str]:
    """The environment with which a product talks to the twin."""
    place = world.estate.place(world.estate.define(FACTORY))
    workflow = world.workflows.get(DEFAULT)
    return {
        "AZURE_RESOURCE_MANAGER_URL": base_url,
        "AZURE_SUBSCRIPTION_ID": place.subscription,
        "AZURE_RESOURCE_GROUP": place.resource_group,
        "AZURE_DATA_FACTORY_NAME": FACTORY,
        "DATABRICKS_HOST": world.ports.address(base_url, WORKSPACE),
        "DATABRICKS_TOKEN": next(iter(world.databricks.define(WORKSPACE).settings.tokens), ""),
        "IDENTITY_ENDPOINT": f"{base_url}/identity/token",
        "IDENTITY_HEADER": HEADER_VALUE,
        "PLAYBOOK_RETRY_PIPELINE": workflow.url(base_url) if workflow else "",
        "SLACK_API_URL": f"{base_url}/slack/api/",
        "SLACK_BOT_TOKEN": slack.TOKEN,
        "JIRA_DOMAIN": base_url,
        "JIRA_USER_EMAIL": jira.USER,
        "JIRA_API_TOKEN": jira.TOKEN,
        "GOOGLE_GEMINI_BASE_URL": f"{base_url}/gemini",
        "GEMINI_API_KEY": gemini.KEY,
        "HEARTBEAT_URL": f"{base_url}/heartbeat/pipemend",
    }


def reset(world: World, _: Call) -> Answer:
    world.reset()
    return done()


def requests(world: World, call: Call) -> Answer:
    asked = (call.query.get(name) for name in ("service", "operation", "fault", "workspace"))
    found = world.journal.listed(*asked)
    return json_answer({"requests": found})


OPERATIONS = (
    operation(SERVICE, "summary", "GET", "/twin", summary),
    operation(SERVICE, "reset", "POST", "/twin/reset", reset),
    operation(SERVICE, "requests", "GET", "/twin/requests", requests),
)
