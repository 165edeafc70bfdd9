"""What it costs to be there: a worker at rest, and the start of a command."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator

from bench.alone import Use, alone, use_over
from bench.figures import Figure, median, ms, timed
from bench.installation import at_work
from bench.invented import Invented
from bench.place import opened, place
from bench.seed import seed
from bench.size import Size


def rest(kind: str, size: Size) -> Iterator[Figure]:
    with place(kind) as url:
        with opened(url) as database:
            seed(database, size.tickets)
        use = alone(idle, url, size.seconds * 4)
    what = f"a worker at rest, {size.tickets} tickets stored"
    yield Figure(what, f"{use.megabytes:.0f} MB", "150 MB", use.megabytes <= 150)
    yield Figure("  of a core", f"{use.core:.1%}", "4 %", use.core <= 0.04)


async def idle(url: str, seconds: float) -> Use:
    with opened(url) as database:
        async with at_work(database, Invented(), watch=30):
            await asyncio.sleep(min(seconds / 4, 3))
            return await use_over(seconds)


COMMANDS = {"import pipemend": ["-c", "import pipemend"], "pipemend --help": ["-m", "pipemend", "--help"]}


def imports(kind: str, size: Size) -> Iterator[Figure]:
    """The same for both kinds."""
    for what, words in COMMANDS.items():
        took = median(timed(lambda words=words: _python(words), size.times))  # type: ignore[misc]
        yield Figure(what, ms(took), "500 ms", took <= 0.5)


def _python(words: list[str]) -> None:
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
