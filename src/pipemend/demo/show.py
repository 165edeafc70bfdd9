"""The demo as people see it: the story live in the terminal, or headless with a table of checks at its end."""

import contextlib
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from pipemend.demo.checks import Check, all_checks, gather
from pipemend.demo.processes import Stage, stage
from pipemend.demo.scenarios import FACTORY, SCENARIOS
from pipemend.demo.watch import Watch, ended

LONGEST, LOOK, QUIET = 50.0, 0.2, 20.0  # seconds
TONES = {"healing": "cyan", "healed": "green", "escalated": "red", "approval": "yellow"}


def run(*, headless: bool, data_dir: Path | None) -> int:
    """Exit code 0 when every check holds."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(143))  # twin and server end with us
    console = Console(width=None if sys.stdout.isatty() else 140)
    with _folder(data_dir) as folder:
        database = folder / "pipemend.db"
        if database.exists():
            console.print(f"{folder} holds a database already: give the demo a fresh folder.")
            return 1
        console.print(f"[bold]Pipemend demo[/] – breaking {len(SCENARIOS)} pipelines of the factory {FACTORY}")
        with stage(folder) as here, contextlib.closing(Watch(here)) as watch:
            _break_everything(watch)
            _story(console, watch)
            checks = _checked(watch, database)
            _print_checks(console, checks)
            if not headless:
                _stay(console, here, watch)
        return 0 if all(check.holds for check in checks) else 1


@contextlib.contextmanager
def _folder(data_dir: Path | None) -> Iterator[Path]:
    if data_dir is not None:
        data_dir.mkdir(parents=True, exist_ok=True)
        yield data_dir.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="pipemend-demo-", ignore_cleanup_errors=True) as made:
        yield Path(made)


def _break_everything(watch: Watch) -> None:
    for scenario in SCENARIOS:
        watch.triggers(FACTORY, scenario.pipeline)


def _story(console: Console, watch: Watch) -> None:
    """Follows the tickets until the machine has said its last word about each."""
    begun = time.monotonic()
    with Live(_table([]), console=console, refresh_per_second=5) as live:
        while time.monotonic() - begun < LONGEST:
            tickets = watch.look()
            live.update(_table(tickets))
            if len(tickets) >= len(SCENARIOS) and all(ended(ticket) for ticket in tickets):
                return
            time.sleep(LOOK)


def _table(tickets: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(expand=False)
    for column in ("Pipeline", "What breaks", "Error type", "Attempt", "State", "Why"):
        table.add_column(column, overflow="fold", max_width=44)
    by_pipeline = {ticket["pipeline"]: ticket for ticket in tickets}
    for scenario in SCENARIOS:
        table.add_row(scenario.pipeline, scenario.about, *_cells(by_pipeline.get(scenario.pipeline)))
    return table


def _cells(ticket: Mapping[str, Any] | None) -> tuple[str | Text, ...]:
    if ticket is None:
        return ("–", "–", Text("runs…", style="dim"), "")
    badge = ticket["badge"] or {"text": "Open", "tone": ""}
    tried = f"{ticket['remediation_attempts']}/{ticket['max_attempts'] or '–'}"
    why = "" if ticket["remediation_status"] in ("in_progress", "succeeded") else ticket["decision"].get("why", "")
    return (
        str(ticket["error_type"]),
        tried,
        Text(badge["text"], style=TONES.get(badge["tone"], "")),
        why.split("; ")[-1],
    )


def _checked(watch: Watch, database: Path) -> list[Check]:
    """Slack and Jira are told a moment after the ticket has ended: the checks wait for that, not for ever."""
    deadline = time.monotonic() + QUIET
    while True:
        checks = all_checks(gather(watch), database)
        if all(check.holds for check in checks) or time.monotonic() > deadline:
            return checks
        time.sleep(0.5)


def _print_checks(console: Console, checks: Sequence[Check]) -> None:
    table = Table("Story", "What must hold", "", title="Checks")
    for check in checks:
        found = "✅" if check.holds else Text(f"❌ {check.found}", style="red")
        table.add_row(check.story, check.line, found)
    console.print()
    console.print(table)
    held = sum(check.holds for check in checks)
    console.print(f"{held} of {len(checks)} checks hold.")


def _stay(console: Console, here: Stage, watch: Watch) -> None:
    console.print(f"\nDashboard  {watch.sign_in_link()}  (signs you in, once)")
    console.print(f"API        {here.server}/api/tickets  with 'Authorization: Bearer {here.token}'")
    console.print(f"Twin       {here.twin}/twin/")
    console.print("\nEverything stays up until Ctrl-C.")
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            time.sleep(3600)
