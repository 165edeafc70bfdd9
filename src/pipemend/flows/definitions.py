"""What a pipeline is defined as: kept when it fails, and looked at again before a repair starts."""

import logging

from pipemend.core.errors import OutsideError
from pipemend.core.ports import KnowsDefinitions, Platform
from pipemend.core.run import Run

log = logging.getLogger(__name__)


async def of_run(platform: Platform, run: Run) -> str | None:
    """Of what was run; None where the platform does not tell. A ticket opens without it."""
    try:
        return await now(platform, run)
    except OutsideError as error:
        log.warning("nobody can say what was run", extra={"run_id": run.ref.run_id, "error": str(error)})
        return None


async def now(platform: Platform, run: Run) -> str | None:
    """The same, for whoever is about to start something. Raises OutsideError when asking again may help."""
    if not isinstance(platform, KnowsDefinitions):
        return None
    try:
        return await platform.definition(run)
    except OutsideError as error:
        if error.transient:
            raise
        return None
