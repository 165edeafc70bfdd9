"""A package without the dashboard's files is not built."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

MANIFEST = "src/pipemend/web/static/manifest.json"


class NeedsAssets(BuildHookInterface):  # type: ignore[type-arg]
    """Looks before a wheel or an sdist is built; an editable install may come first."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "standard" and not (Path(self.root) / MANIFEST).is_file():
            raise FileNotFoundError(f"{MANIFEST} is missing: run 'make assets' first")
