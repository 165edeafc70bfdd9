"""What people read, in plain text: notifiers add their own marks and say the same.

Nothing here is escaped. Values come from outside and may hold anything; `clean`, `one_line` and `cut` tame them.
"""

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from pipemend.core.attempt import AttemptStatus
from pipemend.core.clock import clock_time, moment
from pipemend.core.events import (
    ApprovalGranted,
    ApprovalRequested,
    AttemptChanged,
    RemediationStarted,
    RetryScheduled,
    StatusChanged,
)
from pipemend.core.links import page_name, run_page, work_name
from pipemend.core.ports import News
from pipemend.core.rca import UNCLASSIFIED
from pipemend.core.ticket import AI_USER, MERGED_USER, PIPELINE_USER, RECOVERED_USER, RemediationStatus, Status, Ticket

SUCCESS_HEADER = "✅ Auto-Remediation Successful"
FAILED_HEADER = "⚠️ Auto-Remediation Failed - Manual Intervention Required"
MANUAL_HEADER = "⚠️ Manual Intervention Required"
EXHAUSTED = "All automated remediation attempts have been exhausted."
PLEASE = "Please investigate and resolve manually."
HANDOVER = "Handover"
LAST_FAILURE = 200
DOES = {
    "retry_pipeline": "Re-running pipeline...",
    "retry_job": "Re-running job...",
    "restart_cluster": "Restarting cluster, then re-running job...",
    "scale_up_cluster": "Scaling cluster up, then re-running job...",
    "reinstall_libraries": "Reinstalling libraries, then re-running job...",
    "check_upstream": "Checking upstream, then re-running pipeline...",
    "refresh_linked_service": "Refreshing linked service, then re-running pipeline...",
}
WENT_WELL = {
    PIPELINE_USER: "the failed run went well after all",
    RECOVERED_USER: "somebody's own rerun succeeded",
}
# Control characters, half characters, and marks that turn the reading direction: none of them is for a person to read.
UNREADABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069\ufffe\uffff]")

Fact = tuple[str, str]


def clean(text: object) -> str:
    """Text from outside without what no vendor takes and no person can read."""
    return UNREADABLE.sub("", str(text).replace("\r\n", "\n").replace("\r", "\n")).strip()


def one_line(text: object) -> str:
    return " ".join(clean(text).split())


def units(text: str) -> int:
    """Length as vendors count it: a character beyond the first plane counts twice."""
    return len(text) + sum(char > "\uffff" for char in text)


def cut(text: str, limit: int, cost: Callable[[str], int] = units) -> str:
    """The text within `limit`, with an ellipsis at its end where something is missing."""
    used, end = 0, 0
    for at, char in enumerate(text):
        used += cost(char)
        if used > limit:
            return text[:end].rstrip() + "…"
        if used <= limit - 1:
            end = at + 1
    return text


def pipeline(ticket: Ticket) -> str:
    return one_line(ticket.pipeline) or "unknown pipeline"


def error_type(ticket: Ticket) -> str:
    return one_line(ticket.error_type or "") or UNCLASSIFIED


def opened_header(ticket: Ticket) -> str:
    return f"🚨 {cut(pipeline(ticket), 130)} failed"


def opened_facts(ticket: Ticket) -> tuple[Fact, ...]:
    return (
        ("Ticket ID", ticket.id),
        ("Error Type", error_type(ticket)),
        ("Severity", ticket.severity),
        ("SLA", sla(ticket)),
        ("Run ID", ticket.run_id),
    )


def sla(ticket: Ticket) -> str:
    """How long the ticket may stay open, and until when."""
    end = ticket.timestamp + timedelta(seconds=ticket.sla_seconds)
    return f"{_span(ticket.sla_seconds)} (until {clock_time(end, ticket.timestamp)})"


def breach_line(ticket: Ticket) -> str:
    """The ticket is still open, and its time is over."""
    end = ticket.timestamp + timedelta(seconds=ticket.sla_seconds)
    return f"⏰ SLA breached: still open after {_span(ticket.sla_seconds)} ({clock_time(end, ticket.timestamp)})"


