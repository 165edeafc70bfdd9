"""Each rule is broken once, by hand, and named; what the flows themselves leave behind breaks none."""

import asyncio
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from pipemend.cli.audit import look, starts_of
from pipemend.core.attempt import MOVES, AttemptStatus
from pipemend.core.commands import Acknowledge, Retry, Stop, Switch
from pipemend.core.errors import SettingsError
from pipemend.core.run import RunStatus
from pipemend.core.ticket import RemediationStatus, Status
from pipemend.store.database import Database, reading_alone
from pipemend.store.schema import (
    alerts,
    attempts,
    audit_trail,
    deliveries,
    feeds,
    leases,
    receipts,
    switches,
    ticket_runs,
    tickets,
)
from pipemend.store.verify import Facts, Start, Violation, verify
from pipemend.store.verify.moves import reachable
from tests.conftest import driver
from tests.fakes.factory import FACTORY
from tests.postgres import drop_database, fresh_database
from tests.world import World


async def found(world: World) -> Sequence[Violation]:
    living = frozenset(await world.engine.all_living())
    facts = Facts(now=world.clock.now(), living=living, grace=timedelta(0))
    return await world.database.read(lambda db: verify(db, facts))


async def test_a_whole_life_of_tickets_breaks_no_rule(world: World) -> None:
    for number in range(3):
        run_id = world.adf.fails(f"load-{number}")
        await world.hears(f"load-{number}", run_id)
        await world.hears(f"load-{number}", run_id)
    await world.settle()
    assert await found(world) == []
    first, second, third = world.adf.rerun.started_runs
    world.adf.ends(first, RunStatus.SUCCEEDED)
    world.adf.ends(second, RunStatus.FAILED, "GatewayTimeout")
    world.adf.ends(third, RunStatus.CANCELLED)
    await world.after(60, step=10)
    assert await found(world) == []
    while len(world.adf.rerun.started_runs) < 5:
        world.adf.ends(world.adf.rerun.started_runs[-1], RunStatus.FAILED, "GatewayTimeout")
        await world.after(90, step=10)
    world.adf.ends(world.adf.rerun.started_runs[-1], RunStatus.FAILED, "GatewayTimeout")
    await world.after(90, step=10)
    escalated = [t for t in await world.tickets() if t.remediation_status is RemediationStatus.MAX_RETRIES_EXCEEDED]
    assert len(escalated) == 1
    assert await found(world) == []

    await world.command(Retry(ticket_id=escalated[0].id, by="rosa"))
    await world.settle()
    assert await found(world) == []
    await world.command(Stop(ticket_id=escalated[0].id, by="rosa"))
    world.adf.ends(world.adf.rerun.started_runs[-1], RunStatus.FAILED, "GatewayTimeout")
    await world.after(60)
    await world.command(Acknowledge(ticket_id=escalated[0].id, by="rosa"))
    await world.command(Switch(enabled=False, by="rosa", reason="a bad night"))
    world.adf.fails("held-load")
    await world.after(60)
    assert await found(world) == []
    await world.command(Switch(enabled=True, by="rosa", reason=""))
    await world.settle()
    assert await found(world) == []


@dataclass(frozen=True)
class Past:
    """A database in which one failure was mended by one rerun, and another one is being mended."""

    database: Database
    now: datetime


