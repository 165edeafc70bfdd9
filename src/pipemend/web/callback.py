"""The door of playbooks: each call of ours names this address, with a token for its attempt."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import JSONResponse, Response

from pipemend.core.callback import PATH, admits
from pipemend.core.errors import NotFound
from pipemend.flows.callbacks import heard
from pipemend.web.auth import Served
from pipemend.web.problems import Refusal

router = APIRouter(tags=["playbooks"])
WRONG = "the token does not belong to this attempt"


@router.post(PATH, status_code=202)
async def callback(
    services: Served,
    attempt: Annotated[str, Query(max_length=100)],
    token: Annotated[str, Query(max_length=100)],
) -> Response:
    """A playbook reports the end of its rerun. Whatever it says, the platform is asked; repeats are harmless."""
    if not admits(services.callback_secret, attempt, token):
        raise Refusal(401, WRONG)
    try:
        await heard(services, attempt)
    except NotFound:  # a token for an attempt that is gone is refused like a wrong one
        raise Refusal(401, WRONG) from None
    return JSONResponse({"attempt": attempt}, 202)