def root_cause(ticket: Ticket) -> str:
    return clean(ticket.rca_result or "") or "Not known yet."


def error_message(ticket: Ticket) -> str:
    """The platform's own words, unless the root cause says them already."""
    said = clean(ticket.error_message or "")
    return "" if said in root_cause(ticket) else said


def recommendations(ticket: Ticket) -> tuple[str, ...]:
    return tuple(filter(None, (one_line(line) for line in ticket.recommendations)))


def before(ticket: Ticket) -> str:
    """How often it was there before and what helped; empty when it is new."""
    return one_line((ticket.rca.get("before") or {}).get("sentence") or "")


def decision(ticket: Ticket) -> str:
    """The decision in words; the objections are the guardrails' own."""
    taken = ticket.decision
    why = one_line(taken.get("why") or "")
    match taken.get("answer"):
        case "try":
            return f"repair automatically - {why or 'every guardrail agrees'}"
        case "ask":
            return f"waits for a person's yes - {why}"
        case "not yet":
            return f"not yet - {why}{_until(taken.get('until'), ticket.timestamp)}"
        case "never":
            return f"no automatic repair - {why}{_would_have(ticket)}"
    return "not taken yet"


def guardrail_words(ticket: Ticket) -> Iterator[str]:
    """What each guardrail says, word for word, with a mark for its vote."""
    for word in ticket.decision.get("words") or ():
        yield f"{'✗' if word.get('objects') else '✓'} {one_line(word.get('says') or word.get('guardrail') or '')}"


def number(news: News) -> int:
    """The attempt that an event speaks of."""
    told = getattr(news.event, "attempt", None)
    return told or (news.attempt.attempt_number if news.attempt else news.ticket.remediation_attempts)


def of_max(news: News) -> str:
    """`2/3`: which attempt out of how many, granted ones counted."""
    known = news.ticket.max_attempts or (news.attempt.max_retries if news.attempt else 0)
    return f"{number(news)}/{max(known, number(news))}"


def started_text(news: News) -> str:
    return f"🤖 Auto-remediation attempt {number(news)} for {pipeline(news.ticket)}"


def what_it_does(news: News) -> str:
    action = news.attempt.remediation_action if news.attempt else "retry_pipeline"
    return does(action, news.ticket) or f"{one_line(action).replace('_', ' ').capitalize()}..."


def does(action: str, ticket: Ticket) -> str | None:
    """What an action does, in the platform's own words."""
    said = DOES.get(action)
    return said.replace("pipeline", work_name(ticket.platform).lower()) if said else None


def retry_text(news: News) -> str:
    return f"🔄 Retry attempt {number(news)} for {pipeline(news.ticket)}"


def success_text(ticket: Ticket) -> str:
    return f"✅ Auto-remediation successful for {pipeline(ticket)}"


def new_run(news: News) -> str:
    found = (news.attempt.remediation_run_id if news.attempt else None) or news.ticket.remediation_run_id
    return one_line(found or "") or "unknown"


def success_facts(news: News) -> tuple[Fact, ...]:
    return (
        ("Ticket ID", news.ticket.id),
        (work_name(news.ticket.platform), pipeline(news.ticket)),
        ("New Run ID", new_run(news)),
        ("Attempt", str(number(news))),
        ("MTTR", mttr(news)),
        ("Closed By", closed_by(news.ticket)),
    )


def mttr(news: News) -> str:
    seconds = news.ticket.ack_seconds
    if seconds is None:
        seconds = (news.at - news.ticket.timestamp).total_seconds()
    return f"{seconds / 60:.1f} minutes"


def closed_by(ticket: Ticket) -> str:
    """A ticket that a person has closed keeps that person when the rerun ends later."""
    return "AI Auto-Heal" if ticket.ack_user in (None, AI_USER) else one_line(ticket.ack_user)


