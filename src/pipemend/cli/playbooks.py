"""Prints what would be done about which error."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from pipemend.core.playbook import Playbook
from pipemend.playbooks import load
from pipemend.settings import Settings


def check(file: Path | None) -> None:
    """Prints the effective waits. Raises SettingsError, which names every mistake."""
    settings = Settings.load()
    books = load(file or settings.playbooks_file, settings.auto_remediation_max_retries)
    table = Table("Error type", "Platform", "Action", "Attempts", "Waits before each", "Approval")
    for (error_type, platform), book in sorted(books.entries.items(), key=lambda item: (item[0][0], item[0][1] or "")):
        table.add_row(
            error_type,
            platform or "any",
            book.action,
            str(book.max_retries),
            _waits(book),
            "yes" if book.approval else "",
        )
    Console().print(table)


def _waits(book: Playbook) -> str:
    waits = [book.wait_before(number) for number in range(1, book.max_retries + 1)]
    return ", ".join(f"{wait:g} s" for wait in waits)
