"""Every call that leaves us is measured, in few words."""

import contextlib

import pytest

from pipemend import meters
from pipemend.core.errors import NoAnswer
from tests.faults.calls import CALLS
from tests.faults.matrix import Matrix

SYSTEMS = {"arm": "data_factory", "logic_app": "playbook", "gemini": "model", "openai": "model"}


def measured() -> dict[tuple[str, ...], float]:
    """How many calls there were, by system, operation and outcome."""
    samples = [sample for family in meters.CALLS.collect() for sample in family.samples if sample.name[-5:] == "count"]
    return {
        tuple(sample.labels[name] for name in ("system", "operation", "outcome")): sample.value for sample in samples
    }


async def test_each_call_counts_as_one_of_its_system(matrix: Matrix):
    for call in CALLS:
        ready = await call.ready(matrix.outside)
        meters.CALLS.clear()
        with contextlib.suppress(NoAnswer):  # the first question to a model loads its library
            await ready.make()

        assert SYSTEMS.get(call.service, call.service) in {system for system, _, _ in measured()}
        if call.service == "playbook":
            assert measured() == {("playbook", "retry_pipeline", "ok"): 1}
        for text in ready.texts:
            assert not any(text in word for key in measured() for word in key)


@pytest.mark.parametrize(("status", "outcome"), [(429, "throttled"), (500, "no_answer"), (400, "refused")])
async def test_a_playbook_that_fails_is_seen(matrix: Matrix, status: int, outcome: str):
    (call,) = (call for call in CALLS if call.name == "playbook: start")
    ready = await call.ready(matrix.outside)
    await matrix.outside.twin.fault("logic_app", "invoke", "status", text=ready.texts, times=-1, status=status)
    meters.CALLS.clear()
    await ready.make()

    assert {key[2] for key in measured()} == {outcome}
