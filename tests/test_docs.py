"""The pages for people say what the code does, and their links lead somewhere."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from pydantic import Field
from pydantic.fields import FieldInfo

from pipemend.cli.settings_page import page
from pipemend.settings import Settings

HOUSE = Path(__file__).parents[1]
SOURCES = HOUSE / "src/pipemend"
SETTINGS_PAGE = HOUSE / "docs/reference/settings.md"
# Names in capitals that are no settings of Pipemend: of Azure, of the command line, of make, of states and tables.
NOT_OURS = {
    *("IDENTITY_ENDPOINT", "IDENTITY_HEADER", "NO_COLOR", "NO_PROXY", "PIPEMEND_TOKEN", "PIPEMEND_URL"),
    *("AI_AUTO_HEAL", "AUTO_REM_001", "METASTORE_COMPONENT_UNHEALTHY", "REMEDIATION_MOVES", "APP_ID", "RUN_ID"),
    *("AZURE_QUOTA_EXCEEDED_EXCEPTION", "CLOUD_PROVIDER_LAUNCH_FAILURE", "DRIVER_UNREACHABLE", "INIT_SCRIPT_FAILURE"),
    *("SPOT_INSTANCE_TERMINATION", "UPSTREAM_FAILED", "REQUEST_LIMIT_EXCEEDED", "RESOURCE_EXHAUSTED"),
    *("TEMPORARILY_UNAVAILABLE", "SOAK_CALLS", "LEASE_KILLS", "SUCCESS_WITH_FAILURES"),
}


def test_the_settings_page_is_as_the_settings_are():
    assert SETTINGS_PAGE.read_text() == page(), "docs/reference/settings.md is stale: make docs"


def test_a_new_setting_is_told_with_its_limits_its_default_and_whether_it_is_a_secret():
    new: FieldInfo = Field(7, ge=2, le=9, description="How many.")  # type: ignore[assignment]

    assert "| `BRAND_NEW` | How many. From 2 to 9. | `7` |" in page({"brand_new": new})
    assert re.search(r"`AZURE_CLIENT_SECRET` \|.*\*Secret\.\*", page())
    assert "## Others" not in page()


def test_every_setting_in_the_pages_exists():
    known = {name.upper() for name in Settings.model_fields} | NOT_OURS
    told = {(str(here), name) for here, span in spans() for name in re.findall(r"\b[A-Z]{2,}(?:_[A-Z0-9]+)+\b", span)}

    assert sorted((here, name) for here, name in told if {name, name.removesuffix("_FILE")}.isdisjoint(known)) == []


def test_every_link_within_the_pages_leads_somewhere():
    broken = [
        (str(here.relative_to(HOUSE)), target)
        for here in pages()
        for target in re.findall(r"(?:\]\(|srcset=\"|src=\")([^)\"\s]+)", here.read_text())
        if "://" not in target and not _leads_somewhere(here, target)
    ]

    assert broken == []


def test_what_the_architecture_names_is_in_the_code():
    text = (HOUSE / "docs/architecture.md").read_text()
    files = re.findall(r"`([a-z_]+(?:/[a-z_]+)*(?:\.py|\.toml|/))`", text)
    names = [
        (module, name) for module, name in re.findall(r"`([a-z_]+)\.(?!py|toml)([A-Za-z_]+)`", text) if modules(module)
    ]

    assert files
    assert names
    assert [file for file in files if not (SOURCES / file).exists()] == []
    assert [f"{module}.{name}" for module, name in names if name not in defined_in(module)] == []


def test_pictures_are_small():
    assert [p.name for p in (HOUSE / "docs/images").iterdir() if p.stat().st_size > 200_000] == []


def test_decisions_are_numbered_without_gaps_and_have_their_four_parts():
    found = sorted((HOUSE / "docs/decisions").glob("*.md"))

    assert [int(decision.name[:4]) for decision in found] == list(range(1, len(found) + 1))
    for number, decision in enumerate(found, 1):
        headings = re.findall(r"^##? (.*)", decision.read_text(), re.MULTILINE)
        assert headings[0].startswith(f"{number}. ")
        assert headings[1:] == ["Context", "Decision", "Consequences", "What was left"], decision.name


def pages() -> list[Path]:
    return [*sorted(HOUSE.glob("*.md")), *sorted((HOUSE / "docs").rglob("*.md"))]


def spans() -> Iterator[tuple[Path, str]]:
    """Code in the pages: blocks and spans."""
    for here in pages():
        text = here.read_text()
        yield from ((here.relative_to(HOUSE), found) for found in re.findall(r"`[^`\n]+`|(?ms:^ *```.*?^ *```)", text))


def _leads_somewhere(here: Path, target: str) -> bool:
    path, _, anchor = target.partition("#")
    there = (here.parent / path).resolve() if path else here
    return there.exists() and (not anchor or anchor in anchors(there))


@cache
def anchors(there: Path) -> set[str]:
    """The anchors that a page's headings get."""
    headings = re.findall(r"^#+ (.*)", there.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@cache
def modules(stem: str) -> tuple[Path, ...]:
    return tuple(path for path in SOURCES.rglob(f"{stem}.py") if "twin" not in path.parts)


@cache
def defined_in(stem: str) -> set[str]:
    """Functions, classes, methods and constants of the modules of this name."""
    found: set[str] = set()
    for path in modules(stem):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                found.add(node.name)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                found.add(node.id)
    return found
