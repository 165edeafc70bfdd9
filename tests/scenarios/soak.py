"""Kills for as long as one likes: `make soak MINUTES=60`.

Each round is a fresh installation on one of the databases, with one way of starting reruns. An undisturbed story lists
the boundaries that there are; then each life dies at one of them, or at any moment. In the end everything must be
mended, once, and told. Beside the first rounds PostgreSQL is away for a whole minute, and a disk is full. The first
thing that is not true ends the soak and leaves the folder.
"""

import argparse
import contextlib
import json
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.postgres import drop_database, fresh_database, postgres
from tests.scenarios.conftest import free_port, running_twin
from tests.scenarios.installation import Installation, installation
from tests.scenarios.lives import GOES_ON, Lives, all_is_well
from tests.scenarios.outages import doors_say_503_and_what_comes_again_is_kept

WAYS = ("direct", "sync", "202_with_run_id", "202_empty", "slow:1", "no_response_502")
NEVER = (
    "secrets.",
    "bootstrap.",
    "feed.begin",
    "retention.",
    "upkeep.",
)  # passed at each start: nothing would ever break


@contextlib.contextmanager
def fresh(folder: Path, server: str | None, way: str) -> Iterator[Installation]:
    """A twin, and an installation that starts reruns in this way."""
    url = fresh_database(server) if server else None
    with running_twin(folder) as twin, installation(folder, twin, free_port(), url) as made:
        made.environment["STARTS_PER_MINUTE"] = "1000"
        if way == "direct":
            del made.environment["PLAYBOOK_RETRY_PIPELINE"]
        else:
            made.playbook(behaviour=way)
        yield made
    if url:
        drop_database(url)


def boundaries(folder: Path, server: str | None, way: str) -> Sequence[str]:
    """What an undisturbed story passes, in order."""
    with fresh(folder, server, way) as made:
        lives = Lives(made, [])
        lives.begin()
        lives.live()
        all_is_well(made, list(lives.broken.values()))
        passed = [entry["boundary"] for entry in lives.look() if "boundary" in entry]
        return [name for name in dict.fromkeys(passed) if not name.startswith(NEVER)]


def death(chance: random.Random, names: Sequence[str]) -> dict[str, Any]:
    """At a boundary, or when that is not passed for a while, or at any moment at all."""
    if chance.random() < 0.3:
        return {"after": round(chance.uniform(0.3, 4), 3)}
    return {"at": chance.choice(names), "nth": chance.choice((1, 1, 1, 2, 3)), "after": 6}


def round_of(folder: Path, server: str | None, way: str, deaths: Sequence[dict[str, Any]]) -> Lives:
    with fresh(folder, server, way) as made:
        lives = Lives(made, deaths)
        lives.begin()
        lives.live()
        all_is_well(made, list(lives.broken.values()))
        lives.waited = lives.went_on()
        return lives


def outage(folder: Path, server: str | None, how: str) -> None:
    """A minute without a database, at the pace of Azure Monitor's repeats."""
    with fresh(folder, server, "202_with_run_id") as made:
        doors_say_503_and_what_comes_again_is_kept(made, how)
        made.keeps_its_word()
    print(f"outage: {how} for a minute, nothing lost", flush=True)


def soak(minutes: float, kills: int, seed: int, home: Path) -> None:
    chance, until = random.Random(seed), time.monotonic() + minutes * 60
    known: dict[tuple[str, str], Sequence[str]] = {}
    died, waited = Counter[str](), {database: dict[str, float]() for database in GOES_ON}
    with postgres() as server, ThreadPoolExecutor(2) as beside:
        outages = [
            beside.submit(outage, _made(home / "closed"), server, "closed"),
            beside.submit(outage, _made(home / "full"), None, "full"),
        ]
        number = 0
        while time.monotonic() < until:
            number += 1
            database, way = chance.choice(("sqlite", "postgresql")), chance.choice(WAYS)
            where = server if database == "postgresql" else None
            if (database, way) not in known:
                known[database, way] = boundaries(_made(home / f"{number}-list"), where, way)
            deaths = [death(chance, known[database, way]) for _ in range(kills)]
            lives = round_of(_made(home / f"{number}"), where, way, deaths)
            died.update(str(one.get("at", "any moment")) for one in deaths)
            waited[database] |= {f"{what} of round {number}": seconds for what, seconds in lives.waited.items()}
            print(
                f"round {number}: {database}, {way}: {kills} kills, {len(lives.broken)} failures, all well", flush=True
            )
        for ended in outages:
            ended.result()
    for name, number_of in sorted(died.items()):
        print(f"{number_of:5} {name}")
    print(f"{died.total()} kills in {number} rounds, seed {seed}")
    for database, times in waited.items():
        tell_waits(database, times)


def tell_waits(database: str, waited: Mapping[str, float]) -> None:
    """How long after a start what was due was worked on, against what it should be; the slowest by name."""
    if not waited:
        return
    slowest, middle = max(waited, key=lambda what: waited[what]), sorted(waited.values())[len(waited) // 2]
    late = sum(seconds > GOES_ON[database] for seconds in waited.values())
    print(
        f"{database}: of {len(waited)} that were due at a start {late} were worked on after more than "
        f"{GOES_ON[database]:g} s; median {middle:.2f} s, at most {waited[slowest]:.2f} s ({slowest})"
    )


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--minutes", type=float, default=10)
    asked.add_argument("--kills", type=int, default=15, help="in each round")
    asked.add_argument("--seed", type=int, default=random.randrange(10**6))
    wish = asked.parse_args()
    home = Path(tempfile.mkdtemp(prefix="pipemend-soak-"))
    print(json.dumps({**vars(wish), "folder": str(home)}), flush=True)
    soak(wish.minutes, wish.kills, wish.seed, home)
