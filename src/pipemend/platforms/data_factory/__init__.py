"""Azure Data Factory."""

from pipemend.clients import connections
from pipemend.core.clock import Clock
from pipemend.core.run import Resource
from pipemend.platforms.data_factory.client import Factory
from pipemend.platforms.data_factory.platform import Close, DataFactory
from pipemend.settings import Settings

__all__ = ["DataFactory", "build", "resource_of"]


def build(settings: Settings, clock: Clock) -> DataFactory:
    """The platform with every factory that is configured. Without one it reads alerts all the same: no failure is
    lost. Raises SettingsError."""
    factories, closes = list[Factory](), list[Close]()
    for connection in connections.factories(settings):
        factory, close = _connected(connection)
        factories.append(factory)
        closes += close
    return DataFactory(factories, clock, closes, may_start=settings.auto_remediation_enabled)


def _connected(connection: connections.Connection) -> tuple[Factory, list[Close]]:
    from pipemend.clients import azure, azure_sdk

    own = connection.settings
    identity = azure.identity(own)
    sdk = azure_sdk.data_factory_client(identity, own.azure_subscription_id, own.azure_resource_manager_url)
    resource = resource_of(own, connection.name)
    pace = identity.pace(own.azure_subscription_id)
    group, name = own.azure_resource_group, own.azure_data_factory_name
    factory = Factory(resource, group, sdk, name=name, pace=pace, identity=identity)
    return factory, [sdk.close, identity.close]


def resource_of(settings: Settings, name: str = "") -> Resource:
    """The configured factory as a connection."""
    place = f"/subscriptions/{settings.azure_subscription_id}/resourcegroups/{settings.azure_resource_group}"
    factory = settings.azure_data_factory_name
    whole = f"{place}/providers/microsoft.datafactory/factories/{factory}".lower()
    return Resource(DataFactory.name, whole, name or factory)
