"""Switches that people turn: the red button, and pauses of single pipelines. Each with its audit row and its event."""

import sqlalchemy as sa

from pipemend.core.clock import stamp
from pipemend.core.commands import Pause, Resume, Switch
from pipemend.core.errors import NotFound, Stale
from pipemend.core.events import AutomationChanged
from pipemend.flows.services import Services
from pipemend.store import audit, events, switches


def switch(db: sa.Connection, s: Services, command: Switch) -> None:
    """The red button."""
    now = s.clock.now()
    switches.press(db, enabled=command.enabled, reason=command.reason, by=command.by, at=now)
    action = "automation_released" if command.enabled else "automation_stopped_everywhere"
    audit.write(db, action, at=now, user=command.by, details={"reason": command.reason})
    state = "released" if command.enabled else "stopped"
    events.record(db, AutomationChanged(state=state, user=command.by, reason=command.reason), now, ())
    if command.enabled:
        switches.look_again(db, now)


def pause(db: sa.Connection, s: Services, command: Pause) -> None:
    """Raises NotFound for a factory that is not connected, Stale for a pause that would be over."""
    now = s.clock.now()
    _check(s, command.pipeline)
    if command.until is not None and command.until <= now:
        raise Stale(f"until: {stamp(command.until)} is over already")
    switches.turn(
        db, command.pipeline, enabled=False, reason=command.reason, by=command.by, at=now, until=command.until
    )
    until = stamp(command.until) if command.until else None
    details = {"pipeline": command.pipeline, "reason": command.reason, "until": until}
    audit.write(db, "pipeline_paused", at=now, user=command.by, details=details, pipeline=_plain(command.pipeline))
    told = AutomationChanged(
        state="paused", user=command.by, pipeline=command.pipeline, reason=command.reason, until=until
    )
    events.record(db, told, now, ())


def resume(db: sa.Connection, s: Services, command: Resume) -> None:
    """What waited is looked at at once. Raises Stale when nobody has paused it."""
    now = s.clock.now()
    if switches.pause_of(db, command.pipeline, now) is None:
        raise Stale(f"{command.pipeline} is not paused")
    switches.turn(db, command.pipeline, enabled=True, reason=command.reason, by=command.by, at=now, until=None)
    details = {"pipeline": command.pipeline, "reason": command.reason}
    audit.write(db, "pipeline_resumed", at=now, user=command.by, details=details, pipeline=_plain(command.pipeline))
    told = AutomationChanged(state="resumed", user=command.by, pipeline=command.pipeline, reason=command.reason)
    events.record(db, told, now, ())
    switches.look_again(db, now)


def _check(s: Services, pipeline: str) -> None:
    """A misspelt factory would pause nothing, silently."""
    factory = pipeline.partition("/")[0].lower()
    names = sorted({resource.name for resource in s.connections})
    if factory not in {name.lower() for name in names}:
        raise NotFound(f"no factory or workspace called '{factory}' is connected, only {', '.join(names) or 'none'}")


def _plain(pipeline: str) -> str:
    """The name without its factory, as tickets have it."""
    return pipeline.partition("/")[2]
