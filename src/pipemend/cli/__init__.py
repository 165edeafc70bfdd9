"""The command line. Heavy layers are imported by the command that needs them, so that `--help` is quick."""

import sys


def main() -> None:
    """Runs the command; what Pipemend can name is said in one line, with exit code 1."""
    from pipemend.cli.app import app
    from pipemend.core.errors import PipemendError

    try:
        app()
    except PipemendError as error:
        print(f"pipemend: {error}", file=sys.stderr)
        sys.exit(1)
