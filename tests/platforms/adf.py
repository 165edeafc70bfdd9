"""What tests of Data Factory share: settings for the twin, references, runs that have failed."""

from datetime import UTC, datetime, timedelta

from pipemend.core.run import Run, RunRef
from pipemend.platforms.data_factory import DataFactory
from pipemend.settings import Settings
from tests.twin.stage import FACTORY, GROUP, SUBSCRIPTION, Stage

RESOURCE = (
    f"/subscriptions/{SUBSCRIPTION}/resourcegroups/{GROUP}/providers/microsoft.datafactory/factories/{FACTORY}".lower()
)


def settings_for(base_url: str, **more: str) -> Settings:
    return Settings.of(
        {
            "AZURE_SUBSCRIPTION_ID": SUBSCRIPTION,
            "AZURE_RESOURCE_GROUP": GROUP,
            "AZURE_DATA_FACTORY_NAME": FACTORY,
            "AZURE_RESOURCE_MANAGER_URL": base_url,
            "ALLOWED_HOSTS": "127.0.0.1,login.microsoftonline.com,generativelanguage.googleapis.com",
            **more,
        }
    )


def ref(run_id: str) -> RunRef:
    return RunRef("data_factory", RESOURCE, run_id)


async def failed_run(
    stage: Stage, adf: DataFactory, name: str = "nightly-load", error: object = "GatewayTimeout"
) -> Run:
    """A run of a pipeline that has failed, as the platform reads it."""
    await stage.pipeline(name, error, "Succeeded")
    run_id = await stage.trigger(name)
    await stage.ended(run_id)
    run = await adf.run(ref(run_id))
    assert run is not None
    assert run.failed
    return run


def now() -> datetime:
    return datetime.now(UTC)


def ago(**units: float) -> datetime:
    return now() - timedelta(**units)
