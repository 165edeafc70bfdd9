"""What people corrected, as labelled lines that `pipemend evaluate` reads."""

import json

from pipemend.cli.remote import call


def export(url: str, token: str) -> None:
    """Prints one JSON line for each corrected ticket."""
    for line in call(url, token, "GET", "/api/corrections")["corrections"]:
        print(json.dumps(line, ensure_ascii=False))
