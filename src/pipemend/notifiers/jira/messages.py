"""The issue and the comments about a ticket, in Jira's form."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipemend.core.events import (
    ApprovalGranted,
    ApprovalRequested,
    Explained,
    RemediationStarted,
    SlaBreached,
    StatusChanged,
    TicketOpened,
)
from pipemend.core.handover import Line
from pipemend.core.links import work_name
from pipemend.core.ports import Digest, News
from pipemend.core.ticket import AI_USER, Status
from pipemend.notifiers import phrases
from pipemend.notifiers.jira import people
from pipemend.notifiers.jira.document import (
    Node,
    bullets,
    code_block,
    document,
    heading,
    lines,
    link,
    panel,
    paragraph,
    small_print,
    spaced,
    strong,
    text,
)

SUMMARY = 255
ACTION_DONE = "{work} re-run completed successfully"


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """What an event does to the issue. `opens`: the issue is created when there is none yet."""

    comment: Sequence[Node] = ()
    describes: bool = False
    closes: bool = False
    reopens: bool = False
    opens: bool = False

    @property
    def silent(self) -> bool:
        return not (self.comment or self.describes or self.closes or self.opens)


def telling(news: News) -> Telling:
    """Which event causes what. Waits and steps in between stay out of Jira: an issue is no log."""
    match news.event:
        case TicketOpened():
            return Telling(opens=True)
        case Explained():
            return Telling(opens=True, describes=True)
        case RemediationStarted():
            return Telling(opens=True, comment=started(news))
        case StatusChanged() as event:
            return _moved(news, event)
        case ApprovalRequested() as event:
            return Telling(opens=True, comment=approval(news, event))
        case ApprovalGranted():
            return Telling(comment=[paragraph(text(phrases.status_line(news), limit=500))])
        case SlaBreached():
            return Telling(opens=True, comment=[paragraph(text(phrases.breach_line(news.ticket)))])
    return Telling()


def summary(news: News) -> str:
    error = phrases.error_type(news.ticket)
    room = SUMMARY - len(" failed - ") - phrases.units(phrases.cut(error, 100))
    return f"{phrases.cut(phrases.pipeline(news.ticket), room)} failed - {phrases.cut(error, 100)}"


def description(news: News) -> Node:
    ticket = news.ticket
    blocks = [
        heading(phrases.opened_header(ticket), level=2),
        panel("info", lines(_fact(*fact) for fact in phrases.opened_facts(ticket))),
        heading("Root Cause"),
        paragraph(text(phrases.root_cause(ticket))),
    ]
    if error := phrases.error_message(ticket):
        blocks += [heading("Error"), code_block(error, limit=4000)]
    if advice := phrases.recommendations(ticket):
        blocks += [heading("Recommendations"), bullets(advice[:15])]
    if before := phrases.before(ticket):
        blocks.append(paragraph(text(before, limit=300)))
    blocks += [heading("Decision"), paragraph(text(phrases.decision(ticket), limit=2000))]
    if words := list(phrases.guardrail_words(ticket)):
        blocks.append(bullets(words[:20], limit=300))
    return document(*blocks, *links((*phrases.dashboard_links(news.link), *phrases.run_links(ticket))))


def started(news: News) -> Sequence[Node]:
    run = news.attempt.remediation_run_id if news.attempt else None
    said = text(f"🤖 Attempt {phrases.of_max(news)} started{': ' + run if run else ''}", limit=500)
    return [paragraph(said), *links(phrases.rerun_links(news))]


def success(news: News) -> Sequence[Node]:
    closer = "AI Auto-Heal System" if news.ticket.ack_user in (None, AI_USER) else phrases.closed_by(news.ticket)
    facts = (
        ("Ticket ID", news.ticket.id),
        ("Remediation Run ID", phrases.new_run(news)),
        ("Attempt Number", str(phrases.number(news))),
        ("Action", ACTION_DONE.format(work=work_name(news.ticket.platform))),
        ("Closed By", closer),
    )
    title = paragraph(strong(phrases.SUCCESS_HEADER))
    return [panel("success", title, lines(_fact(*fact) for fact in facts)), *links(phrases.rerun_links(news))]


def escalation(news: News) -> Sequence[Node]:
    required = f"🔴 Action Required: {phrases.action_required(news)}"
    frame = panel(
        "error",
        paragraph(strong(phrases.escalation_header(news))),
        lines(_fact(*fact) for fact in phrases.escalation_facts(news)),
        paragraph(text(required, limit=3000)),
    )
    to = links((*phrases.dashboard_links(news.link), *phrases.run_links(news.ticket)))
    return [frame, *to, *handed_over(news.handover)]


def handed_over(said: Sequence[Line]) -> Sequence[Node]:
    """The lines of a handover, each with the link to what it speaks of."""
    return [heading(phrases.HANDOVER), *(_handover_line(line) for line in said)] if said else []


def _handover_line(line: Line) -> Node:
    opens = [link("(open)", line.link)] if line.link else []
    return spaced(strong(f"{line.label}:"), text(phrases.one_line(line.says), limit=400), *opens)


def approval(news: News, event: ApprovalRequested) -> Sequence[Node]:
    frame = panel(
        "warning",
        paragraph(strong(phrases.approval_text(news))),
        lines(_fact(*fact) for fact in phrases.approval_facts(event, news)),
        paragraph(text(phrases.approval_reason(event), limit=1000)),
    )
    return [frame, *links(phrases.dashboard_links(news.link))]


def left_open(why: str) -> Node:
    sentence = f"This issue could not be closed automatically: {why}. Please close it by hand."
    return panel("warning", paragraph(text(sentence, limit=1000)))


def left_closed(why: str) -> Node:
    sentence = f"This issue could not be reopened automatically: {why}. Please reopen it by hand."
    return panel("warning", paragraph(text(sentence, limit=1000)))


def explanation(news: News) -> Sequence[Node]:
    """What the description would have said, where people have made it their own."""
    said = [paragraph(strong("Root Cause")), paragraph(text(phrases.root_cause(news.ticket)))]
    if advice := phrases.recommendations(news.ticket):
        said += [paragraph(strong("Recommendations")), bullets(advice[:15])]
    return said


def marker(news: News | Digest) -> str:
    """Stands below each comment, so that a comment whose answer was lost is found again."""
    return f"Pipemend event {news.id} of {news.about}"


def comment(news: News | Digest, blocks: Sequence[Node]) -> Node:
    return document(*blocks, paragraph(small_print(marker(news))))


def _moved(news: News, event: StatusChanged) -> Telling:
    """The issue is led where the ticket stands by now, unless it came from there: people are not to be overtaken."""
    closed, now = event.new_status == Status.ACKNOWLEDGED, news.ticket.closed
    leads = not people.did(event.user)
    closes, reopens = leads and closed and now, leads and not closed and not now
    if event.remediation_success:
        return Telling(comment=success(news), closes=closes)
    if event.escalated:
        return Telling(comment=escalation(news), opens=True, reopens=reopens)
    said = paragraph(text(phrases.moved_line(news, event), limit=2000))
    return Telling(comment=[said], closes=closes, reopens=reopens)


def _fact(name: str, value: str) -> str:
    return f"{name}: {phrases.cut(phrases.one_line(value), 500) or '-'}"


def links(given: Sequence[phrases.Fact]) -> Sequence[Node]:
    return [paragraph(link(says, address)) for says, address in given]
