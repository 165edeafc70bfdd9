"""Several factories and workspaces, each with its own identity: read from one file, and every mistake is named."""

from pathlib import Path

import pytest

from pipemend.clients import connections
from pipemend.core.alert import Signal
from pipemend.core.clock import WallClock
from pipemend.core.errors import SettingsError
from pipemend.platforms import data_factory, databricks
from pipemend.settings import Settings

TWO_OF_EACH = """
[[factory]]
factory = "adf-sales"
resource_group = "rg-sales"
tenant_id = "tenant-2"
client_id = "client-2"
client_secret_file = "{secret}"

[[factory]]
factory = "adf-hr"
resource_group = "rg-hr"
subscription_id = "sub-hr"
name = "people"

[[workspace]]
host = "adb-1.2.azuredatabricks.net"
name = "lake"
token_file = "{secret}"
resource_id = "/subscriptions/S/resourceGroups/rg/providers/Microsoft.Databricks/workspaces/Lake/"
calls_per_second = 2

[[workspace]]
host = "https://adb-3.4.azuredatabricks.net/"
"""
OWN = {
    "AZURE_SUBSCRIPTION_ID": "sub",
    "AZURE_RESOURCE_GROUP": "rg",
    "AZURE_DATA_FACTORY_NAME": "adf-main",
    "AZURE_CLIENT_ID": "own-identity",
    "DATABRICKS_HOST": "adb-9.9.azuredatabricks.net",
    "DATABRICKS_TOKEN": "own-token",
}


def settings(tmp_path: Path, text: str, **more: str) -> Settings:
    (tmp_path / "secret").write_text("s3cret\n")
    file = tmp_path / "connections.toml"
    file.write_text(text.replace("{secret}", str(tmp_path / "secret")))
    return Settings.of({**OWN, "CONNECTIONS_FILE": str(file), **more})


def test_the_connections_of_settings_and_file_stand_side_by_side(tmp_path: Path):
    given = settings(tmp_path, TWO_OF_EACH)
    main, sales, people = connections.factories(given)

    assert main.settings.azure_data_factory_name == "adf-main"
    assert (sales.settings.azure_client_id, sales.settings.azure_subscription_id) == ("client-2", "sub")
    assert sales.settings.azure_client_secret is not None
    assert sales.settings.azure_client_secret.get_secret_value() == "s3cret"
    assert (people.name, people.settings.azure_subscription_id) == ("people", "sub-hr")
    assert people.settings.azure_client_id == "own-identity"  # it names none of its own


def test_a_token_is_never_that_of_another_workspace(tmp_path: Path):
    _, lake, other = connections.workspaces(settings(tmp_path, TWO_OF_EACH))

    assert lake.settings.databricks_token is not None
    assert (lake.settings.databricks_token.get_secret_value(), lake.calls_per_second) == ("s3cret", 2.0)
    assert other.settings.databricks_token is None
    assert other.settings.databricks_host == "https://adb-3.4.azuredatabricks.net"


async def test_alerts_and_rules_tell_them_apart(tmp_path: Path):
    given = settings(tmp_path, TWO_OF_EACH)
    adf, dbx = data_factory.build(given, WallClock()), databricks.build(given, WallClock())
    try:
        assert [resource.name for resource in adf.connections] == ["adf-main", "adf-sales", "people"]
        assert len({resource.id for resource in adf.connections}) == 3
        assert [resource.name for resource in dbx.connections] == ["adb-9.9", "lake", "adb-3.4"]
        lake = "/subscriptions/s/resourcegroups/rg/providers/microsoft.databricks/workspaces/lake"
        alert = dbx.read(Signal(target=lake, fields={"ClusterId": "c", "State": "ERROR", "TerminationCode": "X"}))
        assert alert is not None
        assert alert.resource == "adb-1.2.azuredatabricks.net"
        assert dbx.workspaces.named("3") == "adb-3.4.azuredatabricks.net"
        assert dbx.workspaces.named("777") is None
    finally:
        await adf.close()
        await dbx.close()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("not toml", "is no TOML"),
        ("[[plant]]\nx = 1", "[[plant]] is unknown, one of factory, workspace"),
        ("factory = 7", "[[factory]] must be a list of tables"),
        ('[[factory]]\nfactory = "a"', "[[factory]] 1 resource_group: is missing"),
        ('[[workspace]]\nhots = "a"', "[[workspace]] 1 hots: unknown, one of host"),
        ('[[workspace]]\nhost = ""', "[[workspace]] 1 host: must be a text"),
        ('[[workspace]]\nhost = "evil.example"', "[[workspace]] 1 host: evil.example is not among ALLOWED_HOSTS"),
        ('[[workspace]]\nhost = "http://adb-1.2.azuredatabricks.net"', "[[workspace]] 1 host: https is required"),
        (
            '[[workspace]]\nhost = "adb-1.2.azuredatabricks.net"\ntoken_file = "/nowhere"',
            "[[workspace]] 1 token_file: /nowhere cannot be read",
        ),
        (
            '[[workspace]]\nhost = "adb-1.2.azuredatabricks.net"\ncalls_per_second = 0',
            "[[workspace]] 1 calls_per_second: must be a number above 0",
        ),
        (
            '[[factory]]\nfactory = "a"\nresource_group = "rg"\nclient_secret_file = "{secret}"',
            "[[factory]] 1 client_secret_file: tenant_id and client_id must be set too",
        ),
        ('[[factory]]\nfactory = "ADF-main"\nresource_group = "other"', "two of [[factory]] are called adf-main"),
    ],
)
def test_a_mistake_is_named_with_its_entry_and_field(tmp_path: Path, text: str, names: str):
    given = settings(tmp_path, text)
    with pytest.raises(SettingsError, match="CONNECTIONS_FILE") as told:
        assert connections.factories(given) + connections.workspaces(given)
    assert names in str(told.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path):
    given = Settings.of({"CONNECTIONS_FILE": str(tmp_path / "none.toml")})
    with pytest.raises(SettingsError, match="cannot be read"):
        connections.factories(given)


def test_without_a_file_the_settings_stand_alone():
    assert [c.settings.azure_data_factory_name for c in connections.factories(Settings.of(OWN))] == ["adf-main"]
    assert connections.workspaces(Settings.of({})) == []
