"""Serves the twin, with Logic Apps of the user's own in it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipemend.core.errors import SettingsError
from pipemend.twin import BadDefinition, World
from pipemend.twin import serve as serve_twin


def serve(host: str, port: int, playbooks: Sequence[Path], parameters: Path | None) -> None:
    """Until interrupted. Raises SettingsError for a playbook that cannot be carried out."""
    world = World()
    values = _values(parameters)
    for file in playbooks:
        try:
            name = world.load_playbook(file.stem.replace("_", "-"), _json("--playbook", file), values)
        except BadDefinition as wrong:
            raise SettingsError(f"--playbook: {file}: {wrong}") from None
        print(f"{file} is the workflow {name}")
    serve_twin(host, port, lambda url: print(f"The twin listens on {url}", flush=True), world)


def _values(file: Path | None) -> Mapping[str, Any]:
    """Of a parameter file: `{"parameters": {"factories": {"value": [...]}}}`."""
    given = _json("--parameters", file).get("parameters") if file else {}
    if not isinstance(given, dict) or not all(isinstance(one, dict) and "value" in one for one in given.values()):
        raise SettingsError(f"--parameters: {file} is no parameter file of Azure")
    return {name: one["value"] for name, one in given.items()}


def _json(option: str, file: Path) -> dict[str, Any]:
    try:
        read = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{option}: {file} cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise SettingsError(f"{option}: {file} is no JSON: {error}") from None
    if not isinstance(read, dict):
        raise SettingsError(f"{option}: {file} holds no object")
    return read
