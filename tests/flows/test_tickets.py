"""Which ticket a failure belongs to: exactly one per root run."""

import asyncio
from dataclasses import replace
from random import Random

from pipemend.core.alert import Alert
from pipemend.core.errors import Unreachable
from pipemend.core.playbook import PipelineRule
from pipemend.core.route import Route
from pipemend.core.run import RunStatus
from pipemend.core.ticket import RemediationStatus, Status
from pipemend.flows import feed, intake
from pipemend.platforms.data_factory.alerts import LONGEST_ID, LONGEST_NAME, LONGEST_RUN
from pipemend.store import alerts
from tests.world import World

LONGEST = (LONGEST_ID, LONGEST_NAME, LONGEST_RUN)


async def test_twenty_alerts_about_one_run_open_one_ticket(world: World) -> None:
    failed = world.adf.fails("nightly-load")
    for _ in range(20):
        await world.hears("nightly-load", failed)

    await asyncio.gather(*(intake.take_due(world.services) for _ in range(4)))
    await world.settle()

    assert len(await world.tickets()) == 1
    assert len(world.adf.rerun.calls) == 1


async def test_an_alert_with_the_longest_names_opens_a_ticket(world: World) -> None:
    letters = Random(1)
    factory, pipeline, run = ("".join(chr(letters.randrange(0x10000, 0x2FFFF)) for _ in range(n)) for n in LONGEST)
    alert = Alert(platform="data_factory", resource=factory, pipeline=pipeline, run_id=run)
    await world.database.write(lambda db: alerts.insert(db, alert, world.clock.now()))

    await world.settle()

    assert (await world.ticket()).pipeline == pipeline


async def test_the_failure_of_a_child_belongs_to_the_ticket_of_its_outermost_run(world: World) -> None:
    root = world.adf.begins("nightly-load")
    child = world.adf.fails("load-customers", parent=root)
    world.adf.ends(root, RunStatus.FAILED, "GatewayTimeout")
    await world.hears("load-customers", child)
    await world.hears("nightly-load", root)

    await world.settle()

    ticket = await world.ticket()
    assert (ticket.pipeline, ticket.root_run_id) == ("nightly-load", root)
    assert world.adf.rerun.calls[0].reference_run_id == root


async def test_a_child_named_by_an_alert_waits_for_the_end_of_its_root(world: World) -> None:
    root = world.adf.begins("nightly-load")
    child = world.adf.fails("load-customers", parent=root)
    await world.hears("load-customers", child)
    await world.settle()
    assert (await world.ticket()).root_run_id == root
    assert not world.adf.rerun.calls

    world.adf.ends(root, RunStatus.FAILED, "GatewayTimeout")
    await world.after(61)
    assert len(world.adf.rerun.calls) == 1


async def test_a_root_that_ends_well_closes_its_ticket(world: World) -> None:
    root = world.adf.begins("nightly-load")
    child = world.adf.fails("load-customers", parent=root)
    await world.hears("load-customers", child)
    await world.settle()

    world.adf.ends(root, RunStatus.SUCCEEDED)
    await world.after(61)

    ticket = await world.ticket()
    assert (ticket.status, ticket.ack_user, ticket.remediation_status) == (Status.ACKNOWLEDGED, "PIPELINE", None)
    assert not world.adf.rerun.calls


async def test_a_failed_child_seen_by_the_feed_opens_nothing_while_its_root_runs(world: World) -> None:
    root = world.adf.begins("nightly-load")
    world.adf.fails("load-customers", parent=root)
    await world.after(61)
    assert await world.tickets() == []


async def test_a_failed_run_that_outlived_the_run_that_started_it_has_a_ticket_of_its_own(world: World) -> None:
    """An Execute Pipeline activity that does not wait: nobody above hears of the failure."""
    mother = world.adf.begins("start-everything")
    child = world.adf.begins("load-customers", parent=mother)
    world.clock.move(5)
    world.adf.ends(mother, RunStatus.SUCCEEDED)
    world.clock.move(60)
    world.adf.ends(child, RunStatus.FAILED, "GatewayTimeout")
    await world.after(61)
    ticket = await world.ticket()
    assert (ticket.root_run_id, ticket.remediation_status) == (child, RemediationStatus.IN_PROGRESS)


async def test_a_child_that_its_root_waited_for_opens_nothing_when_the_root_goes_well(world: World) -> None:
    root = world.adf.begins("nightly-load")
    world.adf.fails("load-customers", parent=root)
    world.clock.move(20)
    world.adf.ends(root, RunStatus.SUCCEEDED)
    await world.after(200)
    assert await world.tickets() == []


async def test_a_failed_child_seen_by_the_feed_opens_nothing_while_the_platform_is_silent(world: World) -> None:
    root = world.adf.begins("nightly-load")
    world.adf.fails("load-customers", parent=root)
    world.clock.move(31)
    await feed.take_due(world.services)
    world.adf.down = Unreachable("connection refused")
    await world.after(300)
    world.adf.down = None
    world.adf.ends(root, RunStatus.FAILED, "GatewayTimeout")
    await world.after(400)
    assert (await world.ticket()).root_run_id == root


