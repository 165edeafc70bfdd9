"""What must hold in the tables, whatever has happened: a list of small checks, each of which names what breaks it."""

from collections.abc import Sequence

import sqlalchemy as sa

from pipemend.store.verify import alerts, attempts, messages, moves, owed, starts, stops, tickets
from pipemend.store.verify.facts import Check, Facts, Start, Violation

__all__ = ["CHECKS", "Check", "Facts", "Start", "Violation", "verify"]

CHECKS: Sequence[Check] = (
    alerts.every_alert_has_its_ticket,
    alerts.every_delivery_has_its_alerts,
    attempts.numbers_have_no_holes,
    attempts.nobody_went_beyond_the_limit,
    attempts.one_attempt_at_a_time,
    attempts.one_rerun_belongs_to_one_attempt,
    attempts.what_is_borrowed_has_its_attempt,
    attempts.healed_by_the_platforms_word,
    starts.one_start_for_each_attempt,
    starts.healed_runs_went_well,
    stops.nothing_starts_after_a_person_stopped_it,
    stops.nothing_starts_while_the_button_is_pressed,
    moves.only_allowed_moves,
    tickets.words_fit_together,
    tickets.the_repair_says_what_the_attempts_say,
    tickets.every_root_has_its_ticket,
    tickets.merged_ones_point_at_a_living_one,
    messages.everything_was_told,
    owed.nothing_is_forgotten,
)


def verify(db: sa.Connection, facts: Facts) -> Sequence[Violation]:
    """Every violation that the checks find, in their order."""
    return [violation for check in CHECKS for violation in check(db, facts)]
