"""Databricks."""

from urllib.parse import urlsplit

from pipemend.core.clock import Clock
from pipemend.core.run import Resource
from pipemend.platforms.databricks.client import EntraToken, PersonalToken, Tokens, Workspace
from pipemend.platforms.databricks.platform import Databricks
from pipemend.settings import Settings

__all__ = ["Databricks", "build", "resource_of"]
AT_ONCE = 8


def build(settings: Settings, clock: Clock) -> Databricks:
    """The platform with the workspace of the settings. Without one it reads alerts all the same."""
    workspaces = [workspace(settings)] if settings.databricks_host else []
    secret = settings.databricks_webhook_password
    webhook = (settings.databricks_webhook_user, secret.get_secret_value()) if secret else None
    return Databricks(workspaces, clock, webhook, settings.databricks_most_workers)


def workspace(settings: Settings) -> Workspace:
    from pipemend.clients.http import Http

    return Workspace(resource_of(settings), settings.databricks_host, Http(connections=AT_ONCE), _tokens(settings))


def _tokens(settings: Settings) -> Tokens:
    if settings.databricks_token:
        return PersonalToken(settings.databricks_token.get_secret_value())
    from pipemend.clients import azure

    return EntraToken(azure.identity(settings))


def resource_of(settings: Settings) -> Resource:
    """The configured workspace as a connection. Its host is its id: alerts and links have that in common."""
    host = urlsplit(settings.databricks_host).netloc.lower()
    return Resource(Databricks.name, host, host.removesuffix(".azuredatabricks.net"))
