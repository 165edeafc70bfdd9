"""The catalogue: complete, without contradictions, and strict about its own files."""

from pathlib import Path

import pytest

from pipemend.analyzers.catalogue import FOLDER, KNOWN, OWN, CatalogueError, catalogue, read
from pipemend.core.playbook import ACTIONS, ERROR_TYPES
from pipemend.core.rca import Remediable
from pipemend.playbooks import load

PLAN = {
    "GatewayTimeout",
    "HttpConnectionFailed",
    "ThrottlingError",
    "DatabricksClusterStartFailure",
    "ClusterMemoryExhausted",
    "LibraryInstallationFailed",
    "DatabricksJobExecutionError",
    "UserErrorSourceBlobNotExists",
    "LinkedServiceError",
    "DataFactoryTimeout",
}
ENTRY = '[[entry]]\nid = "one"\ntype = "GatewayTimeout"\nphrases = ["bad gateway"]\n'


@pytest.fixture
def own(tmp_path: Path):
    """A folder with the real types and one more file."""

    def write(text: str) -> Path:
        (tmp_path / "types.toml").write_text((FOLDER / "types.toml").read_text())
        (tmp_path / "more.toml").write_text(text)
        return tmp_path

    return write


def test_the_plans_names_keep_their_spelling():
    assert set(catalogue().verdicts) >= PLAN


def test_every_error_type_but_one_is_spoken_for():
    spoken_for = {entry.verdict.error_type for entry in catalogue().entries}

    assert spoken_for == ERROR_TYPES


def test_no_code_and_no_number_means_two_things():
    known = catalogue()
    meanings = [
        (sign, {entry.verdict.error_type for entry in entries})
        for index in (known.codes, known.numbers, known.http)
        for sign, entries in index.items()
    ]

    assert [sign for sign, types in meanings if len(types) > 1] == []


def test_every_type_and_entry_has_advice_with_a_source():
    verdicts = [entry.verdict for entry in catalogue().entries] + list(catalogue().verdicts.values())

    assert [v.error_type for v in verdicts if not v.advice or not v.source.startswith("https://")] == []


def test_what_is_not_remediable_has_no_action():
    verdicts = [entry.verdict for entry in catalogue().entries]

    assert {v.action for v in verdicts if v.remediable is Remediable.NO} == {"none"}
    assert {v.action_on("databricks") for v in verdicts if v.remediable is not Remediable.NO} <= ACTIONS


def test_every_type_with_a_playbook_can_be_diagnosed():
    assert {error_type for error_type, _ in load(None, 3).entries} <= set(catalogue().verdicts)


def test_repeating_is_what_the_platform_repeats():
    verdict = catalogue().verdicts["ThrottlingError"]

    assert verdict.action_on("data_factory") == "retry_pipeline"
    assert verdict.action_on("databricks") == "retry_job"


def test_hints_never_make_a_machine_act():
    weak = [entry for entry in catalogue().entries if entry.weight < 50 and entry.verdict.remediable is Remediable.YES]

    assert [entry.id for entry in weak] == []


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (ENTRY.replace("GatewayTimeout", "GatewayTimeuot"), "one"),
        (ENTRY + 'strength = "mighty"', "mighty"),
        (ENTRY + 'phrasse = ["x"]', "phrasse"),
        (ENTRY + 'action = "retry_everything"', "retry_everything"),
        (ENTRY + 'action = "none"', "remediable no"),
        (ENTRY + 'remediable = "maybe"', "maybe"),
        (ENTRY + 'severity = "P1"', "P1"),
        (ENTRY + ENTRY, "twice"),
        ("[[entry]", "more.toml"),
    ],
)
def test_a_mistake_in_a_file_is_named(own, text, named):
    with pytest.raises(CatalogueError, match=named):
        read(own(text))


def test_a_missing_type_is_named(tmp_path: Path):
    (tmp_path / "types.toml").write_text("")

    with pytest.raises(CatalogueError, match="GatewayTimeout"):
        read(tmp_path)


PAGE = Path(__file__).resolve().parents[2] / "docs/reference/catalogue.md"


def test_every_error_type_is_in_the_page_as_it_is_in_the_catalogue():
    rows = PAGE.read_text().splitlines()
    verdicts = catalogue().verdicts.values()

    missing = [
        v.error_type
        for v in verdicts
        if f"| {v.error_type} | {v.meaning} | {v.transient} | {v.remediable} | {v.action} | {v.severity} |" not in rows
    ]

    assert missing == []


def test_every_field_of_an_entry_is_in_the_page():
    page = PAGE.read_text()

    assert [name for name in (KNOWN | OWN) if f"`{name}`" not in page] == []