async def test_the_failure_of_our_own_rerun_opens_no_ticket(world: World) -> None:
    world.adf.fails("nightly-load")
    await world.after(31)
    (rerun,) = world.adf.rerun.started_runs
    world.adf.ends(rerun, RunStatus.FAILED, "GatewayTimeout")
    await world.hears("nightly-load", rerun)

    await world.after(120)

    assert len(await world.tickets()) == 1


async def test_a_genuinely_new_run_of_the_same_pipeline_opens_a_ticket_of_its_own(world: World) -> None:
    world.adf.fails("nightly-load")
    await world.after(31)
    world.adf.fails("nightly-load")
    await world.after(31)
    assert len(await world.tickets()) == 2
    assert len(world.adf.rerun.calls) == 1  # the other repair of this pipeline is under way


async def test_an_alert_without_a_run_finds_the_failed_runs_of_its_window(world: World) -> None:
    world.adf.fails("nightly-load")
    await world.hears("nightly-load", None)
    await world.settle()
    assert len(await world.tickets()) == 1


async def test_an_alert_whose_run_nobody_finds_becomes_a_ticket_for_people(world: World) -> None:
    await world.hears("ghost-load", None, rule="adf failed")

    await world.after(400)

    ticket = await world.ticket()
    assert ticket.run_id.startswith("none:")
    assert "run unknown" in ticket.decision["why"]
    assert not world.adf.rerun.calls


async def test_a_run_that_its_platform_does_not_know_is_looked_for_then_left_to_people(world: World) -> None:
    await world.hears("nightly-load", "run-nobody-knows", error_code="GatewayTimeout")
    await world.settle()
    assert await world.tickets() == []

    await world.after(90, step=10)

    assert "run unknown" in (await world.ticket()).decision["why"]


async def test_an_unknown_factory_opens_a_ticket_that_no_machine_acts_on(world: World) -> None:
    strange = Alert(
        platform="data_factory",
        resource="/subscriptions/x/factories/other",
        pipeline="p",
        run_id="r",
        error_code="GatewayTimeout",
    )
    await world.database.write(lambda db: alerts.insert(db, strange, world.clock.now()))

    await world.settle()

    ticket = await world.ticket()
    assert "no connection for other" in ticket.decision["why"]
    assert not world.adf.rerun.calls


async def test_while_the_platform_is_silent_the_ticket_opens_and_finds_its_root_later(world: World) -> None:
    root = world.adf.begins("nightly-load")
    child = world.adf.fails("load-customers", parent=root)
    world.adf.ends(root, RunStatus.FAILED, "GatewayTimeout")
    world.adf.down = Unreachable("connection refused")
    await world.hears("load-customers", child, error_code="GatewayTimeout")
    await world.after(90, step=10)
    assert (await world.ticket()).root_run_id == child
    assert "outermost run is not known yet" in (await world.ticket()).decision["why"]

    world.adf.down = None
    await world.after(400)

    ticket = await world.ticket()
    assert (ticket.root_run_id, ticket.pipeline) == (root, "nightly-load")
    assert ticket.remediation_status is RemediationStatus.IN_PROGRESS


async def test_what_failed_before_the_first_start_opens_nothing(world: World) -> None:
    world.clock.move(-600)
    world.adf.fails("nightly-load")
    world.clock.move(600)
    await world.after(61)
    assert await world.tickets() == []


async def test_a_cancelled_run_and_one_that_succeeded_open_nothing(world: World) -> None:
    for status in (RunStatus.CANCELLED, RunStatus.SUCCEEDED):
        run = world.adf.begins("nightly-load")
        world.adf.ends(run, status)
        await world.hears("nightly-load", run)
    await world.after(61)
    assert await world.tickets() == []


async def test_an_alert_that_makes_the_flow_stumble_three_times_still_opens_a_ticket(world: World) -> None:
    failed = world.adf.fails("nightly-load")
    world.adf.errors[failed] = None  # type: ignore[assignment]  # something nobody thought of

    async def breaks(*_: object) -> None:
        raise KeyError("surprise")

    world.adf.failure = breaks  # type: ignore[assignment, method-assign]
    await world.hears("nightly-load", failed)
    await world.after(60, step=5)

    ticket = await world.ticket()
    assert "stumbled" in ticket.decision["why"]
    assert ticket.status is Status.OPEN


async def test_a_failure_is_as_severe_as_the_rule_of_its_pipeline_says_else_the_route_of_its_team(world: World) -> None:
    rules = (
        PipelineRule(match="*/ledger", team="finance", severity="Low"),
        PipelineRule(match="*/pay*", team="finance"),
    )
    routes = (Route(team="finance", severity="Critical"),)
    world.services.playbooks = replace(world.services.playbooks, pipelines=rules, routes=routes)
    for pipeline in ("ledger", "payments", "orders"):
        world.adf.fails(pipeline)
    await world.after(31)

    found = {ticket.pipeline: (ticket.severity, ticket.priority) for ticket in await world.tickets()}
    assert (found["ledger"], found["payments"]) == (("Low", "P4"), ("Critical", "P1"))
    assert found["orders"] not in (("Low", "P4"), ("Critical", "P1"))
