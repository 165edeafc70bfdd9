"""Settings: read once, at start, typed. A half-set or misspelt one stops the start with its name in the message.

Order: environment, `.env`, `X_FILE` (a file that holds the value of the secret X), default.
"""

import os
import re
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from pipemend.core.errors import SettingsError
from pipemend.routes import ROUTING_KEY, whsec

VENDOR_HOSTS = (
    "management.azure.com",
    "login.microsoftonline.com",
    "*.logic.azure.com",
    "*.environment.api.powerplatform.com",
    "*.azuredatabricks.net",
    "*.blob.core.windows.net",
    "*.dfs.core.windows.net",
    "slack.com",
    "*.slack.com",
    "*.atlassian.net",
    "events.pagerduty.com",
    "events.eu.pagerduty.com",
    "generativelanguage.googleapis.com",
    "api.openai.com",
)
ACTIONS = {
    "retry_pipeline": "PLAYBOOK_RETRY_PIPELINE",
    "restart_cluster": "PLAYBOOK_RESTART_CLUSTER",
    "scale_up_cluster": "PLAYBOOK_SCALE_CLUSTER",
    "reinstall_libraries": "PLAYBOOK_REINSTALL_LIBRARIES",
    "retry_job": "PLAYBOOK_RETRY_JOB",
    "check_upstream": "PLAYBOOK_RERUN_UPSTREAM",
    "refresh_linked_service": "PLAYBOOK_REFRESH_LINKED_SERVICE",
}
DEFAULT_MODEL = "gemini-2.5-flash"
SLACK_ID = re.compile("[UWS][A-Z0-9]{2,}")
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Settings(BaseModel):
    """Every setting by the name of its environment variable, in small letters."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    auto_remediation_enabled: bool = Field(
        False,
        description="Whether Pipemend may start reruns. Off: it only says what it would do.",
    )
    auto_remediation_max_retries: int = Field(3, ge=1, le=20, description="Attempts where a playbook names no number.")
    max_failure_age_seconds: int = Field(21600, ge=60, description="Older failures are left to people.")
    approval_expires_seconds: int = Field(
        14400,
        ge=60,
        description="So long people are asked for their yes; half of it over, they are reminded once.",
    )
    max_repairs_in_flight: int = Field(20, ge=1, description="Repairs under way at once, in all.")
    max_repairs_per_connection: int | None = Field(
        None,
        ge=1,
        description="Repairs under way at once of one factory or workspace; without it as many as in all.",
    )
    starts_per_minute: int = Field(30, ge=1, description="Reruns started per minute, in all.")
    breaker_failures: int = Field(
        8, ge=1, description="Failed repairs of one error type and action that open its circuit breaker."
    )
    breaker_outcomes: int = Field(10, ge=1, le=100, description="The last repairs among which they are counted.")
    breaker_window_seconds: int = Field(3600, ge=60, description="Only those that ended within this time count.")
    breaker_open_seconds: int = Field(
        600, ge=10, description="How long it stays open; then one repair at a time tries."
    )
    watch_interval_seconds: float = Field(
        30, ge=0.1, le=3600, description="How often each factory is asked what changed."
    )

    azure_subscription_id: str = Field("", description="Subscription of the Data Factory.")
    azure_resource_group: str = Field("", description="Resource group of the Data Factory.")
    azure_data_factory_name: str = Field("", description="Name of the Data Factory.")
    azure_tenant_id: str = Field(
        "",
        description="Tenant of the service principal; none of the three: managed identity.",
    )
    azure_client_id: str = Field(
        "",
        description="Service principal, or the client id of a user-assigned managed identity.",
    )
    azure_client_secret: SecretStr | None = Field(None, description="Secret of the service principal.")
    identity_endpoint: str = Field("", description="Where App Service hands out tokens; it sets this itself.")
    identity_header: SecretStr | None = Field(None, description="Its secret; App Service sets this itself.")
    msi_endpoint: str = Field("", description="Old name of IDENTITY_ENDPOINT.")
    msi_secret: SecretStr | None = Field(None, description="Old name of IDENTITY_HEADER.")
    azure_resource_manager_url: str = Field(
        "https://management.azure.com", description="Address of Azure Resource Manager."
    )
    azure_authority_host: str = Field("https://login.microsoftonline.com", description="Address of Entra ID.")
    azure_monitor_secret: SecretStr | None = Field(
        None,
        description="Secret of the door /azure-monitor; without it the door is closed.",
    )

    databricks_host: str = Field("", description="Databricks workspace, with or without https://.")
    databricks_token: SecretStr | None = Field(
        None, description="Access token for the workspace; without it the Azure identity is used."
    )
    databricks_webhook_user: str = Field("", description="User name of the door /databricks-monitor.")
    databricks_webhook_password: SecretStr | None = Field(
        None, description="Password of the door /databricks-monitor; without it the door is closed."
    )
    databricks_most_workers: int = Field(
        16, ge=1, le=1000, description="Workers that a cluster may be given while a job is repaired."
    )
    databricks_most_memory_gb: int = Field(
        128,
        ge=1,
        le=4000,
        description="Memory in GB of the machines that a cluster may be given while a job is repaired.",
    )
    connections_file: Path | None = Field(
        None, description="More factories and workspaces, each with its own identity, as TOML."
    )

    playbook_retry_pipeline: SecretStr | None = Field(
        None, description="Logic App that reruns a pipeline; without it: direct."
    )
    playbook_restart_cluster: SecretStr | None = Field(None, description="Logic App that restarts a cluster.")
    playbook_scale_cluster: SecretStr | None = Field(None, description="Logic App that scales a cluster up.")
    playbook_reinstall_libraries: SecretStr | None = Field(None, description="Logic App that reinstalls libraries.")
    playbook_retry_job: SecretStr | None = Field(None, description="Logic App that reruns a job.")
    playbook_rerun_upstream: SecretStr | None = Field(
        None, description="Logic App that checks and reruns the upstream pipeline."
    )
    playbook_refresh_linked_service: SecretStr | None = Field(
        None, description="Logic App that refreshes a linked service."
    )
    playbooks_file: Path | None = Field(None, description="Your own playbooks, laid over the built-in ones.")

    slack_bot_token: SecretStr | None = Field(None, description="Bot token; without it Slack is not told.")
    slack_alert_channel: str = Field("", description="Channel of the messages.")
    slack_signing_secret: SecretStr | None = Field(
        None, description="Signing secret of the Slack app: opens /slack/interactions, and buttons appear."
    )
    slack_app_token: SecretStr | None = Field(
        None, description="App token of the Slack app: presses come over Socket Mode, and buttons appear."
    )
    slack_operators: str = Field(
        "", description="Who may press the buttons: ids of people and of user groups in Slack, with commas."
    )
    slack_api_url: str = Field(
        "https://slack.com/api/",
        description="Address of Slack's Web API, with a slash at its end.",
    )
    jira_domain: str = Field("", description="Jira Cloud site, with or without https://.")
    jira_user_email: str = Field("", description="Account of the API token.")
    jira_api_token: SecretStr | None = Field(None, description="API token; without it Jira is not told.")
    jira_project_key: str = Field("OPS", description="Project in which issues are created.")
    jira_webhook_secret: SecretStr | None = Field(
        None, description="Secret of the webhook in Jira: opens /webhook/jira, and what people do there is followed."
    )

    teams_webhook_url: SecretStr | None = Field(
        None, description="Address of a Teams workflow; without it Teams is not told, unless by a route."
    )
    pagerduty_routing_key: SecretStr | None = Field(
        None, description="Integration key of a PagerDuty service; without it nobody is paged, unless by a route."
    )
    pagerduty_url: str = Field(
        "https://events.pagerduty.com",
        description="Address of PagerDuty's Events API; in the EU https://events.eu.pagerduty.com.",
    )
    webhook_url: SecretStr | None = Field(
        None, description="Address to which every event is posted, signed; its host must be among ALLOWED_HOSTS."
    )
    webhook_secret: SecretStr | None = Field(
        None, description="Secret of the signatures: whsec_ and 24 to 64 random bytes in base64."
    )

    gemini_api_key: SecretStr | None = Field(None, description="Key for Gemini; without it the rules explain alone.")
    model_id: str = Field(
        DEFAULT_MODEL,
        description="Models to ask, in order, with commas: a name of Gemini's, openai:NAME or ollama:NAME.",
    )
    google_gemini_base_url: str = Field("", description="Another address for Gemini.")
    openai_api_key: SecretStr | None = Field(None, description="Key for the models named openai:….")
    openai_base_url: str = Field("", description="Whoever else speaks OpenAI's chat completions.")
    ollama_base_url: str = Field("", description="Address of the Ollama server of the models named ollama:….")
    model_questions_per_hour: int = Field(60, ge=0, description="More are not asked: the rules' words stand alone.")

    oidc_issuer: str = Field(
        "", description="Whose single sign-on people use, by OpenID Connect; its host must be among ALLOWED_HOSTS."
    )
    oidc_client_id: str = Field("", description="Our client id there.")
    oidc_client_secret: SecretStr | None = Field(None, description="Our secret there.")
    oidc_name: str = Field("single sign-on", description="What the button on the sign-in page calls it.")
    oidc_groups_claim: str = Field("groups", description="Claim of the ID token that names groups or roles.")
    oidc_admin_groups: str = Field("", description="Groups whose members are admins, with commas; *: everybody.")
    oidc_operator_groups: str = Field("", description="Groups whose members are operators, with commas; *: everybody.")
    oidc_viewer_groups: str = Field("", description="Groups whose members are viewers, with commas; *: everybody.")

    database_url: SecretStr | None = Field(
        None, description="postgresql://…; without it a SQLite file in the data folder."
    )
    public_url: str = Field("", description="Address under which people and playbooks reach this server.")
    dashboard_url: str = Field(
        "",
        description="Address of the dashboard in messages; PUBLIC_URL + /dashboard without it.",
    )
    allowed_hosts: str = Field(
        "",
        description="Hosts we may call, comma-separated; empty: the vendors' domains.",
    )
    sla_seconds: str = Field(
        "",
        description="Seconds per severity, e.g. Critical=900,High=1800; those not named keep theirs.",
    )
    finops_team: str = Field("", description="Team written on tickets where no rule names one.")
    finops_owner: str = Field("", description="Owner written on tickets where no rule names one.")
    finops_cost_center: str = Field("", description="Cost centre written on tickets.")

    pipemend_host: str = Field("127.0.0.1", description="Address to listen on.")
    pipemend_port: int = Field(8000, ge=0, le=65535, description="Port to listen on.")
    metrics_host: str = Field("127.0.0.1", description="Address at which `pipemend worker` shows `/metrics`.")
    metrics_port: int | None = Field(
        None, ge=0, le=65535, description="Port at which `pipemend worker` shows `/metrics`, without a token."
    )
    pipemend_data_dir: Path = Field(Path("data"), description="Folder of the SQLite file.")
    redact_emails: bool = Field(False, description="Take e-mail addresses out of error texts, like secrets.")
    retention_days: int = Field(
        90,
        ge=1,
        le=36500,
        description="Days until deliveries, alerts and events are deleted; tickets, attempts and audit trail stay.",
    )
    heartbeat_url: SecretStr | None = Field(
        None,
        description="Address that is called each minute while work is done; its host must be among ALLOWED_HOSTS.",
    )
    log_format: Literal["text", "json"] = Field("text", description="Form of the log lines.")

    @classmethod
    def load(
        cls,
        environment: Mapping[str, str] | None = None,
        dotenv: Path | None = Path(".env"),
    ) -> Self:
        """Reads the settings. Raises SettingsError, which names the setting."""
        given = {
            **_from_file(dotenv),
            **(os.environ if environment is None else environment),
        }
        _refuse_misspelt(given, cls.model_fields)
        return cls.of(given)

    @classmethod
    def of(cls, given: Mapping[str, str]) -> Self:
        """From names and values alone."""
        try:
            return cls(**{name.lower(): value for name, value in _ours(given, cls.model_fields)})
        except ValidationError as error:
            raise SettingsError(
                "; ".join(_named(e) for e in error.errors(include_url=False, include_input=False))
            ) from None

    @field_validator(
        "azure_resource_manager_url",
        "azure_authority_host",
        "public_url",
        "dashboard_url",
        "google_gemini_base_url",
        "openai_base_url",
        "ollama_base_url",
        "pagerduty_url",
    )
    @classmethod
    def _no_slash(cls, value: str) -> str:
        return value.rstrip("/")

    @field_validator("jira_domain", "databricks_host")
    @classmethod
    def _address(cls, value: str) -> str:
        value = value.rstrip("/")
        return value if not value or "://" in value else f"https://{value}"

    @field_validator("slack_api_url")
    @classmethod
    def _slash(cls, value: str) -> str:
        return value.rstrip("/") + "/"

    @model_validator(mode="after")
    def _whole_groups(self) -> Self:
        factory = (
            "azure_subscription_id",
            "azure_resource_group",
            "azure_data_factory_name",
        )
        _all_or_none(self, factory)
        if self.azure_client_secret:
            _all_or_none(self, ("azure_tenant_id", "azure_client_id", "azure_client_secret"))
        _all_or_none(self, ("slack_bot_token", "slack_alert_channel"))
        ways = [name for name in ("slack_signing_secret", "slack_app_token") if getattr(self, name)]
        if ways or self.slack_operators:
            _all_or_none(self, ("slack_bot_token", "slack_operators", *(ways or ["slack_signing_secret"])))
        for name in self.operators:
            if not SLACK_ID.fullmatch(name):
                raise ValueError(f"SLACK_OPERATORS: '{name}' is no id of a person (U…) or of a user group (S…)")
        _all_or_none(self, ("jira_domain", "jira_user_email", "jira_api_token"))
        if self.jira_webhook_secret:
            _all_or_none(self, ("jira_api_token", "jira_webhook_secret"))
        _all_or_none(self, ("webhook_url", "webhook_secret"))
        if self.pagerduty_routing_key and not ROUTING_KEY.fullmatch(self.pagerduty_routing_key.get_secret_value()):
            raise ValueError("PAGERDUTY_ROUTING_KEY: is no integration key of 32 characters")
        if self.webhook_secret and whsec(self.webhook_secret.get_secret_value()) is None:
            raise ValueError("WEBHOOK_SECRET: must be whsec_ and 24 to 64 bytes in base64")
        _all_or_none(self, ("msi_endpoint", "msi_secret"))
        _all_or_none(self, ("databricks_webhook_user", "databricks_webhook_password"))
        if self.oidc_issuer or self.oidc_client_id or self.oidc_client_secret:
            _all_or_none(self, ("oidc_issuer", "oidc_client_id", "oidc_client_secret", "public_url"))
            if not any(self.oidc_groups.values()):
                raise ValueError("OIDC_VIEWER_GROUPS: name the groups of at least one role, or * for everybody")
        if self.databricks_token:
            _all_or_none(self, ("databricks_host", "databricks_token"))
        self.models  # noqa: B018 - says at start what is wrong with MODEL_ID
        if self.breaker_failures > self.breaker_outcomes:
            raise ValueError("BREAKER_FAILURES: must not be more than BREAKER_OUTCOMES")
        self.levels_seconds  # noqa: B018 - says at start what is wrong with SLA_SECONDS
        for name, address in self.addresses().items():
            self.check_address(name, address)
        for name in ("public_url", "dashboard_url"):
            if (own := getattr(self, name)) and not own.startswith(("http://", "https://")):
                raise ValueError(f"{name.upper()}: must begin with https:// or http://")
        if not self.database.startswith(("sqlite:", "postgresql+psycopg:")):
            raise ValueError("DATABASE_URL: must begin with postgresql://")
        return self

    @cached_property
    def operators(self) -> tuple[str, ...]:
        """Ids of those who may press buttons in Slack: people, and user groups."""
        return tuple(name.strip() for name in self.slack_operators.split(",") if name.strip())

    @cached_property
    def hosts(self) -> tuple[str, ...]:
        """Hosts we may call."""
        own = tuple(host.strip().lower() for host in self.allowed_hosts.split(",") if host.strip())
        return own or VENDOR_HOSTS

    @cached_property
    def oidc_groups(self) -> dict[str, frozenset[str]]:
        """Which groups have which role; `*` stands for everybody."""
        given = {
            "viewer": self.oidc_viewer_groups,
            "operator": self.oidc_operator_groups,
            "admin": self.oidc_admin_groups,
        }
        return {role: frozenset(filter(None, map(str.strip, names.split(",")))) for role, names in given.items()}

    @cached_property
    def models(self) -> tuple[tuple[str, str], ...]:
        """Provider and name of each model to ask, in order; without a key for Gemini its models are left out."""
        named = [_model(name.strip()) for name in self.model_id.split(",") if name.strip()]
        providers = {provider for provider, _ in named}
        if "openai" in providers and not (self.openai_api_key or self.openai_base_url):
            raise ValueError("MODEL_ID: OPENAI_API_KEY or OPENAI_BASE_URL must be set too")
        if "ollama" in providers and not self.ollama_base_url:
            raise ValueError("MODEL_ID: OLLAMA_BASE_URL must be set too")
        for provider, wanted in (("openai", self.openai_api_key), ("ollama", self.ollama_base_url)):
            if wanted and provider not in providers:
                raise ValueError(f"MODEL_ID: names no model of {provider}, as {provider}:NAME does")
        return tuple((provider, name) for provider, name in named if provider != "gemini" or self.gemini_api_key)

    @cached_property
    def levels_seconds(self) -> dict[str, int]:
        """SLA seconds by severity, as far as they were set."""
        read: dict[str, int] = {}
        for part in filter(None, (p.strip() for p in self.sla_seconds.split(","))):
            name, _, seconds = part.partition("=")
            if name.strip() not in ("Critical", "High", "Medium", "Low") or not seconds.strip().isdigit():
                raise ValueError(f"SLA_SECONDS: '{part}' is not like Critical=900")
            read[name.strip()] = int(seconds)
        return read

    @property
    def database(self) -> str:
        """The database's address for SQLAlchemy."""
        if self.database_url is None:
            return f"sqlite:///{self.pipemend_data_dir / 'pipemend.db'}"
        url = self.database_url.get_secret_value()
        for plain in ("postgresql://", "postgres://"):
            url = f"postgresql+psycopg://{url.removeprefix(plain)}" if url.startswith(plain) else url
        return url

    @property
    def dashboard(self) -> str:
        """Address of the dashboard, or empty."""
        return self.dashboard_url or (f"{self.public_url}/dashboard" if self.public_url else "")

    def playbook(self, action: str) -> SecretStr | None:
        """The Logic App of an action, where one is set."""
        name = ACTIONS.get(action)
        found = getattr(self, name.lower()) if name else None
        return found if isinstance(found, SecretStr) and found.get_secret_value() else None

    def addresses(self) -> dict[str, str]:
        """Every address outside that we may call, by setting."""
        found = {
            "JIRA_DOMAIN": self.jira_domain,
            "DATABRICKS_HOST": self.databricks_host,
            "GOOGLE_GEMINI_BASE_URL": self.google_gemini_base_url,
            "OPENAI_BASE_URL": self.openai_base_url,
            "OLLAMA_BASE_URL": self.ollama_base_url,
        }
        if self.azure_data_factory_name:
            found["AZURE_RESOURCE_MANAGER_URL"] = self.azure_resource_manager_url
        if self.azure_client_secret:
            found["AZURE_AUTHORITY_HOST"] = self.azure_authority_host
        if self.slack_bot_token:
            found["SLACK_API_URL"] = self.slack_api_url
        if self.pagerduty_routing_key or "pagerduty_url" in self.model_fields_set:
            found["PAGERDUTY_URL"] = self.pagerduty_url
        for name in ("teams_webhook_url", "webhook_url"):
            if secret := getattr(self, name):
                found[name.upper()] = secret.get_secret_value()
        if self.oidc_issuer:
            found["OIDC_ISSUER"] = self.oidc_issuer
        if self.heartbeat_url:
            found["HEARTBEAT_URL"] = self.heartbeat_url.get_secret_value()
        for action, name in ACTIONS.items():
            if secret := self.playbook(action):
                found[name] = secret.get_secret_value()
        return {name: address for name, address in found.items() if address}

    def check_address(self, name: str, address: str) -> None:
        """Outside addresses are https to allowed hosts; plain http only to a loopback host that is listed."""
        parts = urlsplit(address)
        host = (parts.hostname or "").lower()
        if not host or parts.scheme not in ("http", "https"):
            raise ValueError(f"{name}: not a web address")
        listed = any(host == own or (own.startswith("*.") and host.endswith(own[1:])) for own in self.hosts)
        if not listed:
            raise ValueError(f"{name}: {host} is not among ALLOWED_HOSTS")
        if parts.scheme == "http" and host not in LOOPBACK:
            raise ValueError(f"{name}: https is required")


