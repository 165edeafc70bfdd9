"""The message about a storm, in Slack's form."""

from pipemend.core.events import StormEscalated
from pipemend.core.ports import Digest
from pipemend.notifiers import digests
from pipemend.notifiers.slack.blocks import (
    NOTIFICATION,
    context,
    dashboard_button,
    facts,
    header,
    mentions,
    plain,
    section,
)
from pipemend.notifiers.slack.messages import Message


def message(digest: Digest) -> Message:
    """The one message that grows: it is edited at every change."""
    storm = digest.storm
    blocks = (
        header(digests.header(storm)),
        facts(digests.facts(storm)),
        section(f"*Pipelines:* {plain(digests.pipelines(storm), 1500)}"),
        context(f"*Status:* {plain(digests.status(digest), 600)}"),
        *dashboard_button(digest.link),
    )
    return Message(plain(f"🌩️ {digests.title(storm)}", NOTIFICATION), blocks)


def reply(digest: Digest) -> Message | None:
    """What is said below it, where people are to notice."""
    said = digests.bell(digest)
    if said is None:
        return None
    if not isinstance(digest.event, StormEscalated):
        return Message(plain(said, NOTIFICATION), (section(plain(said, 600)),))
    blocks = (
        *mentions(digest.route.slack_mention),
        section(plain(said, 600)),
        section(f"*People needed for:* {plain(digests.left(digest.storm), 1500)}"),
        section(f"🔴 *Action Required:* {plain(digests.ACTION, 300)}"),
        *dashboard_button(digest.link, style="danger"),
    )
    return Message(plain(said, NOTIFICATION), blocks)
