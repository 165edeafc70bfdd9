"""The door of playbooks: open to whoever holds the token of the attempt, and to nobody else."""

from pipemend.core.callback import PATH, token
from tests.web.world import World


async def test_a_callback_without_the_attempts_token_is_refused(small_world: World):
    async with small_world.client() as client:
        for query in ("attempt=ADF-1-1&token=wrong", "attempt=ADF-1-1", ""):
            answer = await client.post(f"{PATH}?{query}", json={"status": "Succeeded"})
            assert answer.status_code in (401, 422)
            assert answer.headers["content-type"] == "application/problem+json"


async def test_an_attempt_that_nobody_knows_is_refused_like_a_wrong_token(small_world: World):
    right = token("a secret of the test", "ADF-1-1")
    async with small_world.client() as client:
        answer = await client.post(f"{PATH}?attempt=ADF-1-1&token={right}", content=b"\x00 no JSON")
    assert answer.status_code == 401
