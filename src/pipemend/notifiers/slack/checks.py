"""What `pipemend doctor` looks at in Slack. Nothing is posted."""

from collections.abc import Sequence
from functools import partial

from pipemend.core.checkup import Amiss, Chain, Check, NotTried
from pipemend.core.errors import ShutOut
from pipemend.notifiers.slack.api import CHANNEL_ID, OPENS, Api, SlackRefused

LINE = "look at SLACK_API_URL, and whether this machine may call it"
BOT_AGAIN = "install the Slack app again and set SLACK_BOT_TOKEN to its new token"
NOT_OURS = "set SLACK_ALERT_CHANNEL to the id of a channel (C…) that the bot is in: /invite it there"
NO_HISTORY = ("missing_scope", "no_permission", "not_allowed_token_type")


def chains(api: Api, channel: str, groups: bool, opens: Api | None) -> Sequence[Chain]:
    """`groups`: user groups may press buttons. `opens`: what opens sockets, where they are used."""
    bot = (
        Check("Slack: bot token", partial(_token, api), LINE),
        Check("Slack: scopes", partial(_scopes, api, groups), LINE),
        Check(f"Slack: channel {channel}", partial(_channel, api, channel), LINE),
    )
    return (bot, (Check("Slack: app token", partial(_socket, opens), LINE),)) if opens else (bot,)


async def _token(api: Api) -> str:
    try:
        await api.read("auth.test")
    except ShutOut as error:
        raise Amiss(str(error), BOT_AGAIN) from None
    return "the bot is known"


async def _scopes(api: Api, groups: bool) -> str:
    have = await api.scopes()
    if not have:
        raise NotTried("Slack does not tell the scopes of this token")
    wanted = ("chat:write", "usergroups:read") if groups else ("chat:write",)
    if missing := [scope for scope in wanted if scope not in have]:
        raise Amiss(
            f"the bot has no {' and no '.join(missing)}",
            "add it in the Slack app (OAuth & Permissions), and install it again",
        )
    if have.isdisjoint(("channels:history", "groups:history")):
        return "enough; without channels:history a message may appear twice after a lost answer"
    return "all that are needed"


async def _channel(api: Api, channel: str) -> str:
    if not CHANNEL_ID.fullmatch(channel):
        raise NotTried("set by its name, it cannot be looked up without a post: better set its id (C…)")
    try:
        await api.read("conversations.history", channel=channel, limit=1)
    except SlackRefused as refused:
        if refused.word in NO_HISTORY:
            raise NotTried("it cannot be seen without channels:history, or groups:history of a private one") from None
        raise Amiss(str(refused), NOT_OURS) from None
    return "the bot sees it"


async def _socket(opens: Api) -> str:
    """Asks for the address of a socket, and opens none."""
    try:
        await opens.write(OPENS)
    except (ShutOut, SlackRefused) as error:
        raise Amiss(str(error), "make an app-level token with connections:write: SLACK_APP_TOKEN") from None
    return "a socket may be opened"