@dataclass(frozen=True)
class Story:
    """One connection to it, on which tests do harm that is undone afterwards. `healed` and `healing` are tickets."""

    db: sa.Connection
    now: datetime
    healed: str
    healing: str

    def change(self, table: sa.Table, of: str | None = None, **values: Any) -> None:
        """Writes into the rows of the healed ticket, or of another one."""
        column = table.c.id if table is tickets else table.c.ticket_id
        self.db.execute(table.update().where(column == (of or self.healed)).values(**values))

    def found(self, starts: Sequence[Start] | None = None, living: frozenset[str] = frozenset()) -> list[Violation]:
        facts = Facts(now=self.now, living=living, starts=starts, grace=timedelta(0))
        return list(verify(self.db, facts))

    def broken(self, starts: Sequence[Start] | None = None) -> set[str]:
        """The rules that are broken, always by one ticket or row alone."""
        return {violation.rule for violation in self.found(starts)}

    def attempt(self, ticket_id: str | None = None) -> sa.Row[Any]:
        wish = sa.select(attempts).where(attempts.c.ticket_id == (ticket_id or self.healed))
        return self.db.execute(wish.order_by(attempts.c.attempt_number)).one()

    def asked(self, run_id: str | None = None, repeats: str | None = None, **how: Any) -> Start:
        """The start of the healed ticket's rerun as the platform saw it, or one like it."""
        made = self.attempt()
        return Start(
            platform="data_factory",
            resource=FACTORY.id,
            run_id=run_id or made.remediation_run_id,
            repeats=repeats or made.original_run_id,
            **{"at": made.started_at, "status": "Succeeded", **how},
        )

    def add_attempts(self, number: int, status: AttemptStatus, **values: Any) -> None:
        """More attempts of the healed ticket, like its first."""
        first = dict(self.attempt()._mapping) | {"status": status, "remediation_run_id": None, "due_at": self.now}
        del first["id"]
        for n in range(2, number + 2):
            row = first | {"attempt_number": n, "key": f"{self.healed}-{n}"} | values
            self.db.execute(attempts.insert().values(**row))
        self.change(tickets, remediation_attempts=number + 1)

    def note(self, action: str, ticket_id: str | None, seconds_before: float) -> None:
        """A line of the audit trail, some seconds before the healing attempt began."""
        values = {"timestamp": self.attempt().started_at - timedelta(seconds=seconds_before), "details": {}}
        line = audit_trail.insert().values(action=action, ticket_id=ticket_id, user_name="rosa", **values)
        self.db.execute(line)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def past(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    server = request.getfixturevalue("postgres_server") if request.param == "postgresql" else None
    if server:
        url = fresh_database(server, request.getfixturevalue("migrated_postgres"))
    else:
        file = tmp_path_factory.mktemp("past") / "pipemend.db"
        shutil.copy(request.getfixturevalue("migrated_file"), file)
        url = f"sqlite:///{file}"
    database = Database(driver(url))
    yield Past(database, asyncio.run(live(database)))
    database.close()
    if server:
        drop_database(url)


async def live(database: Database) -> datetime:
    world = World(database)
    await world.begin()
    await world.hears("nightly-load", world.adf.fails("nightly-load"))
    await world.settle()
    world.adf.ends(world.adf.rerun.started_runs[-1], RunStatus.SUCCEEDED)
    await world.after(60)
    world.adf.fails("hourly-load")
    await world.after(60)
    return world.clock.now()


@pytest.fixture
def story(past: Past) -> Iterator[Story]:
    with past.database.engine.connect() as db:
        if not past.database.several:
            db.exec_driver_sql("BEGIN")
        by_pipeline = {row.pipeline: row.id for row in db.execute(sa.select(tickets.c.pipeline, tickets.c.id))}
        yield Story(db, past.now, by_pipeline["nightly-load"], by_pipeline["hourly-load"])
        db.rollback()


def test_what_the_platform_saw_agrees(story: Story) -> None:
    assert story.found([story.asked()]) == []
    assert story.found([story.asked(key=story.attempt().key)]) == []


@pytest.mark.parametrize("keyed", [True, False])
def test_a_second_start_of_one_attempt_is_named(story: Story, keyed: bool) -> None:
    key = story.attempt().key if keyed else None
    (violation,) = story.found([story.asked(key=key), story.asked("another run", key=key)])
    assert violation.row == story.healed
    assert violation.rule == "two starts for one attempt"


def test_a_start_that_nobody_asked_for_is_named(story: Story) -> None:
    assert story.broken([story.asked(repeats="a run without a ticket")]) == {"start that nobody asked for"}
    assert story.broken([story.asked(key=f"{story.healed}-2")]) == {"start that nobody asked for"}
    assert story.broken([story.asked(at=story.now - timedelta(days=1))]) == {"start that nobody asked for"}


def test_a_rerun_that_the_platform_calls_failed_heals_nothing(story: Story) -> None:
    assert story.broken([story.asked(status="Failed")]) == {"healed without the platform's word"}


def test_a_healed_ticket_whose_rerun_failed_is_named(story: Story) -> None:
    story.change(ticket_runs, status="Failed")
    assert story.broken() == {"healed without the platform's word"}


def test_a_healed_ticket_without_a_healing_attempt_is_named(story: Story) -> None:
    story.change(tickets, remediation_run_id="another run")
    assert story.broken() == {"healed without the platform's word"}


@pytest.mark.parametrize(
    "columns", [{"ticket_id": "no such ticket"}, {"ticket_id": None}, {"state": "ignored", "reason": None}], ids=str
)
def test_a_lost_alert_is_named(story: Story, columns: dict[str, Any]) -> None:
    story.change(alerts, **columns)
    assert story.broken() == {"alert without a ticket"}


def test_a_delivery_without_its_alerts_is_named(story: Story) -> None:
    values = {"slot": "s", "door": "/azure-monitor", "body": b"", "outcome": "accepted", "accepted": 2}
    story.db.execute(deliveries.insert().values(id=7, received_at=story.now, **values))
    says = "2 alerts were accepted, 0 are there"
    assert story.found() == [Violation("delivery without its alerts", "delivery 7", says)]


def test_a_hole_in_the_numbers_is_named(story: Story) -> None:
    story.change(attempts, attempt_number=2)
    story.change(tickets, remediation_attempts=2)
    assert "attempts with a hole" in story.broken()


def test_an_attempt_beyond_the_limit_is_named(story: Story) -> None:
    story.add_attempts(3, AttemptStatus.FAILED)
    (violation,) = story.found()
    assert violation.rule == "attempts beyond the limit"
    assert violation.says == "4 attempts were begun, 3 were allowed"


def test_more_attempts_for_people_than_they_granted_are_named(story: Story) -> None:
    story.change(attempts, by="rosa")
    assert story.broken() == {"attempts beyond the limit"}


def test_two_attempts_at_once_are_named(story: Story) -> None:
    story.change(tickets, remediation_status="in_progress", status="open", ack_user=None, ack_ts=None)
    story.add_attempts(2, AttemptStatus.IN_PROGRESS)
    assert story.broken() == {"two attempts at once"}


def test_a_rerun_claimed_twice_is_named(story: Story) -> None:
    story.add_attempts(1, AttemptStatus.FAILED, remediation_run_id=story.attempt().remediation_run_id)
    assert story.broken() == {"rerun claimed twice"}


def test_a_rerun_that_is_not_noted_as_one_is_named(story: Story) -> None:
    story.change(ticket_runs, role="person")
    assert story.broken() == {"rerun claimed twice"}


@pytest.mark.parametrize("action", ["acknowledged", "automation_stopped", "closed_without_remediation", "handed_over"])
def test_a_start_after_a_persons_word_is_named(story: Story, action: str) -> None:
    story.note(action, story.healed, seconds_before=5)
    (violation,) = story.found()
    assert (violation.rule, violation.row) == ("start after a person's word", story.healed)


def test_a_start_after_a_retry_was_granted_is_allowed(story: Story) -> None:
    story.note("automation_stopped", story.healed, seconds_before=5)
    story.note("retry_granted", story.healed, seconds_before=3)
    assert story.found() == []


def test_a_start_under_the_red_button_is_named(story: Story) -> None:
    story.note("automation_stopped_everywhere", None, seconds_before=5)
    assert story.broken() == {"start under the red button"}
    story.note("automation_released", None, seconds_before=3)
    assert story.found() == []


def test_a_move_that_is_not_allowed_is_named(story: Story) -> None:
    story.change(attempts, status=AttemptStatus.CANCELLED)
    (violation,) = [v for v in story.found() if v.rule == "move that is not allowed"]
    assert violation.says == "attempt 1 was succeeded, then cancelled"


def test_states_between_two_told_ones_are_allowed_for() -> None:
    pairs = reachable(MOVES)
    assert {"waiting>succeeded", "unknown>unknown", "timed_out>succeeded"} <= pairs
    assert not pairs & {"failed>in_progress", "in_progress>waiting", "succeeded>failed", "cancelled>succeeded"}


@pytest.mark.parametrize(
    "columns",
    [
        {"ack_user": None},
        {"ack_ts": None},
        {"status": Status.OPEN},
        {"status": Status.OPEN, "ack_user": None, "ack_ts": None},
        {"remediation_status": RemediationStatus.FAILED},
        {"merged_into": "another"},
        {"ack_user": "MERGED"},
        {"approval": "awaiting", "approval_expires_at": datetime(2030, 1, 1, tzinfo=UTC)},
        {"approval": "awaiting"},
    ],
    ids=str,
)
def test_words_of_a_ticket_that_do_not_fit_are_named(story: Story, columns: dict[str, Any]) -> None:
    story.change(tickets, **columns)
    assert "words that do not fit" in story.broken()


@pytest.mark.parametrize(
    "columns",
    [
        {"remediation_status": RemediationStatus.IN_PROGRESS, "ack_user": "rosa"},
        {"remediation_status": None, "ack_user": "rosa"},
        {"remediation_attempts": 3},
    ],
    ids=str,
)
def test_a_repair_that_says_other_than_its_attempts_is_named(story: Story, columns: dict[str, Any]) -> None:
    story.change(tickets, **columns)
    assert story.broken() == {"repair and attempts differ"}


def test_a_running_attempt_of_a_ticket_that_says_failed_is_named(story: Story) -> None:
    story.change(tickets, story.healing, remediation_status=RemediationStatus.FAILED)
    (violation,) = story.found()
    assert (violation.rule, violation.row) == ("repair and attempts differ", story.healing)


def test_a_root_that_belongs_to_nobody_is_named(story: Story) -> None:
    story.change(tickets, root_run_id="another run")
    assert story.broken() == {"root without its ticket"}


def test_a_merge_into_nothing_is_named(story: Story) -> None:
    merged = {"ack_user": "MERGED", "remediation_status": "failed"}
    story.change(tickets, merged_into="no such ticket", **merged)
    assert story.broken() == {"merged into nothing"}
    story.change(tickets, merged_into=story.healing, **merged)
    assert story.broken() == set()


def test_a_message_that_was_not_told_is_named(story: Story) -> None:
    story.change(receipts, state="pending", due_at=story.now)
    assert story.broken() == {"message that was not told"}
    story.change(tickets, ack_ts=story.now)
    assert story.broken() == set()


def test_an_alert_a_message_and_a_feed_that_nobody_looks_at_are_named(story: Story) -> None:
    story.change(alerts, state="held", due_at=None)
    story.change(receipts, story.healing, state="sending", due_at=None)
    story.db.execute(feeds.update().values(due_at=None))
    rows = [violation.row for violation in story.found() if violation.rule == "row that nobody looks at"]
    assert set(rows) == {"alert 1", story.healing, f"feed {FACTORY.id}"}


def borrow(story: Story, key: str, due_at: datetime | None) -> None:
    about = {"platform": "databricks", "resource": "adb-1", "target": "1124-cluster", "action": "restart_cluster"}
    row: dict[str, Any] = {**about, "attempt_key": key, "terms": {}, "taken_at": story.now, "due_at": due_at}
    story.db.execute(leases.insert().values(**row))


def test_something_borrowed_that_is_given_back_one_day_is_allowed(story: Story) -> None:
    borrow(story, story.attempt().key, due_at=story.now + timedelta(hours=1))
    assert story.found() == []


def test_something_borrowed_that_nobody_gives_back_is_named(story: Story) -> None:
    borrow(story, story.attempt().key, due_at=None)
    assert [(one.rule, one.row) for one in story.found()] == [("row that nobody looks at", story.healed)]


def test_something_borrowed_by_no_attempt_is_named(story: Story) -> None:
    borrow(story, f"{story.healed}-7", due_at=story.now)
    assert [(one.rule, one.row) for one in story.found()] == [("borrowed by nobody", story.healed)]


def test_an_attempt_is_looked_at_only_while_its_flow_lives(story: Story) -> None:
    story.change(attempts, story.healing, due_at=None)
    made = story.attempt(story.healing)
    assert [violation.row for violation in story.found()] == [story.healing]
    assert story.found(living=frozenset({f"{made.key}:conclude:r{made.revision}"})) == []
    assert story.found(living=frozenset({f"{made.key}:conclude:r{made.revision - 1}"})) != []


def test_a_decision_that_was_put_off_and_is_not_due_is_named(story: Story) -> None:
    story.db.execute(attempts.delete().where(attempts.c.ticket_id == story.healing))
    untried = {"remediation_status": None, "remediation_attempts": 0}
    story.change(tickets, story.healing, decision={"answer": "not yet"}, due_at=None, **untried)
    assert story.broken() == {"row that nobody looks at"}
    story.change(tickets, story.healing, due_at=story.now)
    assert story.broken() == set()


def test_an_alert_that_goes_on_as_its_runs_is_not_lost(story: Story) -> None:
    (first,) = story.db.execute(sa.select(alerts).where(alerts.c.ticket_id == story.healed).limit(1))
    story.change(alerts, feed_key=f"found:{first.id + 100}:{first.run_id}")
    plain = dict(first._mapping) | {"id": first.id + 100, "ticket_id": None, "run_id": None}
    story.db.execute(alerts.insert().values(**plain))
    assert story.found() == []


def test_the_database_is_read_beside_others_and_never_written(past: Past) -> None:
    url = past.database.engine.url.render_as_string(hide_password=False)
    assert look(url, None, timedelta(0)) == []
    with reading_alone(url) as db, pytest.raises(sa.exc.DBAPIError):
        db.execute(switches.insert().values(name="all", enabled=True, by="rosa", at=past.now))


def test_a_database_without_tables_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="DATABASE_URL"):
        look(f"sqlite:///{tmp_path / 'none.db'}", None, timedelta(0))


def test_the_starts_may_come_from_a_file(tmp_path: Path) -> None:
    told = {"platform": "data_factory", "resource": "r", "run_id": "2", "repeats": "1", "status": "Failed", "key": None}
    file = tmp_path / "starts.json"
    file.write_text(json.dumps({"starts": [{**told, "at": "2026-11-24T03:00:00.1234567Z"}]}))
    (start,) = starts_of(str(file))
    assert (start.run_id, start.at.minute) == ("2", 0)
    file.write_text("{}")
    with pytest.raises(SettingsError, match="no list of starts"):
        starts_of(str(file))
