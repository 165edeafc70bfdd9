"""A playbook that answers later: what it says then counts like a first answer, and nobody waits for it alone."""

from pipemend.core.attempt import Attempt, AttemptStatus, Declined, Progress, Running, Unknown
from pipemend.core.errors import NoAnswer
from pipemend.core.run import Rerun, RunStatus
from pipemend.core.ticket import Status
from tests.fakes.factory import FakeRerun
from tests.world import World

ADDRESS = "https://playbook.example/later?sig=secret"


class LatePlaybook(FakeRerun):
    """Accepts, names no run, and has its answer ready when it is told to."""

    via = "playbook"
    says: Progress | Exception = Unknown("not yet", accepted=True)
    asked = 0

    async def advance(self, attempt: Attempt, stage: object) -> Progress:
        self.calls.append(attempt)
        return Unknown("202 without a run id", accepted=True, later_url=ADDRESS)

    async def answer(self, attempt: Attempt) -> Progress:
        assert attempt.later_url == ADDRESS
        self.asked += 1
        if isinstance(self.says, Exception):
            raise self.says
        return self.says


def late(world: World) -> LatePlaybook:
    world.adf.rerun = playbook = LatePlaybook(world.adf)
    world.adf.remedies = {"retry_pipeline": playbook}
    return playbook


async def test_the_run_it_names_later_is_followed(world: World) -> None:
    playbook = late(world)
    world.adf.fails("nightly-load")
    await world.after(61)
    assert (await world.attempts())[0].status is AttemptStatus.UNKNOWN

    rerun = world.adf.begins("elsewhere", manual=True)
    playbook.says = Running(Rerun(rerun), answer="done")
    await world.after(31)
    (attempt,) = await world.attempts()
    assert (attempt.status, attempt.remediation_run_id, attempt.later_url) == (AttemptStatus.IN_PROGRESS, rerun, None)

    world.adf.ends(rerun, RunStatus.SUCCEEDED)
    await world.after(31)
    assert (await world.ticket()).status is Status.ACKNOWLEDGED
    assert len(playbook.calls) == 1


async def test_a_later_no_is_a_failed_attempt_and_the_next_one_follows(world: World) -> None:
    playbook = late(world)
    playbook.says = Declined("the playbook failed: no rights", final=False)
    world.adf.fails("nightly-load")

    await world.after(31 + 5, step=1)

    first, *_ = await world.attempts()
    assert (first.status, first.failure_reason) == (AttemptStatus.FAILED, "the playbook failed: no rights")


async def test_a_dead_address_leaves_the_search_at_the_platform(world: World) -> None:
    playbook = late(world)
    playbook.says = NoAnswer("silence")
    failed = world.adf.fails("nightly-load")
    await world.after(35, step=5)

    rerun = world.adf.begins("nightly-load", group=world.adf.runs[failed].group_id, manual=True)
    await world.after(61)

    (attempt,) = await world.attempts()
    assert attempt.remediation_run_id == rerun
    assert playbook.asked > 1


async def test_the_address_is_a_secret(world: World) -> None:
    late(world)
    world.adf.fails("nightly-load")
    await world.after(61)

    (attempt,) = await world.attempts()
    assert "secret" not in repr(attempt)
    assert all("playbook.example" not in str(news.event.fields()) for news in world.slack.told)
