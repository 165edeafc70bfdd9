"""Prints what would be done about which error, and what may be done to which pipeline."""

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from pipemend.bootstrap import playbooks_of
from pipemend.core.freeze import Window
from pipemend.core.playbook import DEFAULT_RULE, PipelineRule, Playbook
from pipemend.core.route import Route
from pipemend.playbooks import DAYS
from pipemend.settings import Settings

WIDE = 200  # columns where no terminal says how many there are


def check(file: Path | None) -> None:
    """Prints the effective waits and the rules. Raises SettingsError, which names every mistake."""
    settings = Settings.load()
    books = playbooks_of(settings, file)
    table = _table("Error type", "Platform", "Action", "Attempts", "Waits before each", "Approval")
    for (error_type, platform), book in sorted(books.entries.items(), key=lambda item: (item[0][0], item[0][1] or "")):
        table.add_row(
            error_type,
            platform or "any",
            book.action,
            str(book.max_retries),
            _waits(book),
            "yes" if book.approval else "",
        )
    rules = _table("Pipelines", "Rerun", "Rule")
    for rule in (*books.pipelines, DEFAULT_RULE):
        rules.add_row(rule.match, rule.rerun, "\n".join(_words(rule)))
    console = Console()
    console = console if console.is_terminal else Console(width=WIDE)
    console.print(table, rules, *([_routes(books.routes)] if books.routes else []))
    for window in books.freeze:
        console.print(f"All pipelines are frozen {_when(window)}", soft_wrap=True)


def _routes(routes: Sequence[Route]) -> Table:
    table = _table("Told of", "Team", "Route")
    for route in routes:
        table.add_row(route.match, route.team or "any", "\n".join(_words(route)))
    return table


def _table(*names: str) -> Table:
    """A table that breaks what is too long for the screen, and cuts nothing."""
    table = Table()
    for name in names:
        table.add_column(name, overflow="fold")
    return table


def _waits(book: Playbook) -> str:
    waits = [book.wait_before(number) for number in range(1, book.max_retries + 1)]
    return ", ".join(f"{wait:g} s" for wait in waits)


def _words(rule: PipelineRule | Route) -> list[str]:
    """What a rule or route says beside the columns of its own, a line each. A secret is shown as its file's name."""
    own = ("match", "rerun") if isinstance(rule, PipelineRule) else ("match", "team")
    said = [(field.name, getattr(rule, field.name)) for field in fields(rule) if field.name not in own]
    return [f"{name} {_value(value)}" for name, value in said if value not in (None, ())]


def _value(value: Any) -> str:
    if isinstance(value, tuple):
        return "; ".join(_when(one) if isinstance(one, Window) else str(one) for one in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _when(window: Window) -> str:
    days = [name for number, name in enumerate(DAYS) if number in (window.days or ())]
    dates = [f"{first}" if first == last else f"{first} to {last}" for first, last in window.dates or ()]
    clock = f"from {window.begins:%H:%M} to {window.ends:%H:%M}".replace("to 00:00", "to 24:00")
    return f"{', '.join(days + dates) or 'every day'} {clock} {window.zone.key}"
