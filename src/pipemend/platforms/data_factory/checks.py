"""What `pipemend doctor` looks at in a factory: whether each question that we ask it is allowed."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from uuid import uuid4

from pipemend.core.checkup import Amiss, Chain, Check, NotTried
from pipemend.core.clock import Clock
from pipemend.core.errors import Missing, NotAllowed, Refused
from pipemend.platforms.data_factory.client import Factory

WINDOW = timedelta(minutes=1)
IDENTITY = "look at AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET, or at this machine's managed identity"
ROLE = "give our identity the role on this factory (docs/howto/connect-a-factory.md); a new one takes some minutes"
PLACE = "look at AZURE_SUBSCRIPTION_ID, AZURE_RESOURCE_GROUP and AZURE_DATA_FACTORY_NAME"
LINE = "look whether this machine may call Azure over https"


def chain(factory: Factory, clock: Clock, reruns: Callable[[], str]) -> Chain:
    """`reruns`: why Pipemend starts none there itself, or nothing where it does."""
    name = f"Data Factory {factory.resource.name}"
    return (
        Check(f"{name}: token and runs", partial(_runs, factory, clock), LINE),
        Check(f"{name}: one run", partial(_allowed, partial(factory.run, str(uuid4()))), LINE),
        Check(f"{name}: activities of a run", partial(_activities, factory, clock), LINE),
        Check(f"{name}: reruns", partial(_reruns, factory, reruns), LINE),
    )


async def _runs(factory: Factory, clock: Clock) -> str:
    now = clock.now()
    try:
        await factory.runs({}, now - WINDOW, now, pages=1)
    except Missing as error:
        raise Amiss(str(error), PLACE) from None
    except NotAllowed as error:
        raise Amiss(str(error), IDENTITY if error.status == 401 else ROLE) from None
    return "found, and they can be queried"


async def _activities(factory: Factory, clock: Clock) -> str:
    now = clock.now()
    return await _allowed(lambda: factory.activities(str(uuid4()), {}, now - WINDOW, now))


async def _reruns(factory: Factory, reruns: Callable[[], str]) -> str:
    """Azure looks at the role first, then for the pipeline: with one that does not exist nothing can start."""
    if why_not := reruns():
        raise NotTried(why_not)
    nobody = f"pipemend-doctor-{uuid4()}"
    await _allowed(lambda: factory.create_run(nobody, str(uuid4())))
    return "the role allows them (asked with a pipeline that does not exist: nothing was started)"


async def _allowed(ask: Callable[[], Awaitable[object]]) -> str:
    """Asks about something that does not exist: to be told so is all that is wanted."""
    try:
        await ask()
    except (Missing, Refused):
        pass
    except NotAllowed as error:
        raise Amiss(str(error), ROLE) from None
    return "the role allows it"
