"""Whatever the machine owes somebody, it does or says: nothing waits for ever."""

import sqlalchemy as sa

from pipemend.core.attempt import AttemptStatus
from pipemend.store.schema import attempts
from tests.world import World


async def test_a_crowd_that_waits_hides_no_attempt_that_has_to_be_looked_at(world: World) -> None:
    world.adf.rerun.next_answers = ["lost_after"] * 20
    for number in range(130):
        world.adf.fails(f"load-{number}")
    await world.after(31)
    assert len(world.adf.rerun.calls) == 20

    await world.after(60, step=10)

    wish = sa.select(attempts.c.status, sa.func.count()).group_by(attempts.c.status)
    counted = await world.database.read(lambda db: {row[0]: row[1] for row in db.execute(wish)})
    assert counted == {AttemptStatus.WAITING: 110, AttemptStatus.IN_PROGRESS: 20}
