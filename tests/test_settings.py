"""Settings: what is half-set, misspelt or unsafe stops the start with its name."""

from pathlib import Path

import pytest

from pipemend.core.errors import SettingsError
from pipemend.settings import Settings

FACTORY = {"AZURE_SUBSCRIPTION_ID": "s", "AZURE_RESOURCE_GROUP": "rg", "AZURE_DATA_FACTORY_NAME": "adf"}
SLACK = {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_ALERT_CHANNEL": "C1"}
PLAYBOOK = "https://prod-12.northcentralus.logic.azure.com:443/workflows/abc/triggers/manual/paths/invoke?sig=xyz789"


def load(**given: str) -> Settings:
    return Settings.load(given, None)


def test_without_any_setting_automation_is_off_and_the_database_is_a_file() -> None:
    settings = load()
    assert settings.auto_remediation_enabled is False
    assert settings.database == "sqlite:///data/pipemend.db"
    assert settings.pipemend_host == "127.0.0.1"


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"AZURE_DATA_FACTORY_NAME": "adf"}, "AZURE_SUBSCRIPTION_ID"),
        ({**FACTORY, "AZURE_CLIENT_SECRET": "x"}, "AZURE_TENANT_ID"),
        ({"SLACK_BOT_TOKEN": "xoxb-1"}, "SLACK_ALERT_CHANNEL"),
        ({"SLACK_OPERATORS": "U012AB3CD"}, "SLACK_SIGNING_SECRET"),
        (
            {**SLACK, "SLACK_APP_TOKEN": "xapp-1"},
            "SLACK_OPERATORS must be set too, with SLACK_BOT_TOKEN, SLACK_APP_TOKEN",
        ),
        ({"SLACK_APP_TOKEN": "xapp-1", "SLACK_OPERATORS": "U012AB3CD"}, "SLACK_BOT_TOKEN"),
        ({**SLACK, "SLACK_APP_TOKEN": "xapp-1", "SLACK_OPERATORS": "U012AB3CD, @rosa"}, "'@rosa' is no id"),
        ({"JIRA_DOMAIN": "x.atlassian.net"}, "JIRA_API_TOKEN"),
        ({"AUTO_REMEDIATION_ENABLED": "perhaps"}, "AUTO_REMEDIATION_ENABLED"),
        ({"WATCH_INTERVAL_SECONDS": "0"}, "WATCH_INTERVAL_SECONDS"),
        ({"SLA_SECONDS": "Critical=soon"}, "SLA_SECONDS"),
        ({"BREAKER_FAILURES": "11"}, "BREAKER_FAILURES: must not be more"),
        ({"AUTO_REMEDIATION_ENABLE": "true"}, "did you mean AUTO_REMEDIATION_ENABLED"),
        ({"SLACK_BOT_TOKENS": "x"}, "did you mean SLACK_BOT_TOKEN"),
        ({"PLAYBOOK_MAKE_COFFEE": PLAYBOOK}, "PLAYBOOK_MAKE_COFFEE is no setting"),
        ({"PLAYBOOK_RETRY_PIPELINE": "https://evil.example/x"}, "PLAYBOOK_RETRY_PIPELINE: evil.example"),
        ({"PLAYBOOK_RETRY_PIPELINE": PLAYBOOK.replace("https", "http")}, "https is required"),
        ({"PLAYBOOK_RETRY_PIPELINE": "not an address"}, "PLAYBOOK_RETRY_PIPELINE"),
        ({"PUBLIC_URL": "pipemend.example"}, "PUBLIC_URL"),
        ({"DATABASE_URL": "mysql://u:hunter2xyz789@h/d"}, "DATABASE_URL"),
        ({**FACTORY, "AZURE_RESOURCE_MANAGER_URL": "http://127.0.0.1:1"}, "ALLOWED_HOSTS"),
    ],
)
def test_a_mistake_is_named(given: dict[str, str], name: str) -> None:
    with pytest.raises(SettingsError) as error:
        load(**given)
    assert name in str(error.value)
    assert "xyz789" not in str(error.value)


def test_a_secret_may_come_from_a_file_but_not_twice(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("xoxb-secret\n")
    settings = load(SLACK_BOT_TOKEN_FILE=str(file), SLACK_ALERT_CHANNEL="C1")
    assert settings.slack_bot_token is not None
    assert settings.slack_bot_token.get_secret_value() == "xoxb-secret"
    assert "xoxb-secret" not in repr(settings)
    with pytest.raises(SettingsError, match="SLACK_BOT_TOKEN_FILE"):
        load(SLACK_BOT_TOKEN_FILE=str(file), SLACK_BOT_TOKEN="x", SLACK_ALERT_CHANNEL="C1")
    with pytest.raises(SettingsError, match="cannot be read"):
        load(SLACK_BOT_TOKEN_FILE=str(tmp_path / "nothing"), SLACK_ALERT_CHANNEL="C1")


def test_the_environment_beats_the_dotenv_file(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("WATCH_INTERVAL_SECONDS=5\nMAX_REPAIRS_IN_FLIGHT=7\n")
    settings = Settings.load({"WATCH_INTERVAL_SECONDS": "9"}, dotenv)
    assert (settings.watch_interval_seconds, settings.max_repairs_in_flight) == (9, 7)


def test_other_peoples_variables_are_none_of_our_business() -> None:
    load(AZURE_CONFIG_DIR="/x", JIRA_HOME="/y", PATH="/bin", PLAYBOOKS_FILE="books.toml", PIPEMEND_TOKEN="t")


def test_the_dashboard_is_found_under_the_public_address() -> None:
    assert load(PUBLIC_URL="https://p.example/").dashboard == "https://p.example/dashboard"
    assert load(PUBLIC_URL="https://p.example", DASHBOARD_URL="https://d.example/x").dashboard == "https://d.example/x"


def test_plain_database_addresses_are_understood() -> None:
    assert load(DATABASE_URL="postgresql://u:p@h/d").database == "postgresql+psycopg://u:p@h/d"
    assert load(DATABASE_URL="postgres://u:p@h/d").database == "postgresql+psycopg://u:p@h/d"
