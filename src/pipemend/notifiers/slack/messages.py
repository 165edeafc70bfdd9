"""The messages about a ticket, in Slack's form."""

from dataclasses import dataclass

from pipemend.core.events import (
    ApprovalGranted,
    ApprovalRequested,
    AttemptChanged,
    Event,
    Explained,
    RemediationStarted,
    RetryScheduled,
    SlaBreached,
    StatusChanged,
)
from pipemend.core.ports import News
from pipemend.core.ticket import MERGED_USER, Status
from pipemend.notifiers import phrases
from pipemend.notifiers.slack.blocks import (
    NOTIFICATION,
    Block,
    Blocks,
    code,
    code_block,
    context,
    dashboard_button,
    divider,
    facts,
    handed_over,
    header,
    link,
    link_buttons,
    mentions,
    plain,
    section,
)

RUN_IDS = ("Run ID", "New Run ID")


@dataclass(frozen=True, slots=True)
class Message:
    """`text` is what a notification shows; Slack wants it beside the blocks."""

    text: str
    blocks: Blocks


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """What an event does to the original message, and what is said beside it.

    `line` is the new status line, `above` goes above the stored blocks, `first` replaces them; None: as it is. `reply`
    is said in the thread. `opening` is posted to the channel when there is no original message. An `ending` must reach
    people even if the original message cannot be edited.
    """

    line: str | None = None
    text: str | None = None
    above: Blocks | None = None
    first: Blocks | None = None
    reply: Message | None = None
    opening: Message | None = None
    ending: bool = False


def telling(news: News) -> Telling:
    """Which event causes what."""
    line = phrases.status_line(news)
    match news.event:
        case RemediationStarted():
            said = started(news)
        case RetryScheduled():
            said = retry(news)
        case ApprovalRequested() as event:
            said = approval(news, event)
            return Telling(line=line, reply=said, opening=said, ending=True)
        case AttemptChanged():
            return Telling(line=line)
        case ApprovalGranted():  # the line soon says something else: the thread keeps who it was
            said = _message(f"{line} ({phrases.pipeline(news.ticket)})", [section(plain(line, 600))])
            return Telling(line=line, reply=said)
        case StatusChanged() as event:
            return _moved(news, event, line)
        case SlaBreached():
            said = breach(news)
            return Telling(reply=said, opening=said)
        case _:
            return _announced(news, news.event)
    return Telling(line=line, reply=said, opening=said)


def first(news: News) -> Message:
    """Its parts are cut so that they and a success above them stay within Slack's limit for a whole message."""
    ticket = news.ticket
    blocks: list[Block] = [
        header(phrases.opened_header(ticket)),
        facts(phrases.opened_facts(ticket), RUN_IDS),
        section(f"*Root Cause:*\n{plain(phrases.root_cause(ticket), 2000)}"),
    ]
    if error := phrases.error_message(ticket):
        blocks.append(section(f"*Error:*\n{code_block(error, 600)}"))
    if advice := phrases.recommendations(ticket):
        blocks.append(section("*Recommendations:*\n" + "\n".join(f"• {plain(line, 300)}" for line in advice[:6])))
    if before := phrases.before(ticket):
        blocks.append(context(plain(before, 300)))
    blocks.append(section(f"*Decision:* {plain(phrases.decision(ticket), 1200)}"))
    if words := " · ".join(phrases.guardrail_words(ticket)):
        blocks.append(context(plain(words, 1500)))
    links = (*phrases.dashboard_links(news.link), *phrases.run_links(ticket))
    return _message(phrases.opened_header(ticket), (*blocks, *link_buttons(links)))


def started(news: News) -> Message:
    lines = (
        f"🤖 *Auto-remediation initiated for {code(phrases.pipeline(news.ticket))}*",
        f"Ticket: {plain(news.ticket.id, 200)}",
        f"Attempt: {phrases.of_max(news)}",
        f"Action: {plain(phrases.what_it_does(news), 300)}",
        *filter(None, (link(*to) for to in phrases.rerun_links(news))),
    )
    return _message(phrases.started_text(news), [section("\n".join(lines))])


def retry(news: News) -> Message:
    name = code(phrases.pipeline(news.ticket))
    lines = (
        f"🔄 *Retry attempt {phrases.of_max(news)}*\nPrevious attempt failed, retrying auto-remediation for {name}..."
    )
    return _message(phrases.retry_text(news), [section(lines)])


def success(news: News) -> Message:
    """What goes above the original root cause analysis."""
    links = link_buttons(phrases.rerun_links(news))
    blocks = [header(phrases.SUCCESS_HEADER), facts(phrases.success_facts(news), RUN_IDS), *links, divider()]
    return _message(phrases.success_text(news.ticket), blocks)


def escalation(news: News) -> Message:
    blocks = [
        header(phrases.escalation_header(news)),
        facts(phrases.escalation_facts(news)),
        *mentions(news.route.slack_mention),
        section(f"🔴 *Action Required:* {plain(phrases.action_required(news), 2000)}"),
        *link_buttons((*phrases.dashboard_links(news.link), *phrases.run_links(news.ticket)), style="danger"),
        *handed_over(news.handover),
    ]
    return _message(phrases.escalation_text(news), blocks)


def approval(news: News, event: ApprovalRequested) -> Message:
    blocks = [
        header(phrases.approval_text(news)),
        facts(phrases.approval_facts(event, news)),
        *mentions(news.route.slack_mention),
        section(plain(phrases.approval_reason(event), 1000)),
        *dashboard_button(news.link),
    ]
    return _message(phrases.approval_text(news), blocks)


def breach(news: News) -> Message:
    line = phrases.breach_line(news.ticket)
    blocks = [*mentions(news.route.slack_mention), section(plain(line, 300))]
    return _message(f"{line} ({phrases.pipeline(news.ticket)})", blocks)


def status_block(line: str) -> Block:
    return context(f"*Status:* {plain(line, 600)}")


def _announced(news: News, event: Event) -> Telling:
    """The first message; an explanation rewrites it and leaves what has been added since."""
    message = first(news)
    return Telling(text=None if isinstance(event, Explained) else message.text, first=message.blocks, opening=message)


def _moved(news: News, event: StatusChanged, line: str) -> Telling:
    if event.remediation_success:
        done = success(news)
        opening = Message(done.text, first(news).blocks)
        return Telling(line=line, text=done.text, above=done.blocks, opening=opening, ending=True)
    if event.escalated:
        said = escalation(news)
    elif event.user == MERGED_USER:
        return Telling(line=line)
    else:
        said = _message(f"{line} ({phrases.pipeline(news.ticket)})", [section(plain(line, 1500))])
    if event.new_status == Status.ACKNOWLEDGED:
        return Telling(line=line, reply=said, opening=said, ending=True)
    failed = plain(phrases.opened_header(news.ticket), NOTIFICATION)  # a success that no longer holds is taken down
    return Telling(line=line, text=failed, above=(), reply=said, opening=said, ending=True)


def _message(text: str, blocks: Blocks) -> Message:
    return Message(plain(text, NOTIFICATION), tuple(blocks))
