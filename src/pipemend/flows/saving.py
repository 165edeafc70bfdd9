"""Saving what must not be lost: the outside world has moved on already."""

import asyncio
import logging
from collections.abc import Callable
from typing import TypeVar

import sqlalchemy as sa

from pipemend.core.errors import Overtaken
from pipemend.flows.services import Services
from pipemend.store.database import transient

T = TypeVar("T")
log = logging.getLogger(__name__)
PAUSES = (0.2, 0.5, 1, 2, *(5,) * 11)  # seconds between the tries


async def surely(s: Services, unit: Callable[[sa.Connection], T]) -> T:
    """Writes, and asks a database that was away again for about a minute."""
    for pause in PAUSES:
        try:
            return await s.database.write(unit)
        except Exception as error:
            if not (transient(error) or isinstance(error, Overtaken)):
                raise
            log.warning("the database did not take it, trying again", extra={"error": type(error).__name__})
        await asyncio.sleep(pause)
    return await s.database.write(unit)