def never_tried(news: News) -> bool:
    return news.ticket.remediation_attempts == 0


def handed_over(news: News) -> bool:
    """Whether a person wants people to act, and not the machine."""
    return bool(getattr(news.event, "user", None))


def escalation_header(news: News) -> str:
    return MANUAL_HEADER if never_tried(news) or handed_over(news) else FAILED_HEADER


def escalation_text(news: News) -> str:
    name, tries = pipeline(news.ticket), news.ticket.remediation_attempts
    if never_tried(news) or handed_over(news):
        return f"⚠️ Manual intervention required for {name}"
    return f"⚠️ Auto-remediation failed for {name} after {tries} attempts"


def escalation_facts(news: News) -> tuple[Fact, ...]:
    return (
        ("Ticket ID", news.ticket.id),
        (work_name(news.ticket.platform), pipeline(news.ticket)),
        ("Error Type", error_type(news.ticket)),
        ("Attempts", str(news.ticket.remediation_attempts)),
        ("Last Failure", last_failure(news)),
    )


def last_failure(news: News) -> str:
    said = (news.attempt.failure_reason if news.attempt else None) or news.ticket.error_message
    return cut(clean(said or "") or "unknown", LAST_FAILURE)


def action_required(news: News) -> str:
    """What people are asked to do: all attempts are used, or the reason why the machine has stopped."""
    if news.ticket.remediation_status is RemediationStatus.MAX_RETRIES_EXCEEDED and not handed_over(news):
        return f"{EXHAUSTED} {PLEASE}"
    reason = getattr(news.event, "reason", None) or news.ticket.decision.get("why")
    return f"{_sentence(reason or 'automation has stopped')} {PLEASE}"


def run_links(ticket: Ticket) -> tuple[Fact, ...]:
    """Where the platform shows the failed run: what to press, and the address."""
    page = run_page(ticket, ticket.run_id)
    return ((f"Open in {page_name(ticket.platform)}", page),) if page else ()


def rerun_links(news: News) -> tuple[Fact, ...]:
    """Where the platform shows the rerun that an event speaks of."""
    page = run_page(news.ticket, new_run(news))
    return ((f"Open the rerun in {page_name(news.ticket.platform)}", page),) if page else ()


def dashboard_links(link: str | None) -> tuple[Fact, ...]:
    return (("View in Dashboard", link),) if link else ()


def approval_text(news: News) -> str:
    again = "Still needs approval" if getattr(news.event, "reminder", False) else "Approval needed"
    return f"🔔 {again} for {pipeline(news.ticket)}"


def approval_facts(event: ApprovalRequested, news: News) -> tuple[Fact, ...]:
    """What one yes would start."""
    return (
        ("Ticket ID", news.ticket.id),
        (work_name(news.ticket.platform), pipeline(news.ticket)),
        ("Error Type", error_type(news.ticket)),
        ("Attempt", of_max(news)),
        ("Action", (does(event.action, news.ticket) or one_line(event.action)).rstrip(".")),
        ("Answer Until", _clock(event.expires_at, news.at)),
    )


def approval_reason(event: ApprovalRequested) -> str:
    return f"{_sentence(event.reason)} Without an answer nothing is run, and the ticket is left to people."


def status_line(news: News) -> str:
    """How the ticket stands after this event, in one line; empty when the event says nothing about it."""
    match news.event:
        case RemediationStarted() as event:
            return _runs(news, event.remediation_run_id)
        case RetryScheduled() as event:
            return _waits(news, event.due_at, f"the attempt before failed: {event.reason}" if event.reason else "")
        case AttemptChanged() as event:
            return _attempt(news, event)
        case StatusChanged() as event:
            return _moved(news, event)
        case ApprovalRequested() as event:
            return f"🔔 Attempt {of_max(news)} needs approval until {_clock(event.expires_at, news.at)}"
        case ApprovalGranted() as event:
            return f"👍 Attempt {of_max(news)} was approved by {one_line(event.user)}"
    return ""


