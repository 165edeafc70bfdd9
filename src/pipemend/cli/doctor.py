"""Shows what an examination of the installation has found."""

import asyncio
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict

from rich.table import Table

from pipemend.cli.screen import console, text
from pipemend.core.checkup import Finding, Mark
from pipemend.core.clock import WallClock
from pipemend.core.errors import SettingsError
from pipemend.doctor import examine
from pipemend.doctor.examination import unusable
from pipemend.settings import Settings

TONES = {Mark.OK: "green", Mark.WRONG: "bold red", Mark.NOT_TRIED: "dim"}


def run(*, as_json: bool) -> int:
    """Prints every finding; 0 when nothing is wrong, else 1."""
    logging.basicConfig(handlers=[logging.NullHandler()])  # the findings say it all
    found = _found()
    wrong = sum(finding.mark is Mark.WRONG for finding in found)
    if as_json:
        print(json.dumps({"wrong": wrong, "checks": [asdict(finding) for finding in found]}, indent=2))
    else:
        out = console()
        out.print(_table(found))
        out.print(f"{len(found)} checks, {wrong or 'nothing'} wrong.")
    return 1 if wrong else 0


def _found() -> Sequence[Finding]:
    try:
        return asyncio.run(examine(Settings.load(), WallClock()))
    except SettingsError as error:
        return [unusable(error)]
    except Exception as error:  # a plug-in's own; its words may hold anything, so only its kind is told
        return [Finding("Plug-ins", Mark.WRONG, f"one of them stumbled: {type(error).__name__}", "look at its package")]


def _table(found: Sequence[Finding]) -> Table:
    rows = Table("", "Check", "What was found", box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    rows.columns[0].no_wrap = True
    for finding in found:
        says = text(finding.says)
        if finding.mend:
            says.append(f"\nTo mend it: {finding.mend}", "yellow")
        rows.add_row(text(finding.mark, TONES[finding.mark]), text(finding.name), says)
    return rows
