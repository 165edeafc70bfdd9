"""Faults meet every call to a Databricks workspace: the worst of them here, all of them in the soak."""

import asyncio

import pytest

from tests.faults.bricks import CALLS
from tests.faults.faults import FAULTS
from tests.faults.matrix import Matrix
from tests.faults.outside import OutsideCall

WORST = (
    "silence after the work",
    "dropped after the work",
    "an endless body",
    "a page after the work",
    "what we need null",
    "401",
    "503 after the work",
)


async def test_the_worst_has_a_name(matrix: Matrix):
    worst = [fault for fault in FAULTS if fault.name in WORST]
    found = await asyncio.gather(*(matrix.complaints(call, worst) for call in CALLS))
    assert [complaint for complaints in found for complaint in complaints] == []
    assert len(worst) == len(WORST)


@pytest.mark.soak
@pytest.mark.parametrize("call", CALLS, ids=str)
async def test_whatever_goes_wrong_has_a_name(matrix: Matrix, call: OutsideCall):
    assert "\n".join(await matrix.complaints(call, FAULTS)) == ""
