"""Every fault meets every call that leaves us: one name of ours, in time, with no more requests than allowed."""

import pytest

from tests.faults.calls import CALLS
from tests.faults.faults import FAULTS
from tests.faults.matrix import Matrix
from tests.faults.outside import OutsideCall


@pytest.mark.filterwarnings("ignore:.*is not a valid FinishReason")  # Google's library says so of new words
@pytest.mark.parametrize("call", CALLS, ids=str)
async def test_whatever_goes_wrong_has_a_name(matrix: Matrix, call: OutsideCall):
    assert "\n".join(await matrix.complaints(call, FAULTS)) == ""
