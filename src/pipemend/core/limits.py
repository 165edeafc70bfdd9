"""Guardrails that hold a start back for a while: pauses, budgets and freeze windows. A person's word is no exception
to what another person or the calendar forbids; budgets of one pipeline are for the machine alone."""

from datetime import timedelta

from pipemend.core.freeze import frozen
from pipemend.core.situation import LOOK_AGAIN, Objection, Situation

DAY = timedelta(days=1)
LATER = timedelta(hours=1)  # to look again at what ends only by a person's word, which wakes it


def not_paused(s: Situation) -> Objection | None:
    """nobody has paused this pipeline"""
    if s.paused is None:
        return None
    until = f" until {s.paused.until:%Y-%m-%d %H:%M} UTC" if s.paused.until else ""
    said = f": {s.paused.reason}" if s.paused.reason else ""
    return Objection(f"this pipeline is paused by {s.paused.by}{until}{said}", s.paused.until or s.now + LATER)


def within_the_day(s: Situation) -> Objection | None:
    """the pipeline's repairs of the day are not used up"""
    most = s.pipeline.max_repairs_per_day
    if most is None or s.by_person or len(s.started_today) < most:
        return None
    return Objection(
        f"{_repairs(len(s.started_today))} of this pipeline started within 24 hours, at most {most}"
        f" (rule '{s.pipeline.match}')",
        sorted(s.started_today)[-most] + DAY,
    )


def room_left(s: Situation) -> Objection | None:
    """there is room for another repair"""
    crowd = s.crowd
    if crowd is None or not crowd.full:
        return None
    if crowd.in_flight >= crowd.most_in_flight:
        many, limit = f"{_repairs(crowd.in_flight)} in flight", f"{crowd.most_in_flight} (MAX_REPAIRS_IN_FLIGHT)"
    elif crowd.crowded_here:
        many = f"{_repairs(crowd.here)} of {s.resource} in flight"
        limit = f"{crowd.most_here} (MAX_REPAIRS_PER_CONNECTION)"
    else:
        many, limit = f"{_repairs(crowd.started)} started within a minute", f"{crowd.most_started} (STARTS_PER_MINUTE)"
    return Objection(f"it waits for room: {many}, at most {limit}", s.now + LOOK_AGAIN)


def breaker_closed(s: Situation) -> Objection | None:
    """repairs of this kind do not keep failing"""
    if s.breaker is None or s.playbook is None or s.by_person:
        return None
    kind = f"the circuit breaker for {s.error_type} and {s.playbook.action}"
    why = f"{s.breaker.failed} of the last {s.breaker.of} such repairs failed"
    if s.breaker.open_at(s.now):
        return Objection(f"{kind} is open until {s.breaker.until:%Y-%m-%d %H:%M} UTC: {why}", s.breaker.until)
    if s.breaker.probing:
        return Objection(f"{kind} lets one repair try at a time: {why}", s.now + LOOK_AGAIN)
    return None


def not_frozen(s: Situation) -> Objection | None:
    """no freeze window is open"""
    everywhere, here = frozen(s.freeze, s.now), frozen((*s.freeze, *s.pipeline.freeze), s.now)
    if here is None:
        return None
    where = "all pipelines are" if everywhere == here else "this pipeline is"
    rule = "" if everywhere == here else f" (rule '{s.pipeline.match}')"
    return Objection(f"{where} frozen until {here}{rule}", here.until)


def _repairs(number: int) -> str:
    return "1 repair" if number == 1 else f"{number} repairs"
