"""The demo: breaks pipelines of the twin on purpose and shows them being mended, by the product as it is."""

from pathlib import Path


def run(*, headless: bool, data_dir: Path | None) -> int:
    """Runs the demo; the exit code. Headless: to the end and out; else it stays up until Ctrl-C."""
    from pipemend.demo.show import run as show

    return show(headless=headless, data_dir=data_dir)
