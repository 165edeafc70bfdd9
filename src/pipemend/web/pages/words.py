"""How values are said to people: short times, small units, a dash for nothing."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from markupsafe import Markup, escape

from pipemend.core.clock import moment, stamp
from pipemend.core.links import web_link
from pipemend.core.spans import NOTHING, rough, span
from pipemend.core.ticket import AI_USER, PIPELINE_USER, RECOVERED_USER, Ticket

PEOPLE = {
    AI_USER: "AI Auto-Heal",
    PIPELINE_USER: "the pipeline itself",
    RECOVERED_USER: "somebody's own rerun",
}
ACTIONS = {
    "retry_pipeline": "Re-run the pipeline",
    "retry_job": "Re-run the job",
    "restart_cluster": "Restart the cluster, then re-run the job",
    "scale_up_cluster": "Scale the cluster up, then re-run the job",
    "reinstall_libraries": "Reinstall libraries, then re-run the job",
    "check_upstream": "Check upstream, then re-run the pipeline",
    "refresh_linked_service": "Refresh the linked service, then re-run the pipeline",
}
PLATFORMS = {"data_factory": "Data Factory", "databricks": "Databricks"}


def ago(at: datetime | str | None, now: datetime) -> Markup:
    """How long ago, short; exact on hover and for programs."""
    return _time(at, "ago", lambda when: rough((now - when).total_seconds()))


def until(at: datetime | str | None, now: datetime) -> Markup:
    """How long from now; what is over is `now`."""
    return _time(at, "until", lambda when: rough((when - now).total_seconds()) if when > now else "now")


def clock(at: datetime | str | None) -> Markup:
    """The exact time."""
    return _time(at, "", lambda when: f"{when:%d %b %H:%M:%S}")


def sla_of(ticket: Ticket, now: datetime) -> Markup:
    """How much of the time a ticket may stay open is left, or over; of a closed one whether it was met."""
    due = ticket.timestamp + timedelta(seconds=ticket.sla_seconds)
    if ticket.closed:
        late = ticket.sla_status == "Breached"
        return Markup("<span>{}</span>").format("late" if late else "met")
    return _time(due, "sla", lambda when: _left((when - now).total_seconds()), "over" if now > due else "")


def _left(seconds: float) -> str:
    return f"{rough(seconds)} left" if seconds >= 0 else f"{rough(-seconds)} over"


def _time(at: datetime | str | None, kind: str, say: Callable[[datetime], str], tone: str = "") -> Markup:
    when = moment(at)
    if when is None:
        return Markup("–")
    # Every word here is ours, and a list holds a hundred of them: escaping them one by one is a fifth of its cost.
    exact = f'datetime="{stamp(when)}" title="{when:%Y-%m-%d %H:%M:%S} UTC" data-time="{kind}"'
    return Markup(f'<time {exact} class="{tone}">{escape(say(when))}</time>')  # noqa: S704 - see above


def person(name: str | None) -> str:
    return PEOPLE.get(name or "", name or NOTHING)


def first_line(text: str | None, limit: int = 200) -> str:
    """The beginning of a text, in one line."""
    return " ".join((text or "")[: 4 * limit].split())[:limit]


def action(name: str | None) -> str:
    return ACTIONS.get(name or "", (name or NOTHING).replace("_", " ").capitalize())


def platform(name: str) -> str:
    return PLATFORMS.get(name, name.replace("_", " ").capitalize())


def number(value: float | None, digits: int = 0) -> str:
    return NOTHING if value is None else f"{value:,.{digits}f}"


FILTERS: dict[str, Callable[..., Any]] = {
    "span": span,
    "ago": ago,
    "until": until,
    "clock": clock,
    "sla_of": sla_of,
    "person": person,
    "first_line": first_line,
    "web_link": web_link,
    "action": action,
    "platform": platform,
    "number": number,
}
