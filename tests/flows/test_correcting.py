"""People correct a diagnosis; the machine learns of it and starts nothing by it."""

from pipemend.core.attempt import AttemptStatus
from pipemend.core.commands import Correct
from pipemend.core.run import RunStatus
from pipemend.core.ticket import RemediationStatus
from pipemend.store import corrections
from tests.world import World


def corrected(ticket_id: str, error_type: str, remediable: str) -> Correct:
    return Correct(by="dana", ticket_id=ticket_id, error_type=error_type, remediable=remediable, note="seen before")


async def test_a_correction_is_kept_shown_and_told(world: World) -> None:
    world.adf.fails("nightly-load", "SomethingNobodyKnows")
    await world.after(31)
    ticket = await world.ticket()

    await world.command(corrected(ticket.id, "GatewayTimeout", "yes"))
    await world.settle()

    ticket = await world.ticket()
    assert ticket.error_type == "GatewayTimeout"
    assert (ticket.rca["corrected"]["by"], ticket.rca["corrected"]["said"]) == ("dana", "Unclassified")
    assert "explained" in world.slack.words
    assert (await world.audit_line("diagnosis_corrected")).user_name == "dana"


async def test_a_correction_starts_nothing(world: World) -> None:
    world.adf.fails("nightly-load", "SomethingNobodyKnows")
    await world.after(31)

    await world.command(corrected((await world.ticket()).id, "GatewayTimeout", "yes"))
    await world.after(600)

    assert not world.adf.rerun.calls


async def test_who_says_that_no_rerun_heals_it_ends_the_retries(world: World) -> None:
    world.adf.fails("nightly-load")
    await world.after(31)
    world.adf.ends(world.adf.rerun.started_runs[0], RunStatus.FAILED, "GatewayTimeout")
    await world.after(2, step=1)
    await world.after(30)
    ticket = await world.ticket()

    await world.command(corrected(ticket.id, "PermissionDenied", "no"))
    await world.after(600)

    ticket = await world.ticket()
    assert len(world.adf.rerun.calls) == 1
    assert ticket.remediation_status is RemediationStatus.FAILED
    assert "no rerun can heal it" in (ticket.hands_off or "")
    assert [a.status for a in await world.attempts()] == [AttemptStatus.FAILED, AttemptStatus.CANCELLED]


async def test_the_last_word_on_a_ticket_is_exported(world: World) -> None:
    world.adf.fails("nightly-load", "SomethingNobodyKnows")
    await world.after(31)
    ticket = await world.ticket()
    await world.command(corrected(ticket.id, "GatewayTimeout", "yes"))
    await world.command(corrected(ticket.id, "SqlDeadlock", "conditional"))

    (row,) = await world.database.read(corrections.latest)

    assert (row.error_type, row.remediable, row.said, row.note) == (
        "SqlDeadlock", "conditional", "GatewayTimeout", "seen before",
    )  # fmt: skip
