"""Carries out checks: each within a total time, and whatever goes wrong becomes a line."""

import asyncio
from collections.abc import Sequence

from pipemend.core.checkup import Amiss, Chain, Check, Finding, Mark, NotTried
from pipemend.core.errors import PipemendError

SECONDS = 20.0


async def carry_out(chains: Sequence[Chain], seconds: float = SECONDS) -> list[Finding]:
    """The findings in the order of the checks. Chains run at the same time, and each check ends within `seconds`."""
    found = await asyncio.gather(*(_chain(chain, seconds) for chain in chains))
    return [finding for findings in found for finding in findings]


async def _chain(chain: Chain, seconds: float) -> list[Finding]:
    findings: list[Finding] = []
    wrong = ""
    for check in chain:
        if wrong:
            findings.append(Finding(check.name, Mark.NOT_TRIED, f"mend '{wrong}' first"))
            continue
        findings.append(await _one(check, seconds))
        wrong = check.name if findings[-1].mark is Mark.WRONG else ""
    return findings


async def _one(check: Check, seconds: float) -> Finding:
    try:
        async with asyncio.timeout(seconds):
            return Finding(check.name, Mark.OK, await check.look())
    except NotTried as reason:
        return Finding(check.name, Mark.NOT_TRIED, str(reason))
    except Amiss as error:
        return Finding(check.name, Mark.WRONG, str(error), error.mend)
    except PipemendError as error:
        return Finding(check.name, Mark.WRONG, str(error), check.mend)
    except TimeoutError:
        return Finding(check.name, Mark.WRONG, f"no end within {seconds:g} s", check.mend)
    except Exception as error:  # a plug-in's or a library's own; its words may hold anything, so only its kind is told
        return Finding(check.name, Mark.WRONG, f"it stumbled: {type(error).__name__}", check.mend)
