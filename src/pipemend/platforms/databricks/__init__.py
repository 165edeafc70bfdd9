"""Databricks."""

from urllib.parse import urlsplit

from pipemend.clients import connections
from pipemend.clients.http import Http
from pipemend.clients.pace import Pace
from pipemend.core.clock import Clock
from pipemend.core.run import Resource
from pipemend.platforms.databricks.client import (
    AT_ONCE,
    PER_SECOND,
    WHAT,
    EntraToken,
    PersonalToken,
    Tokens,
    Workspace,
)
from pipemend.platforms.databricks.platform import Databricks
from pipemend.platforms.databricks.sizes import Most
from pipemend.settings import Settings

__all__ = ["Databricks", "build", "resource_of"]
CONNECTIONS = 8


def build(settings: Settings, clock: Clock) -> Databricks:
    """The platform with every workspace that is configured. Without one it reads alerts all the same. Raises
    SettingsError."""
    workspaces = [_connected(connection) for connection in connections.workspaces(settings)]
    secret = settings.databricks_webhook_password
    webhook = (settings.databricks_webhook_user, secret.get_secret_value()) if secret else None
    most = Most(settings.databricks_most_workers, settings.databricks_most_memory_gb)
    return Databricks(workspaces, clock, webhook, most)


def _connected(connection: connections.Connection) -> Workspace:
    from pipemend.clients import azure

    own = connection.settings
    pace = Pace(WHAT, per_second=connection.calls_per_second or PER_SECOND, at_once=AT_ONCE)
    http = Http(connections=CONNECTIONS)
    return Workspace(
        resource_of(own, connection.name),
        own.databricks_host,
        http,
        _tokens(own),
        pace,
        connection.resource_id,
        azure.identity(own),
    )


def _tokens(settings: Settings) -> Tokens:
    if settings.databricks_token:
        return PersonalToken(settings.databricks_token.get_secret_value())
    from pipemend.clients import azure

    return EntraToken(azure.identity(settings))


def resource_of(settings: Settings, name: str = "") -> Resource:
    """The configured workspace as a connection. Its host is its id: alerts and links have that in common."""
    host = urlsplit(settings.databricks_host).netloc.lower()
    return Resource(Databricks.name, host, name or host.removesuffix(".azuredatabricks.net"))
