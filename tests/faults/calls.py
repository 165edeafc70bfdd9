"""Every call that leaves us, made as it is made in production, each time about something that no other call names."""

from dataclasses import replace
from functools import partial

from pydantic import SecretStr

from pipemend.analyzers.model import Model
from pipemend.bootstrap import heartbeat
from pipemend.clients import azure
from pipemend.clients.logic_app import LogicApp
from pipemend.core.attempt import Stage
from pipemend.core.clock import WallClock
from pipemend.core.errors import Refused
from pipemend.core.ports import News
from pipemend.core.rca import Failure, History
from pipemend.core.rca import Fault as Broken
from pipemend.notifiers.slack.notifier import Slack
from tests.faults.faults import Fine
from tests.faults.outside import ANCIENT, FAR, Outside, OutsideCall, Ready, at_once
from tests.notifiers import samples
from tests.platforms.adf import settings_for

# Azure


async def token(o: Outside) -> Ready:
    name = o.mark()
    identity = azure.Identity(lambda: azure.credential(settings_for(o.twin.base_url, AZURE_CLIENT_ID=name)))

    async def make() -> object:
        identity.users = 1
        try:
            return await identity.token("https://management.azure.com/.default")
        finally:
            await identity.close()

    return Ready("token", [name], make)


async def query(o: Outside) -> Ready:
    name = o.mark()
    return Ready("queryPipelineRuns", [name], lambda: o.factory.runs({"PipelineName": name}, ANCIENT, FAR))


async def second_page(o: Outside) -> Ready:
    """Two runs on pages of one; the fault hits the question that brings the token of the first page."""
    begun = await o.failed()
    await o.twin.post(f"runs/{begun.original_run_id}/rerun")

    async def make() -> object:
        found = await o.factory.runs({"PipelineName": begun.pipeline}, ANCIENT, FAR)
        assert len(found.rows) <= 2
        return found

    return Ready("queryPipelineRuns", [begun.pipeline, "continuationToken"], make)


async def get_run(o: Outside) -> Ready:
    run_id = (await o.failed()).original_run_id
    return Ready("getRun", [run_id], lambda: o.factory.run(run_id))


async def activities(o: Outside) -> Ready:
    run_id = (await o.failed()).original_run_id
    return Ready("queryActivityruns", [run_id], lambda: o.factory.activities(run_id, {}, ANCIENT, FAR))


async def cancel(o: Outside) -> Ready:
    name = o.mark()
    await o.twin.pipeline(name, "InProgress")
    run_id = await o.twin.trigger(name)
    return Ready("cancel", [run_id], lambda: o.factory.cancel(run_id))


async def create_run(o: Outside) -> Ready:
    wanted = await o.failed()
    return Ready(
        "createRun", [wanted.pipeline], lambda: o.direct.advance(wanted, Stage()), partial(o.reruns, wanted.pipeline)
    )


# the playbook


async def playbook(o: Outside) -> Ready:
    wanted = await o.failed()
    name = o.mark()
    url = SecretStr(await o.twin.workflow(name))
    app = LogicApp(url, o.direct, o.http, WallClock(), sleep=at_once)
    return Ready("invoke", [name], lambda: app.advance(wanted, Stage()), partial(o.reruns, wanted.pipeline))


async def look(o: Outside) -> Ready:
    """The look for the rerun that a playbook may have started."""
    wanted = replace(await o.failed(), via="playbook")
    app = LogicApp(SecretStr("http://127.0.0.1:9/"), o.direct, o.http, WallClock())
    return Ready("queryPipelineRuns", [wanted.pipeline], lambda: app.started(wanted))


# Slack: each call has a channel of its own


async def slack_post(o: Outside) -> Ready:
    channel = o.channel()
    return Ready("chat.postMessage", [channel], lambda: Slack(o.slack, channel).tell(samples.opened(), None))


async def slack_update(o: Outside) -> Ready:
    return await _in_channel(o, "chat.update", samples.waits())


async def slack_reply(o: Outside) -> Ready:
    return await _in_channel(o, "chat.postMessage", samples.exhausted())


async def slack_thread(o: Outside) -> Ready:
    return await _in_channel(o, "conversations.replies", samples.repeated(samples.exhausted()))


async def slack_history(o: Outside) -> Ready:
    channel, told = o.channel(), samples.opened()
    await Slack(o.calm_slack, channel).tell(told, None)
    slack = Slack(o.slack, channel)
    return Ready("conversations.history", [channel], lambda: slack.tell(samples.repeated(told), None))


