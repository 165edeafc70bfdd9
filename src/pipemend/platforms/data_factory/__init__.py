"""Azure Data Factory."""

from pipemend.core.clock import Clock
from pipemend.core.run import Resource
from pipemend.platforms.data_factory.client import Factory
from pipemend.platforms.data_factory.platform import DataFactory
from pipemend.settings import Settings

__all__ = ["DataFactory", "build", "resource_of"]


def build(settings: Settings, clock: Clock) -> DataFactory:
    """The platform with the factory of the settings. Without one it reads alerts all the same: no failure is lost."""
    if not settings.azure_data_factory_name:
        return DataFactory([], clock)
    from pipemend.clients import azure, azure_sdk

    identity = azure.identity(settings)
    sdk = azure_sdk.data_factory_client(identity, settings.azure_subscription_id, settings.azure_resource_manager_url)
    factory = Factory(resource_of(settings), settings.azure_resource_group, sdk)
    return DataFactory([factory], clock, closes=(sdk.close, identity.close))


def resource_of(settings: Settings) -> Resource:
    """The configured factory as a connection."""
    place = f"/subscriptions/{settings.azure_subscription_id}/resourcegroups/{settings.azure_resource_group}"
    name = settings.azure_data_factory_name
    return Resource(DataFactory.name, f"{place}/providers/microsoft.datafactory/factories/{name}".lower(), name)
