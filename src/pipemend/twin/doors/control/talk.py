"""Slack, Jira and the models: how they behave, what they were told, and what people do there."""

from dataclasses import asdict

from ...gemini.settings import BadBehaviour, Model
from ...jira.views import plain_view as plain_issue
from ...operations import operation
from ...slack.views import plain_view as plain_message
from ...slack.workspace import Channel, Content
from ...wire import Answer, Call, json_answer
from ...world import World
from .reading import SERVICE, body, changed, not_there, refused

PERSON = "U0PERSON00"


def put_slack(world: World, call: Call) -> Answer:
    world.slack.settings = changed(world.slack.settings, call)
    return json_answer(asdict(world.slack.settings))


def slack_messages(world: World, _: Call) -> Answer:
    shown = [
        {
            "id": channel.id,
            "name": channel.name,
            "messages": [plain_message(channel, m) for m in channel.messages.values()],
        }
        for channel in world.slack.channels.values()
    ]
    return json_answer(
        {"channels": shown, "messages": [message for channel in shown for message in channel["messages"]]}
    )


def slack_thread(world: World, call: Call) -> Answer:
    channel = _channel(world, call.query.get("channel", ""))
    found = channel.thread(call.query.get("ts", ""))
    if not found:
        raise not_there(f"message {call.query.get('ts')}")
    return json_answer({"messages": [plain_message(channel, message) for message in found]})


def slack_say(world: World, call: Call) -> Answer:
    """A person writes, for instance into a thread."""
    data = body(call, ("channel", "text", "thread_ts"))
    channel = _channel(world, str(data.get("channel", "")))
    message = world.slack.post(channel, Content(str(data.get("text", ""))), data.get("thread_ts"), PERSON)
    return json_answer({"channel": channel.id, "ts": message.ts})


def put_jira(world: World, call: Call) -> Answer:
    world.jira.settings = changed(world.jira.settings, call)
    return json_answer(asdict(world.jira.settings))


def jira_issues(world: World, _: Call) -> Answer:
    return json_answer({"issues": [plain_issue(issue) for issue in world.jira.issues.values()]})


def teams_cards(world: World, _: Call) -> Answer:
    return json_answer({"cards": [card for cards in world.listeners.cards.values() for card in cards]})


def pagerduty_alerts(world: World, _: Call) -> Answer:
    return json_answer({"alerts": [alert.as_dict() for alert in world.listeners.pagerduty.alerts]})


def put_pagerduty(world: World, call: Call) -> Answer:
    """Further keys of integrations; each has alerts of its own."""
    world.listeners.pagerduty.keys |= {str(key) for key in body(call, ("keys",)).get("keys") or ()}
    return json_answer({"keys": len(world.listeners.pagerduty.keys)})


def webhook_posts(world: World, _: Call) -> Answer:
    return json_answer({"posts": [asdict(post) for post in world.listeners.posts.values()]})


def put_gemini(world: World, call: Call) -> Answer:
    return _put_model(world.gemini, call)


def gemini_prompts(world: World, _: Call) -> Answer:
    return json_answer({"prompts": world.gemini.asked})


def put_openai(world: World, call: Call) -> Answer:
    return _put_model(world.openai, call)


def openai_prompts(world: World, _: Call) -> Answer:
    return json_answer({"prompts": world.openai.asked})


def _put_model(model: Model, call: Call) -> Answer:
    try:
        model.settings = changed(model.settings, call)
    except BadBehaviour as wrong:
        raise refused(str(wrong)) from wrong
    return json_answer(asdict(model.settings))


def _channel(world: World, name_or_id: str) -> Channel:
    channel = world.slack.channel(name_or_id)
    if channel is None:
        raise not_there(f"channel {name_or_id}")
    return channel


OPERATIONS = (
    operation(SERVICE, "putSlack", "PUT", "/twin/slack", put_slack),
    operation(SERVICE, "slackMessages", "GET", "/twin/slack/messages", slack_messages),
    operation(SERVICE, "slackThread", "GET", "/twin/slack/thread", slack_thread),
    operation(SERVICE, "slackSay", "POST", "/twin/slack/say", slack_say),
    operation(SERVICE, "putJira", "PUT", "/twin/jira", put_jira),
    operation(SERVICE, "jiraIssues", "GET", "/twin/jira/issues", jira_issues),
    operation(SERVICE, "teamsCards", "GET", "/twin/teams/cards", teams_cards),
    operation(SERVICE, "putPagerDuty", "PUT", "/twin/pagerduty", put_pagerduty),
    operation(SERVICE, "pagerdutyAlerts", "GET", "/twin/pagerduty/alerts", pagerduty_alerts),
    operation(SERVICE, "webhookPosts", "GET", "/twin/hooks", webhook_posts),
    operation(SERVICE, "putGemini", "PUT", "/twin/gemini", put_gemini),
    operation(SERVICE, "geminiPrompts", "GET", "/twin/gemini/prompts", gemini_prompts),
    operation(SERVICE, "putOpenai", "PUT", "/twin/openai", put_openai),
    operation(SERVICE, "openaiPrompts", "GET", "/twin/openai/prompts", openai_prompts),
)
