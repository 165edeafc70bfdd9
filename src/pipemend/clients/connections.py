"""The factories and workspaces to watch: the one of the settings, and those of CONNECTIONS_FILE, each with its own
identity. Every mistake is named at start, with its entry and field."""

import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from pipemend.core.errors import SettingsError
from pipemend.settings import Settings

FILE = "CONNECTIONS_FILE"
IDENTITY = {
    "tenant_id": "azure_tenant_id",
    "client_id": "azure_client_id",
    "client_secret_file": "azure_client_secret",
}
FACTORY = {
    "factory": "azure_data_factory_name",
    "resource_group": "azure_resource_group",
    "subscription_id": "azure_subscription_id",
}
WORKSPACE = {"host": "databricks_host", "token_file": "databricks_token"}
OWN = {"factory": ("name",), "workspace": ("name", "resource_id", "calls_per_second")}
NEEDED = {"factory": ("factory", "resource_group"), "workspace": ("host",)}
FIELDS: Mapping[str, Mapping[str, str]] = {"factory": FACTORY | IDENTITY, "workspace": WORKSPACE | IDENTITY}


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """One place to watch. `settings` are those that hold for it; `name` is what people call it.

    `resource_id` is the workspace's Azure resource, by which alerts of Azure Monitor name it.
    """

    settings: Settings
    name: str = ""
    resource_id: str = ""
    calls_per_second: float | None = None


def factories(settings: Settings) -> list[Connection]:
    """The factory of the settings, if they name one, then those of the file. Raises SettingsError."""
    own = [Connection(settings=settings)] if settings.azure_data_factory_name else []
    return _different("factory", [*own, *_listed(settings, "factory")], _factory)


def workspaces(settings: Settings) -> list[Connection]:
    """The workspace of the settings, if they name one, then those of the file. Raises SettingsError."""
    own = [Connection(settings=settings)] if settings.databricks_host else []
    return _different("workspace", [*own, *_listed(settings, "workspace")], _workspace)


def _factory(found: Connection) -> tuple[str, str]:
    s = found.settings
    return f"{s.azure_subscription_id}/{s.azure_resource_group}", found.name or s.azure_data_factory_name


def _workspace(found: Connection) -> tuple[str, str]:
    host = urlsplit(found.settings.databricks_host).netloc
    return host, found.name or host


def _different(kind: str, found: list[Connection], key: Callable[[Connection], tuple[str, str]]) -> list[Connection]:
    """Rules for single pipelines go by names, so that two connections of one kind may not have the same."""
    names: set[str] = set()
    for connection in found:
        name = key(connection)[1].lower()
        if name in names:
            raise SettingsError(f"{FILE}: two of [[{kind}]] are called {name}: give one another name")
        names.add(name)
    return found


def _listed(settings: Settings, kind: str) -> Iterator[Connection]:
    for number, entry in enumerate(_tables(settings.connections_file).get(kind, []), 1):
        yield _read(settings, kind, f"{FILE}: [[{kind}]] {number}", entry)


def _tables(file: Path | None) -> Mapping[str, Any]:
    if file is None:
        return {}
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{FILE}: {file} cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise SettingsError(f"{FILE}: {file} is no TOML: {error}") from None
    for name, entries in tables.items():
        if name not in FIELDS:
            raise SettingsError(f"{FILE}: [[{name}]] is unknown, one of {', '.join(FIELDS)}")
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise SettingsError(f"{FILE}: [[{name}]] must be a list of tables")
    return tables


def _read(settings: Settings, kind: str, place: str, entry: Mapping[str, Any]) -> Connection:
    fields = FIELDS[kind]
    known = (*fields, *OWN[kind])
    for name, value in entry.items():
        if name not in known:
            raise SettingsError(f"{place} {name}: unknown, one of {', '.join(known)}")
        if name != "calls_per_second" and not (isinstance(value, str) and value.strip()):
            raise SettingsError(f"{place} {name}: must be a text")
    for name in NEEDED[kind]:
        if name not in entry:
            raise SettingsError(f"{place} {name}: is missing")
    own = {fields[name]: _value(place, name, entry[name]) for name in fields if name in entry}
    whole = settings.model_copy(update={**_blank(kind, entry), **own})
    _check(whole, kind, place)
    return Connection(
        settings=whole,
        name=entry.get("name", ""),
        resource_id=entry.get("resource_id", "").rstrip("/").lower(),
        calls_per_second=_pace(place, entry.get("calls_per_second")),
    )


def _blank(kind: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    """An entry that names a part of an identity names all of it; a token is never that of another workspace."""
    identity: dict[str, Any] = {"azure_tenant_id": "", "azure_client_id": "", "azure_client_secret": None}
    return (identity if IDENTITY.keys() & entry.keys() else {}) | (
        {"databricks_token": None} if kind == "workspace" else {}
    )


def _value(place: str, name: str, value: str) -> str | SecretStr:
    if name == "host":
        return value.rstrip("/") if "://" in value else f"https://{value.rstrip('/')}"
    if not name.endswith("_file"):
        return value.strip()
    try:
        return SecretStr(Path(value).read_text(encoding="utf-8").strip())
    except (OSError, ValueError):
        raise SettingsError(f"{place} {name}: {value} cannot be read") from None


def _check(whole: Settings, kind: str, place: str) -> None:
    if whole.azure_client_secret and not (whole.azure_tenant_id and whole.azure_client_id):
        raise SettingsError(f"{place} client_secret_file: tenant_id and client_id must be set too")
    if kind == "factory" and not whole.azure_subscription_id:
        raise SettingsError(f"{place} subscription_id: is missing")
    try:
        if kind == "workspace":
            whole.check_address("host", whole.databricks_host)
        else:
            whole.check_address("AZURE_RESOURCE_MANAGER_URL", whole.azure_resource_manager_url)
    except ValueError as error:
        raise SettingsError(f"{place} {error}") from None


def _pace(place: str, value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1000:
        raise SettingsError(f"{place} calls_per_second: must be a number above 0, 1000 at most")
    return float(value)
