"""Says in figures how good the rules are on labelled messages."""

from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipemend.analyzers.figures import Answer, Figures, labelled, measure

MOST_CONFUSIONS = 20


def evaluate(path: Path, console: Console | None = None) -> Figures:
    """Measures the rules on a file of labelled lines and prints what was found. Raises BadDelivery for a bad line."""
    figures = measure(labelled(path))
    show(figures, console or Console())
    return figures


def show(figures: Figures, console: Console) -> None:
    readable = figures.where(lambda line: line.get("text_sufficient") is not False)
    console.print(_summary(figures, readable))
    console.print(_calibration(figures))
    console.print(_confusions(figures))
    _dangerous(figures.dangerous, console)


def _summary(figures: Figures, readable: Figures) -> Table:
    table = Table("", "all", "readable", title="Rules beside labels", caption="readable: the text alone is enough")
    table.add_row("messages", str(len(figures.answers)), str(len(readable.answers)))
    for name, of_all, of_readable in (
        ("error type, strict", figures.strict, readable.strict),
        ("error type, also defensible ones", figures.lenient, readable.lenient),
        ("remediable, precision", figures.remediable_precision, readable.remediable_precision),
        ("remediable, recall", figures.remediable_recall, readable.remediable_recall),
        ("action", figures.action, readable.action),
    ):
        table.add_row(name, f"{of_all:.3f}", f"{of_readable:.3f}")
    table.add_row("dangerous (said yes, is no)", str(len(figures.dangerous)), str(len(readable.dangerous)))
    return table


def _calibration(figures: Figures) -> Table:
    table = Table("confidence", "messages", "mean", "defensible", title="Calibration")
    for low, high, count, mean, right in figures.calibration:
        table.add_row(f"{low:.1f} to {high:.1f}", str(count), f"{mean:.2f}", f"{right:.2f}")
    return table


def _confusions(figures: Figures) -> Table:
    table = Table("labelled", "given", "times", title="Confusions")
    for (wanted, given), times in figures.confusions[:MOST_CONFUSIONS]:
        table.add_row(wanted, given, str(times))
    return table


def _dangerous(answers: tuple[Answer, ...], console: Console) -> None:
    if not answers:
        console.print(Text("No dangerous mistake."))
    for answer in answers:
        wanted, given = answer.label["error_type"], answer.said.error_type
        console.print(Text(f"Dangerous: {answer.label.get('id')}: {given} (yes), labelled {wanted} (no)", style="red"))
        console.print(Text(f"  {answer.said.details.get('quote')}"))
