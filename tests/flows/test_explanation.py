"""A model explains what the rules have decided; nothing waits for it and it changes no decision."""

import asyncio
from dataclasses import replace
from functools import partial
from inspect import unwrap

import pytest

from pipemend.core.errors import NoAnswer
from pipemend.core.rca import Diagnosis, Failure, History, Remediable, Severity
from pipemend.flows import explanation, feed, intake
from pipemend.store import questions
from tests.world import World

explain = unwrap(explanation.explain_flow)


class Model:
    """Answers with what it is given, or raises it."""

    def __init__(self, answer: Diagnosis | Exception) -> None:
        self.answer, self.asked = answer, list[Failure]()
        self.thinks: asyncio.Event | None = None

    async def diagnose(self, failure: Failure, past: History) -> Diagnosis:
        self.asked.append(failure)
        if self.thinks:
            await self.thinks.wait()
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


async def only_opened(world: World) -> None:
    """The tickets are there, and no flow has run yet."""
    world.clock.move(31)
    await feed.take_due(world.services)
    await intake.take_due(world.services)


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


async def test_the_same_failure_is_asked_about_once_whatever_the_pipeline(world: World) -> None:
    world.services.explainer = model = Model(says("GatewayTimeout"))
    for number in range(30):
        world.adf.fails(f"load-{number}")
    await world.after(31)

    assert len(model.asked) == 1
    (first, *others) = await world.tickets()
    assert len(others) == 29
    assert all((other.rca_result or "").startswith("The partner's gateway") for other in others)
    assert {other.rca["model"]["of_ticket"] for other in others} == {first.id}


async def test_who_fails_the_same_way_while_the_model_thinks_gets_its_answer_too(world: World) -> None:
    world.services.explainer = model = Model(says("GatewayTimeout"))
    world.adf.fails("first")
    world.adf.fails("second")
    await only_opened(world)
    first, second = await world.tickets()

    model.thinks = asyncio.Event()
    asking = asyncio.create_task(explain(first.id))
    while not model.asked:
        await asyncio.sleep(0.01)
    await explain(second.id)
    assert "model" not in (await world.tickets())[1].rca
    model.thinks.set()
    await asking

    assert len(model.asked) == 1
    assert all("model" in ticket.rca for ticket in await world.tickets())


async def test_a_question_that_a_crash_cut_off_is_asked_again(world: World) -> None:
    world.services.explainer = model = Model(says("GatewayTimeout"))
    world.adf.fails("first")
    await only_opened(world)
    ticket = await world.ticket()
    cut_off = await world.database.write(partial(explanation._turn, world.services, ticket.id))

    await explain(ticket.id)

    assert len(model.asked) == 1
    (question,) = await world.database.read(lambda db: questions.of_ticket(db, ticket.id))
    assert (question["id"], question["state"]) == (cut_off, "answered")


async def test_more_questions_than_the_hour_allows_are_not_asked(world: World) -> None:
    world.services.explainer = model = Model(says("GatewayTimeout"))
    world.policy(questions_per_hour=2)
    for error in ("GatewayTimeout", "ThrottlingError", "ServerBusy"):
        world.adf.fails("nightly-load", error)
    await world.after(31)
    assert len(model.asked) == 2

    world.adf.fails("nightly-load", "DataConversionError")
    await world.after(3700)
    world.adf.fails("nightly-load", "SomethingElse")
    await world.after(31)
    assert len(model.asked) == 3


async def test_a_model_that_fails_three_times_in_a_row_is_left_alone_for_five_minutes(world: World) -> None:
    world.services.explainer = model = Model(NoAnswer("silence"))
    for number in range(5):
        world.adf.fails(f"load-{number}", f"Error{number}")
    await world.after(31)
    assert len(model.asked) == 3

    model.answer = says("GatewayTimeout")
    await world.after(301)
    world.adf.fails("another", "GatewayTimeout")
    await world.after(31)
    assert len(model.asked) == 4


async def test_question_answer_and_cost_are_kept_with_the_ticket_for_a_while(world: World) -> None:
    details = {"model": "m-1", "prompt": "Why?", "answer": {"root_cause": "…"}, "tokens": (120, 30), "cost": 0.002}
    world.services.explainer = Model(replace(says("GatewayTimeout"), details=details))
    world.adf.fails("nightly-load")
    await world.after(31)
    ticket = await world.ticket()

    (kept,) = await world.database.read(lambda db: questions.of_ticket(db, ticket.id))
    assert (kept["model"], kept["prompt"], kept["state"]) == ("m-1", "Why?", "answered")
    assert (kept["tokens_read"], kept["tokens_written"], kept["cost"]) == (120, 30, 0.002)
    assert kept["answer"]["raw"] == {"root_cause": "…"}
    assert "prompt" not in str(ticket.rca)

    world.clock.move(91 * 24 * 3600)
    await world.upkeep()
    assert not await world.database.read(lambda db: questions.of_ticket(db, ticket.id))