def moved_line(news: News, event: StatusChanged) -> str:
    """Who closed, took or opened the ticket, and why."""
    who, reason = one_line(event.user or news.ticket.ack_user or ""), one_line(event.reason or "")
    if event.new_status == Status.ACKNOWLEDGED:
        return _closing(who, reason, news.ticket)
    if event.new_status == Status.IN_PROGRESS:
        return _with(f"👤 {who} works on it" if who else "👤 In progress", reason)
    by = f" ({who})" if event.user and who not in reason else ""
    return f"{_with('🔓 Open', reason)}{by}"


def _clock(at: str, today: datetime) -> str:
    when = moment(at)
    return clock_time(when, today) if when else "unknown"


def _closing(who: str, reason: str, ticket: Ticket) -> str:
    if who == MERGED_USER:
        return f"🔀 Merged into {ticket.merged_into or 'another ticket'}"
    if who in WENT_WELL:
        return f"✅ Closed by {who}: {reason or WENT_WELL[who]}"
    why = "" if reason == f"acknowledged by {who}" else reason
    return _with(f"☑️ Closed by {who or 'somebody'}", why)


def _moved(news: News, event: StatusChanged) -> str:
    if event.remediation_success:
        return f"✅ Auto-remediated by attempt {of_max(news)}"
    if event.escalated:
        return _with("⚠️ People have to act", event.reason)
    return moved_line(news, event)


def _attempt(news: News, event: AttemptChanged) -> str:
    name = f"Attempt {of_max(news)}"
    match event.status:
        case AttemptStatus.WAITING if event.reason and event.due_at is None:
            return _with(f"{name} waits", event.reason)
        case AttemptStatus.WAITING:
            return _waits(news, event.due_at, event.reason)
        case AttemptStatus.IN_PROGRESS:
            return _with(_runs(news, event.remediation_run_id), event.reason)
        case AttemptStatus.UNKNOWN:
            return _with(f"{name} was sent off, its run is being looked for", event.reason)
        case AttemptStatus.STARTING:
            return f"{name} starts"
        case AttemptStatus.TIMED_OUT:
            return _with(f"{name} took too long", event.reason)
        case AttemptStatus.SUCCEEDED if news.ticket.closed:  # a person was quicker
            return f"{name} succeeded; closed by {closed_by(news.ticket)}"
    return _with(f"{name} {one_line(event.status).replace('_', ' ')}", event.reason)


def _runs(news: News, run_id: str | None) -> str:
    run = run_id or (news.attempt.remediation_run_id if news.attempt else None)
    return f"Attempt {of_max(news)} runs{': ' + one_line(run) if run else ''}"


def _waits(news: News, due_at: str | None, reason: str | None) -> str:
    due = moment(due_at) if due_at else news.attempt.due_at if news.attempt else None
    waits = f"waits until {clock_time(due, news.at)}" if due and due > news.at else "is about to start"
    return _with(f"Attempt {of_max(news)} {waits}", reason)


def _until(stamp: object, today: datetime) -> str:
    at = moment(stamp)
    return f" (until {clock_time(at, today)})" if at else ""


def _would_have(ticket: Ticket) -> str:
    """Switched off, and nothing else against it: people see what would have been done."""
    against = [word.get("guardrail") for word in ticket.decision.get("words") or () if word.get("objects")]
    if against == ["switched_on", "needs_nobody"]:
        return "; switched on, a person would be asked"
    return "; switched on, it would be tried" if against == ["switched_on"] else ""


def _with(line: str, reason: object) -> str:
    return f"{line}: {one_line(reason)}" if reason else line


def _sentence(text: str) -> str:
    line = one_line(text)
    return line if line.endswith((".", "!", "?", "…")) else f"{line}."


def _span(seconds: int) -> str:
    for size, word in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size and seconds % size == 0:
            count = seconds // size
            return f"{count} {word}{'' if count == 1 else 's'}"
    return f"{seconds} seconds"
