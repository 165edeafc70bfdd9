"""What may stop a repair: an ordered list of small functions, each with its sentence.

A guardrail returns its objection in words a person can read, for good or until a time, or nothing. What it says when it
has nothing against it is its docstring. Both reach the ticket, Slack, Jira and the audit trail word for word.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pipemend.core.clock import stamp
from pipemend.core.limits import breaker_closed, not_frozen, not_paused, room_left, within_the_day
from pipemend.core.situation import LOOK_AGAIN, Guardrail, Objection, Situation, Standing


def switched_on(s: Situation) -> Objection | None:
    """automatic remediation is switched on"""
    if not s.enabled:
        return Objection("automatic remediation is switched off (AUTO_REMEDIATION_ENABLED)")
    if s.held is not None:
        return Objection(
            f"all automation is stopped by the red button{': ' + s.held if s.held else ''}",
            s.now + LOOK_AGAIN,
        )
    return None


def connection_known(s: Situation) -> Objection | None:
    """the factory or workspace is connected"""
    return None if s.connection_known else Objection(f"no connection for {s.resource or 'the resource of this alert'}")


def run_known(s: Situation) -> Objection | None:
    """the failed run is known to its platform"""
    return None if s.run_known else Objection("run unknown: the platform does not know the failed run")


def really_failed(s: Situation) -> Objection | None:
    """the run as a whole has failed"""
    if s.masked:
        return Objection("the run went well, though something in it failed: what is masked is never rerun by a machine")
    return None


def recent_enough(s: Situation) -> Objection | None:
    """the failure is recent"""
    if s.granted or s.attempts or s.asked or s.failed_at is None or s.now - s.failed_at <= s.max_age:
        return None
    return Objection(f"it failed {_span(s.now - s.failed_at)} ago, longer than {_span(s.max_age)}: a person decides")


def has_playbook(s: Situation) -> Objection | None:
    """there is a playbook for this error"""
    if s.playbook is None:
        return Objection(f"there is no playbook for {s.error_type or 'this error'}")
    return None if s.remedy_known else Objection(f"there is no remedy for {s.playbook.action} on this platform")


def analyzer_agrees(s: Situation) -> Objection | None:
    """the diagnosis allows an automatic repair"""
    if s.auto_heal_possible or s.by_person:
        return None
    return Objection(
        f"{s.error_type or 'this error'} is not for a machine to repair"
        + (f": {s.analyzer_says}" if s.analyzer_says else "")
    )


def pipeline_allows(s: Situation) -> Objection | None:
    """the pipeline may be rerun automatically"""
    if s.pipeline.rerun == "never":
        return Objection(f"this pipeline is never rerun automatically (rule '{s.pipeline.match}')")
    return None


def root_ended(s: Situation) -> Objection | None:
    """the outermost run has ended"""
    if not s.root_known:
        return Objection("the outermost run is not known yet", s.now + LOOK_AGAIN)
    return (
        None
        if s.root_ended
        else Objection(
            "the outermost run is still running: its own end decides",
            s.now + LOOK_AGAIN,
        )
    )


def nobody_took_over(s: Situation) -> Objection | None:
    """no person has taken the matter over"""
    return Objection(s.hands_off) if s.hands_off else None


def not_edited(s: Situation) -> Objection | None:
    """nobody has edited the pipeline since it failed"""
    if not s.edited or s.by_person:
        return None
    return Objection("somebody has edited the pipeline since it failed: a person decides")


def still_failed(s: Situation) -> Objection | None:
    """the work is still failed"""
    if s.unreachable:
        return Objection(f"nobody can say whether the work is still failed: {s.unreachable}", s.now + LOOK_AGAIN)
    if s.standing is Standing.RERUN_RUNS:
        return Objection("somebody else's rerun is running: its end decides", s.now + LOOK_AGAIN)
    if s.standing is Standing.OURS_RUNS:
        return Objection("an earlier rerun of ours is running still: its end decides", s.now + LOOK_AGAIN)
    if s.standing is Standing.MAYBE_OURS_RUNS:
        return Objection("a run that may be an earlier rerun of ours is running: its end decides", s.now + LOOK_AGAIN)
    if s.standing is Standing.RECOVERED:
        return Objection("a later run of the same work has succeeded: there is nothing to repair")
    if s.standing is Standing.TAKEN_OVER and not s.by_person:
        return Objection("a person has rerun it and it failed again: the person has taken over")
    if s.standing is Standing.MAYBE_RECOVERED and not s.by_person:
        return Objection("a run that may be an earlier rerun of ours has succeeded: a person decides")
    return None


def no_other_repair(s: Situation) -> Objection | None:
    """no other repair of this pipeline is under way"""
    if s.other_repair is None:
        return None
    return Objection(
        f"another repair of this pipeline is under way ({s.other_repair})",
        s.now + LOOK_AGAIN,
    )


def attempts_left(s: Situation) -> Objection | None:
    """there are attempts left"""
    if s.by_person or s.playbook is None or s.attempts < s.limit:
        return None
    return Objection(f"all {s.limit} attempts are used")


def needs_nobody(s: Situation) -> Objection | None:
    """no approval is needed"""
    if s.by_person or s.approved:
        return None
    if s.pipeline.rerun == "ask":
        return Objection(f"this pipeline is rerun only by a person's word (rule '{s.pipeline.match}')", asks=True)
    if s.playbook and s.playbook.approval:
        return Objection(f"{s.playbook.action} for {s.error_type} needs the approval of a person", asks=True)
    return None


GUARDRAILS: Sequence[Guardrail] = (
    switched_on,
    connection_known,
    run_known,
    really_failed,
    recent_enough,
    has_playbook,
    analyzer_agrees,
    pipeline_allows,
    not_paused,
    root_ended,
    nobody_took_over,
    not_edited,
    still_failed,
    no_other_repair,
    within_the_day,
    room_left,
    breaker_closed,
    not_frozen,
    attempts_left,
    needs_nobody,
)


# Asked again before each stage of an attempt that has begun. What limits attempts has been asked when it began.
BETWEEN_STAGES: Sequence[Guardrail] = (
    switched_on,
    pipeline_allows,
    not_paused,
    nobody_took_over,
    not_edited,
    still_failed,
)
BEFORE_ITS_RERUN: Sequence[Guardrail] = (*BETWEEN_STAGES, not_frozen)


@dataclass(frozen=True, slots=True)
class Word:
    """What one guardrail said."""

    guardrail: str
    objection: Objection | None
    says: str


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer with every guardrail's word."""

    words: tuple[Word, ...] = field(default=())

    @property
    def objections(self) -> tuple[Objection, ...]:
        return tuple(word.objection for word in self.words if word.objection)

    @property
    def allowed(self) -> bool:
        return not self.objections

    @property
    def never(self) -> bool:
        """Somebody objects for good."""
        return any(objection.final for objection in self.objections)

    @property
    def asks(self) -> bool:
        """A person's yes is missing, and nobody objects for good."""
        return not self.never and any(objection.asks for objection in self.objections)

    @property
    def until(self) -> datetime | None:
        """When to look again, if nobody objects for good."""
        times = [objection.until for objection in self.objections if objection.until]
        return max(times) if times and not self.never else None

    @property
    def why(self) -> str:
        """The objections in words; what is for good comes first, and alone."""
        final = [objection.reason for objection in self.objections if objection.final]
        said = final or [objection.reason for objection in self.objections]
        return "; ".join(said) if said else "every guardrail agrees"

    @property
    def answer(self) -> str:
        """`try`, `never`, `not yet`, or `ask` where nothing but a person's yes is missing."""
        if self.allowed or self.never:
            return "try" if self.allowed else "never"
        return "ask" if self.asks and self.until is None else "not yet"

    def record(self, at: datetime) -> Mapping[str, Any]:
        """As it is kept on the ticket."""
        return {
            "at": stamp(at),
            "answer": self.answer,
            "why": self.why,
            "until": stamp(self.until) if self.until else None,
            "words": [
                {
                    "guardrail": w.guardrail,
                    "objects": w.objection is not None,
                    "final": bool(w.objection and w.objection.final),
                    "says": w.says,
                }
                for w in self.words
            ],
        }


def judge(situation: Situation, guardrails: Sequence[Guardrail] = GUARDRAILS) -> Decision:
    """Asks every guardrail, also after an objection."""
    return Decision(tuple(_word(guardrail, situation) for guardrail in guardrails))


def _word(guardrail: Guardrail, situation: Situation) -> Word:
    objection = guardrail(situation)
    return Word(
        guardrail.__name__,
        objection,
        objection.reason if objection else (guardrail.__doc__ or "").strip(),
    )


def _span(length: timedelta) -> str:
    minutes = int(length.total_seconds() // 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"
