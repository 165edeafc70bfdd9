"""`python -m tests.scenarios.screenshots [FOLDER]`: pictures of the dashboard while the demo runs, for the pages."""

import shutil
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from pipemend.demo.processes import Stage, stage
from pipemend.demo.scenarios import FACTORY, SCENARIOS
from pipemend.demo.watch import Watch, ended
from tests.web.reader import FLAGS

IMAGES = Path(__file__).parents[2] / "docs/images"
SCHEMES = ("light", "dark")
LONGEST = 60.0


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else IMAGES
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="pipemend-pictures-") as data, stage(Path(data)) as here:
        _follow(here, folder)


def _follow(here: Stage, folder: Path) -> None:
    with closing(Watch(here)) as watch, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 560})
        page.goto(watch.sign_in_link())
        for scenario in SCENARIOS:
            watch.triggers(FACTORY, scenario.pipeline)
        _wait(watch, _in_the_middle)
        _take(page, f"{here.server}/dashboard", folder / "dashboard")
        page.set_viewport_size({"width": 1280, "height": 960})
        tickets = _wait(watch, lambda found: len(found) >= len(SCENARIOS) and all(map(ended, found)))
        lost = next(one for one in tickets if one["remediation_status"] == "max_retries_exceeded")
        _take(page, f"{here.server}/dashboard?ticket={lost['id']}", folder / "ticket")
        browser.close()


def _in_the_middle(tickets: Sequence[Mapping[str, Any]]) -> bool:
    """Some are mended, and some are being mended."""
    states = [ticket["remediation_status"] for ticket in tickets]
    return len(states) >= len(SCENARIOS) and "succeeded" in states and "in_progress" in states


def _wait(watch: Watch, for_what: Any) -> Sequence[Mapping[str, Any]]:
    begun = time.monotonic()
    while time.monotonic() - begun < LONGEST:
        tickets = watch.look()
        if for_what(tickets):
            return tickets
        time.sleep(0.2)
    raise TimeoutError("the demo does not come this far")


def _take(page: Page, address: str, picture: Path) -> None:
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.goto(address)
        page.wait_for_function("() => document.getElementById('live').textContent === 'Live'")
        page.screenshot(path=picture.with_name(f"{picture.name}-{scheme}.png"), animations="disabled")


if __name__ == "__main__":
    main()