async def _in_channel(o: Outside, operation: str, told: News) -> Ready:
    """A call about a ticket whose first message is there already."""
    channel = o.channel()
    receipt = await Slack(o.calm_slack, channel).tell(samples.opened(), None)
    return Ready(operation, [channel], lambda: Slack(o.slack, channel).tell(told, receipt))


# Jira: each call has a ticket of its own


def about(told: News, ticket_id: str) -> News:
    return replace(told, ticket=replace(told.ticket, id=ticket_id))


async def jira_create(o: Outside) -> Ready:
    told = about(samples.opened(), o.mark())
    return Ready("createIssue", [told.ticket.id], lambda: o.jira.tell(told, None))


async def jira_search(o: Outside) -> Ready:
    told = about(samples.opened(), o.mark())
    await o.calm_jira.tell(told, None)
    return Ready("search", [told.ticket.id], lambda: o.jira.tell(samples.repeated(told), None))


async def jira_edit(o: Outside) -> Ready:
    return await _later(o, "editIssue", samples.explained())


async def jira_comment(o: Outside) -> Ready:
    return await _later(o, "addComment", samples.exhausted())


async def jira_comments(o: Outside) -> Ready:
    return await _later(o, "getComments", samples.repeated(samples.exhausted()))


async def jira_look(o: Outside) -> Ready:
    return await _later(o, "getIssue", samples.succeeded())


async def jira_transitions(o: Outside) -> Ready:
    return await _later(o, "getTransitions", samples.succeeded())


async def jira_transition(o: Outside) -> Ready:
    return await _later(o, "transition", samples.succeeded())


async def _later(o: Outside, operation: str, told: News) -> Ready:
    mark = o.mark()
    receipt = await o.calm_jira.tell(about(samples.opened(), mark), None)
    assert receipt
    return Ready(operation, [f"/{receipt.place['key']}"], lambda: o.jira.tell(about(told, mark), receipt))


# the model, and who listens for us


async def gemini(o: Outside) -> Ready:
    return _model(o, "gemini", "generateContent")


async def openai(o: Outside) -> Ready:
    return _model(o, "openai", "complete")


def _model(o: Outside, provider: str, operation: str) -> Ready:
    name = o.mark()
    model = Model([o.models[provider]], o.seconds)
    broken = Broken(activity="Copy", activity_type="Copy", code="2200", message="The gateway timed out.")
    failure = Failure(platform="data_factory", pipeline=name, run_id="1", faults=(broken,))
    return Ready(operation, [name], lambda: model.diagnose(failure, History()))


async def beat(o: Outside) -> Ready:
    name = o.mark()
    settings = settings_for(o.twin.base_url, HEARTBEAT_URL=f"{o.twin.base_url}/heartbeat/{name}")
    ping = heartbeat(settings, o.http)
    assert ping
    return Ready("beat", [name], ping)


CALLS = (
    OutsideCall("identity: token", "identity", token, most=4),
    OutsideCall("Data Factory: query", "arm", query, most=3),
    OutsideCall("Data Factory: second page", "arm", second_page, most=3),
    OutsideCall("Data Factory: run", "arm", get_run, most=6),
    OutsideCall("Data Factory: activities", "arm", activities, most=3),
    OutsideCall("Data Factory: cancel", "arm", cancel, most=3),
    OutsideCall("Data Factory: start", "arm", create_run, most=3, deadlines=3, starts=True),
    OutsideCall("playbook: start", "logic_app", playbook, most=3, starts=True),
    OutsideCall("playbook: look", "arm", look, most=3),
    OutsideCall("Slack: post", "slack", slack_post, refused=(Refused,)),
    OutsideCall("Slack: update", "slack", slack_update, refused=(Refused,)),
    OutsideCall("Slack: reply", "slack", slack_reply, refused=(Refused,)),
    OutsideCall("Slack: look into the thread", "slack", slack_thread, most=2, refused=(Refused, Fine)),
    OutsideCall("Slack: look into the channel", "slack", slack_history, most=2, refused=(Refused, Fine)),
    OutsideCall("Jira: create", "jira", jira_create),
    OutsideCall("Jira: search", "jira", jira_search, most=2),
    OutsideCall("Jira: edit", "jira", jira_edit),
    OutsideCall("Jira: comment", "jira", jira_comment),
    OutsideCall("Jira: comments", "jira", jira_comments),
    OutsideCall("Jira: look", "jira", jira_look, most=5),
    OutsideCall("Jira: transitions", "jira", jira_transitions, most=4),
    OutsideCall("Jira: transition", "jira", jira_transition, most=4, refused=(Fine,)),
    OutsideCall("Gemini: explain", "gemini", gemini),
    OutsideCall("OpenAI: explain", "openai", openai),
    OutsideCall("heartbeat", "heartbeat", beat),
)
