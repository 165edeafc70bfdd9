"""The house rules that no other tool watches."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

import pipemend

HOUSE = Path(__file__).parents[1]
PINNED = r"[\w.-]+(?:\[[\w, -]+\])?==\S+"  # with its extras, or pip may look for newer ones
LOCKS = tuple(HOUSE / f"requirements/{name}.txt" for name in ("run", "dev", "node"))
INDEX = re.compile(
    r"pypi\.org|pythonhosted\.org|registry\.npmjs\.org|registry\.yarnpkg\.com|(?<!\S)--(?:extra-)?index-url|(?<!\S)--find-links"
)


def test_no_file_names_a_package_index():
    named = [f"{path}: {line.strip()}" for path in kept_files() for line in lines(path) if INDEX.search(line)]

    assert named == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_locked_package_has_a_hash(lock: Path):
    logical = lock.read_text().replace("\\\n", " ").splitlines()
    packages = [line for line in logical if line and not line.startswith("#")]

    assert packages
    assert [line for line in packages if not re.match(rf"{PINNED} .*--hash=sha256:[0-9a-f]{{64}}", line)] == []


def test_what_runs_is_locked_as_it_is_tested():
    run, dev = (set(re.findall(rf"^({PINNED})", lock.read_text(), re.MULTILINE)) for lock in LOCKS[:2])

    assert run <= dev


def test_the_dashboards_libraries_are_locked_without_addresses():
    packages = json.loads((HOUSE / "package-lock.json").read_text())["packages"]

    assert len(packages) > 1
    assert [name for name, told in packages.items() if name and not told["integrity"].startswith("sha512-")] == []
    assert [name for name, told in packages.items() if "resolved" in told] == []


def test_the_installed_version_is_the_one_in_the_source():
    assert version("pipemend") == pipemend.__version__


def test_ci_runs_what_people_run():
    assert re.search(r"^make check\b", (HOUSE / ".ci/run").read_text(), re.MULTILINE)


def test_every_verb_in_the_pages_exists():
    verbs = set(re.findall(r"^([a-z-]+):", (HOUSE / "Makefile").read_text(), re.MULTILINE))
    told = {(page.name, verb) for page, line in code_in_pages() for verb in re.findall(r"\bmake ([a-z][a-z-]*)", line)}

    assert sorted((page, verb) for page, verb in told if verb not in verbs) == []


def test_every_command_in_the_pages_exists():
    ours = re.compile(r"(?:\$ )?(?:[A-Z_]+=\S* )*(?:\S*/)?pipemend ([a-z][a-z-]*)")
    told = {found[1] for _, line in code_in_pages() if (found := ours.match(line))}

    assert sorted(command for command in told if python("-m", "pipemend", command, "--help").returncode) == []


def test_importing_the_package_loads_nothing_of_others():
    look = "import sys; had = set(sys.modules); import pipemend; print(*sorted(set(sys.modules) - had))"
    loaded = {name.split(".")[0] for name in python("-c", look).stdout.split()}

    assert loaded - sys.stdlib_module_names == {"pipemend"}


def kept_files() -> list[Path]:
    """What git keeps, and what it would keep if it were asked now."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=HOUSE,
        capture_output=True,
        text=True,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [path for name in listed.stdout.split("\0") if name and (path := HOUSE / name).is_file()]


def lines(path: Path) -> list[str]:
    return path.read_text(errors="replace").splitlines()


def code_in_pages() -> Iterator[tuple[Path, str]]:
    """The commands in the pages for people: code spans and lines of code blocks, without their comments."""
    for page in (path for path in kept_files() if path.suffix == ".md"):
        text = page.read_text()
        blocks = re.findall(r"^ *```[^\n]*\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
        spans = re.findall(r"(?<!`)`([^`\n]+)`(?!`)", text)
        for line in (*"\n".join(blocks).splitlines(), *spans):
            yield page, line.split("#")[0].strip()


def python(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], cwd=HOUSE, capture_output=True, text=True)
