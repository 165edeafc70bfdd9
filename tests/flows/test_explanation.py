"""A model explains what the rules have decided; nothing waits for it and it changes no decision."""

import pytest

from pipemend.core.errors import NoAnswer
from pipemend.core.rca import Diagnosis, Failure, History, Remediable, Severity
from tests.world import World


class Model:
    """Answers with what it is given, or raises it."""

    def __init__(self, answer: Diagnosis | Exception) -> None:
        self.answer, self.asked = answer, list[Failure]()

    async def diagnose(self, failure: Failure, past: History) -> Diagnosis:
        self.asked.append(failure)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def says(error_type: str) -> Diagnosis:
    return Diagnosis(
        error_type=error_type,
        remediable=Remediable.YES,
        severity=Severity.LOW,
        root_cause="The partner's gateway gave up; password=hunter2 did not help.",
        recommendations=("Run it again.",),
        confidence=0.8,
        by="model",
    )


async def test_the_explanation_is_kept_and_told_and_secrets_stay_out(world: World) -> None:
    world.services.explainer = Model(says("GatewayTimeout"))
    world.adf.fails("nightly-load")
    await world.after(31)

    ticket = await world.ticket()
    assert (ticket.rca_result or "").startswith("The partner's gateway gave up")
    assert "hunter2" not in str(ticket)
    assert ticket.rca["rules_say"] == "The activity failed with GatewayTimeout."
    assert "explained" in world.slack.words


async def test_the_next_steps_stay_those_of_the_rules_where_they_know_the_error(world: World) -> None:
    world.services.explainer = Model(says("GatewayTimeout"))
    world.adf.fails("typed-load", "DataConversionError")
    await world.after(31)
    assert (await world.ticket()).recommendations == ("Look at the source.",)


@pytest.mark.parametrize("error", ["DataConversionError", "SomethingNobodyKnows"])
async def test_a_model_that_calls_it_harmless_starts_nothing(world: World, error: str) -> None:
    world.services.explainer = Model(says("GatewayTimeout"))
    world.adf.fails("typed-load", error)
    await world.after(120)
    ticket = await world.ticket()
    assert not world.adf.rerun.calls
    assert ticket.error_type != "GatewayTimeout"
    assert ticket.auto_heal_possible is False


async def test_a_model_that_does_not_answer_holds_nothing_up(world: World) -> None:
    world.services.explainer = Model(NoAnswer("the model did not answer within 20 s"))
    world.adf.fails("nightly-load")
    await world.after(31)
    assert len(world.adf.rerun.calls) == 1
    assert (await world.ticket()).rca_result == "The activity failed with GatewayTimeout."
    assert "explained" not in world.slack.words


async def test_the_model_is_asked_once_for_a_ticket(world: World) -> None:
    model = Model(says("GatewayTimeout"))
    world.services.explainer = model
    failed = world.adf.fails("nightly-load")
    for _ in range(5):
        await world.hears("nightly-load", failed)
    await world.after(61)
    assert len(model.asked) == 1
