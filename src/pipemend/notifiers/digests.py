"""What people read about a storm, in plain text. Nothing here is escaped."""

from pipemend.core.clock import clock_time
from pipemend.core.events import StormEnded, StormEscalated
from pipemend.core.ports import Digest
from pipemend.core.storm import MANY, Storm
from pipemend.notifiers.phrases import PLEASE, Fact, cut, one_line

OVER = "✅ The storm is over"
ACTION = f"Look at the cause once, not at each ticket. {PLEASE}"


def header(storm: Storm) -> str:
    return f"🌩️ {storm.figures.tickets} failures of one cause"


def title(storm: Storm) -> str:
    """`300 failures: GatewayTimeout on adf-prod`"""
    return f"{storm.figures.tickets} failures: {cut(one_line(storm.cause.error_type), 100)} on {_where(storm)}"


def facts(storm: Storm) -> tuple[Fact, ...]:
    figures = storm.figures
    return (
        ("Error Type", storm.cause.error_type),
        ("Resource", _where(storm)),
        ("Failures", str(figures.tickets)),
        ("Healed", str(figures.healed)),
        ("Healing", str(figures.healing)),
        ("Needs approval", str(figures.asking)),
        ("Left to people", str(figures.people)),
        ("Closed", str(figures.closed)),
    )


def pipelines(storm: Storm) -> str:
    """The first few, and how many more failures there are."""
    return _few(list(storm.pipelines), storm.figures.tickets)


def status(digest: Digest) -> str:
    """Since when, and why the tickets are not told one by one."""
    storm = digest.storm
    began = f"since {clock_time(storm.began_at, digest.at)}"
    if storm.ended_at is not None:
        return f"{began}, no new failures after {clock_time(storm.ended_at, digest.at)}"
    return f"{began}; the first {MANY} are told one by one, the others here"


def bell(digest: Digest) -> str | None:
    """What is said beside the digest, since an edit rings no bell."""
    storm, figures = digest.storm, digest.storm.figures
    match digest.event:
        case StormEscalated() as event:
            return f"{_calls(event, figures.tickets)}: {title_of_cause(storm)}"
        case StormEnded():
            return f"{OVER}: {figures.healed} of {figures.tickets} healed, {figures.closed} closed without us"
    return None


def left(storm: Storm) -> str:
    """The first few pipelines for which people have to act, and how many more failures."""
    return _few(list(storm.left), storm.figures.needs_people)


def title_of_cause(storm: Storm) -> str:
    return f"{cut(one_line(storm.cause.error_type), 100)} on {_where(storm)}"


def _calls(event: StormEscalated, tickets: int) -> str:
    left = f"{event.people} of {tickets} failures are left to people" if event.people else ""
    if not event.asking:
        return f"⚠️ {left}"
    return (
        f"⚠️ {left}, {event.asking} await approval"
        if left
        else f"🔔 {event.asking} of {tickets} failures await approval"
    )


def _where(storm: Storm) -> str:
    return cut(one_line(storm.where), 120) or "unknown"


def _few(names: list[str], among: int) -> str:
    shown = ", ".join(cut(one_line(name), 130) for name in names)
    more = among - len(names)
    return f"{shown} and {more} more" if more > 0 else shown or "-"