def _model(name: str) -> tuple[str, str]:
    """Provider and name; a name may hold colons of its own."""
    provider, colon, rest = name.partition(":")
    return (provider, rest) if colon and provider in ("gemini", "openai", "ollama") else ("gemini", name)


def _from_file(path: Path | None) -> dict[str, str]:
    if path is None or not path.is_file():
        return {}
    return {name: value for name, value in dotenv_values(path).items() if value is not None}


# Names with these beginnings can only be meant for us. The command line has two of its own.
PREFIXES, COMMANDS = ("AUTO_REMEDIATION_", "PLAYBOOK_", "PIPEMEND_"), ("PIPEMEND_URL", "PIPEMEND_TOKEN")
ALIKE = 0.9


def _refuse_misspelt(given: Mapping[str, str], fields: Mapping[str, Any]) -> None:
    """A name that is almost one of ours, or can be nobody else's, stops the start."""
    known = [field.upper() for field in fields]
    for name in given:
        plain = name.removesuffix("_FILE") if name not in known else name
        if plain in known or name in COMMANDS:
            continue
        meant = get_close_matches(plain, known, 1, ALIKE)
        if meant or name.startswith(PREFIXES):
            raise SettingsError(f"{name} is no setting" + (f"; did you mean {meant[0]}?" if meant else ""))


def _ours(given: Mapping[str, str], fields: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = []
    for name in (field.upper() for field in fields):
        value, file = given.get(name), given.get(f"{name}_FILE")
        if file and value:
            raise SettingsError(f"{name} and {name}_FILE are both set: set one")
        if file:
            value = _secret_of(name, Path(file))
        if value not in (None, ""):
            found.append((name, str(value)))
    return found


def _secret_of(name: str, path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError as error:
        raise SettingsError(f"{name}_FILE: cannot be read ({error.strerror})") from None


def _all_or_none(settings: Settings, names: tuple[str, ...]) -> None:
    missing = [name.upper() for name in names if not getattr(settings, name)]
    given = [name.upper() for name in names if name.upper() not in missing]
    if missing and given:
        raise ValueError(f"{', '.join(missing)} must be set too, with {', '.join(given)}")


def _named(error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"]).upper()
    text = str(error["msg"]).removeprefix("Value error, ")
    return f"{where}: {text}" if where else text
