"""Each row of the error table heals in one story and is handed to people in another, on both ways."""

import asyncio
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from pipemend.core.attempt import AttemptStatus
from pipemend.core.ticket import RemediationStatus, Status
from pipemend.playbooks import load
from tests.scenarios.table import HEALS, ROWS, STAYS, Outcome, Row, played

PLAY = [pytest.param(row, way, id=f"{row}-{way}") for row in ROWS for way in row.ways]
HEALED = [pytest.param(row, way, id=f"{row}-{way}") for row in ROWS if row.action for way in row.ways]
ENDED = (RemediationStatus.FAILED, RemediationStatus.MAX_RETRIES_EXCEEDED)


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Outcome]]:
    with pytest.MonkeyPatch.context() as environment:
        yield cache(lambda way: asyncio.run(played(way, tmp_path_factory.mktemp(way), environment)))


@pytest.mark.parametrize(("row", "way"), HEALED)
def test_it_heals(outcome: Callable[[str], Outcome], row: Row, way: str) -> None:
    found = outcome(way)
    ticket, attempts = found.tickets[row.name(HEALS)], found.attempts[row.name(HEALS)]
    assert ticket.error_type == row.error_type
    assert [(a.remediation_action, a.status, a.via) for a in attempts][-1] == (row.action, AttemptStatus.SUCCEEDED, way)
    assert (ticket.status, ticket.ack_user) == (Status.ACKNOWLEDGED, "AI_AUTO_HEAL")


@pytest.mark.parametrize(("row", "way"), PLAY)
def test_it_is_left_to_people(outcome: Callable[[str], Outcome], row: Row, way: str) -> None:
    found = outcome(way)
    ticket, attempts = found.tickets[row.name(STAYS)], found.attempts[row.name(STAYS)]
    assert (ticket.error_type, ticket.status) == (row.error_type, Status.OPEN)
    if row.action:
        assert ticket.remediation_status in ENDED
        assert {(a.remediation_action, a.via) for a in attempts} == {(row.action, way)}
        assert 1 <= len(attempts) <= row.attempts
        assert all(a.failure_reason for a in attempts)
    else:
        assert (ticket.remediation_status, list(attempts)) == (None, [])
        assert f"{row.error_type} is not for a machine to repair" in ticket.decision["why"]
        assert row.advice in " ".join(ticket.recommendations)


@pytest.mark.parametrize("way", ["direct", "playbook"])
def test_nothing_is_left_behind(outcome: Callable[[str], Outcome], way: str) -> None:
    found = outcome(way)
    assert (list(found.left), list(found.broken)) == ([], [])
    asked = sum(len(attempts) for attempts in found.attempts.values())
    assert len(found.called) == (asked if way == "playbook" else 0)


def test_the_page_shows_these_rows() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs/reference/playbooks.md").read_text()
    told = re.findall(r"^\| (data_factory|databricks) \| (\w+) \| (\w+) \|", page, re.MULTILINE)
    assert told == [(row.platform, row.error_type, row.action or "nothing") for row in ROWS]


def test_no_built_in_playbook_of_the_table_is_left_out() -> None:
    """But for those that ask people first and only run again."""
    books = load(None, 3).entries.values()
    asks = {book.error_type for book in books if book.approval and book.action.startswith("retry_")}
    assert {book.error_type for book in books} - asks <= {row.error_type for row in ROWS}
