"""What `pipemend doctor` looks at in a workspace."""

from functools import partial

from pipemend.core.checkup import Amiss, Chain, Check, NotTried
from pipemend.core.errors import Missing, NotAllowed, Unreadable
from pipemend.platforms.databricks.client import Workspace

AGAIN = "make a new token (DATABRICKS_TOKEN), or add our Azure identity to the workspace"
HOST = "look at DATABRICKS_HOST"
RIGHTS = "let our identity see the jobs: CAN VIEW, and CAN MANAGE RUN for repairs (docs/howto/connect-a-workspace.md)"


def chain(workspace: Workspace) -> Chain:
    name = f"Databricks {workspace.resource.name}"
    return (
        Check(f"{name}: token and runs", partial(_runs, workspace), f"{HOST}, and whether this machine may call it"),
        Check(f"{name}: repairs", _repairs, RIGHTS),
    )


async def _runs(workspace: Workspace) -> str:
    try:
        await workspace.runs(pages=1, limit=1)
    except NotAllowed as error:
        raise Amiss(str(error), AGAIN) from None
    except (Missing, Unreadable) as error:
        raise Amiss(str(error), HOST) from None
    return "found, and they can be listed"


async def _repairs() -> str:
    raise NotTried("CAN MANAGE RUN is given job by job, and to try it would start something")
