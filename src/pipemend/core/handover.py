"""The handover: what a tired person needs to know about a ticket that is left to people, in about ten lines."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pipemend.core.attempt import Attempt, AttemptStatus
from pipemend.core.clock import clock_time, duration
from pipemend.core.links import page_name, run_page
from pipemend.core.rca import Recurrence
from pipemend.core.ticket import Approval, RemediationStatus, Ticket

SHOWN_ATTEMPTS, CHECKS = 3, 2
LONGEST = 300  # characters of one line
ENDS = {
    AttemptStatus.TIMED_OUT: "took too long",
    AttemptStatus.UNKNOWN: "started nothing that could be found yet",
    AttemptStatus.IN_PROGRESS: "still runs",
}


@dataclass(frozen=True, slots=True)
class Line:
    """What it is about, what it says, and where that leads."""

    label: str
    says: str
    link: str | None = None


@dataclass(frozen=True, slots=True)
class Solved:
    """How an earlier ticket with the same fingerprint was closed. `action`: the repair that healed it."""

    ticket_id: str
    by: str
    seconds: float
    action: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Background:
    """What the ticket's own rows do not say. `downstream`: who reads what the pipeline writes. `page`: the ticket's."""

    downstream: Sequence[str] = ()
    before: Recurrence = field(default_factory=Recurrence)
    solved: Solved | None = None
    page: str | None = None


def needs_people(ticket: Ticket) -> bool:
    """Whether it is a person's turn, and no machine does or asks anything at this moment."""
    asked = ticket.approval is Approval.AWAITING
    healing = ticket.remediation_status is RemediationStatus.IN_PROGRESS and not ticket.hands_off
    busy = healing or ticket.due_at is not None
    return not (ticket.closed or asked or busy)


def handover(ticket: Ticket, tried: Sequence[Attempt], background: Background, now: datetime) -> tuple[Line, ...]:
    """The lines, in the order in which they are read. They hold text from outside, shortened and nothing more."""
    lines = (
        *_failed(ticket, now),
        *_tried(ticket, tried),
        *_ruled_out(ticket),
        *_checks(ticket, tried, background),
        _people(ticket),
        *_downstream(background),
        _sla(ticket, now),
        _before(background),
    )
    return tuple(Line(line.label, short(line.says), line.link) for line in lines)


def short(text: str, limit: int = LONGEST) -> str:
    """One line of it."""
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit - 1].rstrip()}…"


def _failed(ticket: Ticket, now: datetime) -> Iterator[Line]:
    at = clock_time(ticket.failed_at or ticket.timestamp, now)
    where = f" in {short(ticket.affected_entity, 80)}" if ticket.affected_entity else ""
    name = f"{short(ticket.pipeline, 80)} on {short(ticket.display_resource or ticket.resource, 60)}"
    failed = f"{name} at {at}: {ticket.error_type or 'not classified'}{where}"
    yield Line("Failed", failed, run_page(ticket, ticket.run_id))
    if ticket.error_message:
        yield Line("Error", ticket.error_message)


def _tried(ticket: Ticket, tried: Sequence[Attempt]) -> Iterator[Line]:
    begun = [attempt for attempt in tried if _begun(attempt)]
    if not begun:
        yield Line("Tried", "nothing: no attempt was made")
    elif len(begun) > SHOWN_ATTEMPTS:
        earlier = len(begun) - SHOWN_ATTEMPTS
        yield Line("Tried", f"{earlier} earlier attempt{'s' if earlier > 1 else ''}, and then:")
    for attempt in begun[-SHOWN_ATTEMPTS:]:
        yield Line("Tried", _attempt(attempt), run_page(ticket, attempt.remediation_run_id))


def _begun(attempt: Attempt) -> bool:
    """One that was cancelled while it waited has done nothing."""
    if attempt.status is AttemptStatus.CANCELLED:
        return attempt.remediation_run_id is not None or attempt.via is not None
    return attempt.status is not AttemptStatus.WAITING


def _attempt(attempt: Attempt) -> str:
    through = " through its playbook" if attempt.via == "playbook" else ""
    what = f"attempt {attempt.attempt_number}, {attempt.remediation_action.replace('_', ' ')}{through}"
    took = f" after {duration(attempt.duration_seconds)}" if attempt.duration_seconds is not None else ""
    ended = ENDS.get(attempt.status, attempt.status.replace("_", " "))
    why = f": {attempt.failure_reason}" if attempt.failure_reason else ""
    return f"{what}: {ended}{took}{why}"


def _ruled_out(ticket: Ticket) -> Iterator[Line]:
    """What objects to another attempt, word for word; and who or what has taken the word from the machine."""
    words = ticket.decision.get("words") or ()
    says = [str(word.get("says") or "") for word in words if word.get("objects")]
    if ticket.hands_off and not any(ticket.hands_off in word for word in says):
        says.append(ticket.hands_off)
    if said := "; ".join(filter(None, says)):
        yield Line("Ruled out", said)


def _checks(ticket: Ticket, tried: Sequence[Attempt], background: Background) -> Iterator[Line]:
    """The next two things to look at. What may still run comes first, then the failed run, then the advice."""
    labels = iter(("Check first", "Check then"))
    found = (*_look_at_runs(ticket, tried), *((advice, background.page) for advice in ticket.recommendations))
    for says, link in found[:CHECKS]:
        yield Line(next(labels), says, link)


def _look_at_runs(ticket: Ticket, tried: Sequence[Attempt]) -> Iterator[tuple[str, str | None]]:
    place = page_name(ticket.platform)
    last = next((a for a in reversed(tried) if _begun(a)), None)
    if last and (last.left_running or last.doubtful or not last.status.ended):
        run = f"the rerun {last.remediation_run_id}" if last.remediation_run_id else "its rerun"
        yield f"whether {run} still runs, before anybody starts another one", run_page(ticket, last.remediation_run_id)
    failed = last.remediation_run_id if last and last.status is AttemptStatus.FAILED else None
    run_id = failed or ticket.run_id
    page = run_page(ticket, run_id)
    if page:
        yield f"the failed activity of the run {run_id} in {place}", page


def _people(ticket: Ticket) -> Line:
    owner = f"owner {short(ticket.finops_owner, 100)}" if ticket.finops_owner else ""
    team = f"team {short(ticket.finops_team, 100)}" if ticket.finops_team else ""
    return Line("Who", ", ".join(filter(None, (owner, team))) or "nobody: no rule names an owner or a team")


def _downstream(background: Background) -> Iterator[Line]:
    if background.downstream:
        yield Line("Downstream", ", ".join(background.downstream))


def _sla(ticket: Ticket, now: datetime) -> Line:
    ends = ticket.timestamp + timedelta(seconds=ticket.sla_seconds)
    left = (ends - now).total_seconds()
    whole, at = duration(ticket.sla_seconds), clock_time(ends, now)
    if left > 0:
        return Line("SLA", f"{duration(left)} left of {whole}, until {at}")
    return Line("SLA", f"over for {duration(-left)}: the {whole} ended at {at}")


def _before(background: Background) -> Line:
    said = background.before.sentence or "Not seen before."
    solved = background.solved
    if solved is None:
        return Line("Before", said)
    how = f"healed by {solved.action.replace('_', ' ')}" if solved.action else f"closed by {short(solved.by, 60)}"
    return Line("Before", f"{said} Last: {solved.ticket_id}, {how} after {duration(solved.seconds)}.")
