"""Playbooks: what is built in, what a user's own file changes, and how its mistakes are named."""

from datetime import date, time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from pipemend import routes
from pipemend.bootstrap import playbooks_of
from pipemend.cli.playbooks import check
from pipemend.core.errors import SettingsError
from pipemend.core.freeze import Window
from pipemend.core.playbook import ACTIONS, Playbook
from pipemend.core.route import NO_ROUTE
from pipemend.playbooks import FIELDS, FREEZE_FIELDS, RULE_FIELDS, load
from pipemend.settings import Settings

# The plan's table: action, attempts, waits before each of them.
PLAN = [
    ("GatewayTimeout", "retry_pipeline", 3, [0, 30, 60]),
    ("HttpConnectionFailed", "retry_pipeline", 3, [0, 30, 60]),
    ("ThrottlingError", "retry_pipeline", 5, [0, 30, 60, 120, 300]),
    ("DatabricksClusterStartFailure", "restart_cluster", 2, [0, 60]),
    ("ClusterMemoryExhausted", "scale_up_cluster", 1, [120]),
    ("LibraryInstallationFailed", "reinstall_libraries", 2, [0, 60]),
    ("DatabricksJobExecutionError", "retry_job", 3, [0, 30, 60]),
    ("UserErrorSourceBlobNotExists", "check_upstream", 2, [300, 600]),
]
ASKED_FIRST = (
    "SqlTransientError",
    "SqlDeadlock",
    "ServerBusy",
    "InternalServerError",
    "ConcurrentWriteConflict",
    "SpotInstanceReclaimed",
    "IntegrationRuntimeOffline",
    "LinkedServiceError",
)


def found(error_type: str, platform: str = "data_factory", file: Path | None = None, retries: int = 3) -> Playbook:
    book = load(file, retries).find(error_type, platform)
    assert book
    return book


@pytest.fixture
def own(tmp_path: Path):
    def write(text: str) -> Path:
        file = tmp_path / "own.toml"
        file.write_text(text)
        return file

    return write


@pytest.mark.parametrize(("error_type", "action", "attempts", "waits"), PLAN)
def test_the_plans_table_is_built_in(error_type, action, attempts, waits):
    book = found(error_type, "databricks" if action == "retry_job" else "data_factory")

    assert (book.action, book.max_retries) == (action, attempts)
    assert [book.wait_before(number) for number in range(1, attempts + 1)] == waits


@pytest.mark.parametrize(
    "error_type",
    ["GatewayTimeout", "HttpConnectionFailed", "ThrottlingError", "ServerBusy", "DatabricksJobExecutionError"],
)
def test_databricks_repeats_the_job_where_data_factory_repeats_the_pipeline(error_type):
    factory, databricks = found(error_type), found(error_type, "databricks")

    assert (factory.action, databricks.action) == ("retry_pipeline", "retry_job")
    assert (databricks.max_retries, databricks.backoff_seconds) == (factory.max_retries, factory.backoff_seconds)


@pytest.mark.parametrize("error_type", ASKED_FIRST)
@pytest.mark.parametrize("platform", ["data_factory", "databricks"])
def test_a_person_is_asked_first_for_what_the_plan_does_not_know(error_type, platform):
    assert found(error_type, platform).approval


def test_a_missing_number_of_attempts_is_the_setting():
    assert found("ServerBusy", retries=7).max_retries == 7
    assert found("ThrottlingError", retries=7).max_retries == 5


@pytest.mark.parametrize("error_type", ["DataFactoryTimeout", "AuthenticationFailed", "Unclassified"])
def test_what_no_repeat_can_heal_has_no_playbook(error_type):
    assert load(None, 3).find(error_type, "data_factory") is None


def test_an_own_entry_changes_what_it_names_and_keeps_the_rest(own):
    file = own("[GatewayTimeout]\nmax_retries = 9\ninitial_delay_seconds = 1.5")

    book = found("GatewayTimeout", "databricks", file)

    assert (book.max_retries, book.initial_delay_seconds) == (9, 1.5)
    assert (book.action, book.backoff_seconds) == ("retry_job", (30, 60, 120))
    assert found("HttpConnectionFailed", file=file) == found("HttpConnectionFailed")


def test_a_switched_off_entry_is_gone_on_every_platform(own):
    books = load(own("[GatewayTimeout]\nenabled = false"), 3)

    assert books.find("GatewayTimeout", "data_factory") is None
    assert books.find("GatewayTimeout", "databricks") is None


def test_an_entry_can_be_kept_for_one_platform(own):
    books = load(own("[GatewayTimeout]\nenabled = false\n[GatewayTimeout.databricks]\nenabled = true"), 3)

    assert books.find("GatewayTimeout", "data_factory") is None
    assert books.find("GatewayTimeout", "databricks")


def test_an_entry_can_be_added_for_one_platform(own):
    books = load(own('[DriverUnavailable.databricks]\naction = "restart_cluster"\nbackoff_seconds = []'), 3)

    assert books.find("DriverUnavailable", "databricks") == Playbook(
        error_type="DriverUnavailable", action="restart_cluster", backoff_seconds=()
    )
    assert books.find("DriverUnavailable", "data_factory") is None


def test_the_first_pipeline_rule_that_fits_holds(own):
    books = load(
        own(
            '[[pipeline]]\nmatch = "Factory/pay_*"\nrerun = "never"\nteam = "payments"\nseverity = "Critical"\n'
            '[[pipeline]]\nmatch = "factory/*"\nrerun = "ask"\nmax_retries = 0\ndeadline_seconds = 60\n'
            'owner = "robin"\ncost_center = "42"'
        ),
        3,
    )

    paid, other = books.rule_for("factory", "PAY_salaries"), books.rule_for("factory", "load")

    assert (paid.rerun, paid.team, paid.severity) == ("never", "payments", "Critical")
    assert (other.rerun, other.max_retries, other.deadline_seconds) == ("ask", 0, 60)
    assert (other.owner, other.cost_center) == ("robin", "42")
    assert books.rule_for("elsewhere", "load").rerun == "auto"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[GatewayTimeuot]\naction = 'retry_pipeline'", "[GatewayTimeuot]"),
        ("[Unclassified]\naction = 'retry_pipeline'", "[Unclassified]"),
        ("GatewayTimeout = 3", "[GatewayTimeout]"),
        ("[GatewayTimeout]\ndatabricks = 3", "[GatewayTimeout.databricks]"),
        ("[GatewayTimeout]\naction = 'retry_everything'", "[GatewayTimeout] action"),
        ("[GatewayTimeout.databricks]\naction = 3", "[GatewayTimeout.databricks] action"),
        ("[GatewayTimeout.airflow]\naction = 'retry_job'", "[GatewayTimeout] airflow"),
        ("[GatewayTimeout]\nretries = 3", "[GatewayTimeout] retries"),
        ("[GatewayTimeout]\nmax_retries = 0", "[GatewayTimeout] max_retries"),
        ("[GatewayTimeout]\nmax_retries = true", "[GatewayTimeout] max_retries"),
        ("[GatewayTimeout]\nmax_retries = 2.5", "[GatewayTimeout] max_retries"),
        ("[GatewayTimeout]\nbackoff_seconds = 30", "[GatewayTimeout] backoff_seconds"),
        ("[GatewayTimeout]\nbackoff_seconds = [30, -1]", "[GatewayTimeout] backoff_seconds"),
        ("[GatewayTimeout]\ninitial_delay_seconds = -1", "[GatewayTimeout] initial_delay_seconds"),
        ("[GatewayTimeout]\ninitial_delay_seconds = nan", "[GatewayTimeout] initial_delay_seconds"),
        ("[GatewayTimeout]\ndeadline_seconds = 0", "[GatewayTimeout] deadline_seconds"),
        ("[GatewayTimeout]\nrisk = 'none'", "[GatewayTimeout] risk"),
        ("[GatewayTimeout]\napproval = 'yes'", "[GatewayTimeout] approval"),
        ("[GatewayTimeout]\nenabled = 0", "[GatewayTimeout] enabled"),
        ("[NotebookError]\nmax_retries = 1", "[NotebookError] action"),
        ("[NotebookError.databricks]\nmax_retries = 1", "[NotebookError.databricks] action"),
        ("pipeline = 3", "[[pipeline]]"),
        ("[[pipeline]]\nrerun = 'ask'", "[[pipeline]] 1 match"),
        ("[[pipeline]]\nmatch = '*'\n[[pipeline]]\nmatch = ''", "[[pipeline]] 2 match"),
        ("[[pipeline]]\nmatch = '*'\nrerun = 'maybe'", "[[pipeline]] 1 rerun"),
        ("[[pipeline]]\nmatch = '*'\nmax_retries = -1", "[[pipeline]] 1 max_retries"),
        ("[[pipeline]]\nmatch = '*'\nseverity = 'P1'", "[[pipeline]] 1 severity"),
        ("[[pipeline]]\nmatch = '*'\nteams = 'x'", "[[pipeline]] 1 teams"),
        ("[[pipeline]]\nmatch = '*'\nmax_repairs_per_day = 0", "[[pipeline]] 1 max_repairs_per_day"),
        ("[[pipeline]]\nmatch = '*'\nupstream = []", "[[pipeline]] 1 upstream"),
        ("[[pipeline]]\nmatch = '*'\nupstream = 'abfss://raw@a.dfs.core.windows.net/x'", "[[pipeline]] 1 upstream"),
        ("[[pipeline]]\nmatch = '*'\nupstream = 'a.blob.core.windows.net/raw/x'", "[[pipeline]] 1 upstream: a blob is"),
        ("[[pipeline]]\nmatch = '*'\nupstream = 'https://slack.com/raw/x'", "[[pipeline]] 1 upstream: a blob is named"),
        ("[[pipeline]]\nmatch = '*'\nupstream = 'https://a.blob.core.windows.net/raw'", "[[pipeline]] 1 upstream"),
        ("[[pipeline]]\nmatch = '*'\nupstream = 'https://a.blob.core.windows.net/r/a b'", "[[pipeline]] 1 upstream"),
        ("[[pipeline]]\nmatch = '*'\nupstream = 'https://[a.blob.core/r/b'", "[[pipeline]] 1 upstream: is no web"),
        ("[[pipeline]]\nmatch = '*'\nfreeze = 'weekend'", "[[pipeline]] 1 freeze: must be a list"),
        ("[[pipeline]]\nmatch = '*'\nfreeze = [{}]", "[[pipeline]] 1 freeze 1: would never end"),
        ("[[pipeline]]\nmatch = '*'\nfreeze = [{days = ['fri']}, {days = ['Fri']}]", "[[pipeline]] 1 freeze 2 days"),
        ("[[pipeline]]\nmatch = '*'\nfreeze = [{from = '25:00'}]", "[[pipeline]] 1 freeze 1 from"),
        ("[[pipeline]]\nmatch = '*'\nfreeze = [{to = 18}]", "[[pipeline]] 1 freeze 1 to"),
        ("[[pipeline]]\nmatch = '*'\nfreeze = [{until = '18:00'}]", "[[pipeline]] 1 freeze 1 until"),
        ("[[freeze]]\ndays = []", "[[freeze]] 1 days"),
        ("[[freeze]]\ndates = ['2026-12-24/2026-12-01']", "[[freeze]] 1 dates"),
        ("[[freeze]]\ndates = [2026-12-24T08:00:00]", "[[freeze]] 1 dates"),
        ("[[freeze]]\ndates = ['Christmas']", "[[freeze]] 1 dates"),
        ("[[freeze]]\nfrom = '18:00'\nzone = 'Europe/Berlinn'", "[[freeze]] 1 zone: 'Europe/Berlinn' is no time zone"),
        ("[[freeze]]\nfrom = '18:00'\nzone = '/etc/passwd'", "[[freeze]] 1 zone"),
        ("freeze = 'always'", "[[freeze]]: must be a list"),
        ("[GatewayTimeout", "own.toml"),
    ],
)
def test_a_mistake_is_refused_and_named(own, text, named):
    with pytest.raises(SettingsError) as refused:
        load(own(text), 3)

    assert named in str(refused.value)


@pytest.mark.parametrize("start", ["https://", ""])
def test_a_sas_in_a_blobs_address_is_refused_and_not_repeated(own, start):
    address = f"{start}account.blob.core.windows.net/landing/today.csv?sv=2024-11-04&sig=c2VjcmV0"
    with pytest.raises(SettingsError, match=r"\[\[pipeline\]\] 1 upstream: .*a SAS is a secret") as refused:
        load(own(f"[[pipeline]]\nmatch = '*'\nupstream = ['factory/raw', '{address}']"), 3)
    assert "c2VjcmV0" not in str(refused.value)


def test_a_blobs_host_must_be_one_that_may_be_called(own):
    rule = "[[pipeline]]\nmatch = '*'\nupstream = '{}'"
    blob = "https://account.dfs.core.windows.net/landing/orders/today.csv"
    assert playbooks_of(Settings(), own(rule.format(blob))).rule_for("factory", "load").upstream == (blob,)
    for elsewhere, why in {
        "https://account.blob.storage.example/landing/x": "is not among ALLOWED_HOSTS",
        "http://account.blob.core.windows.net/landing/x": "https is required",
    }.items():
        with pytest.raises(SettingsError, match=rf"\[\[pipeline\]\] 1 upstream: .*{why}"):
            playbooks_of(Settings(), own(rule.format(elsewhere)))


def test_a_rule_keeps_its_upstream_pipelines_its_days_budget_and_its_freeze_windows(own):
    text = (
        "[[freeze]]\ndates = [2026-12-24, '2026-12-27/2027-01-02']\n"
        "[[pipeline]]\nmatch = '*'\nupstream = 'factory/raw'\nmax_repairs_per_day = 4\n"
        "freeze = [{days = ['fri', 'sat'], from = '18:30', to = 06:00:00, zone = 'Europe/Berlin'}]"
    )
    books = load(own(text), 3)

    rule = books.rule_for("factory", "load")

    assert (rule.upstream, rule.max_repairs_per_day) == (("factory/raw",), 4)
    assert rule.freeze == (
        Window(days=frozenset({4, 5}), begins=time(18, 30), ends=time(6), zone=ZoneInfo("Europe/Berlin")),
    )
    christmas, new_year = date(2026, 12, 24), (date(2026, 12, 27), date(2027, 1, 2))
    assert books.freeze == (Window(dates=((christmas, christmas), new_year), zone=ZoneInfo("UTC")),)


def test_the_check_prints_every_rule_and_cuts_nothing(own, capsys):
    text = (
        "[[freeze]]\ndates = ['2026-12-27/2027-01-02']\n"
        "[[pipeline]]\nmatch = 'factory/pay_*'\nrerun = 'ask'\ndeadline_seconds = 7200.5\nowner = 'robin'\n"
        "freeze = [{days = ['fri', 'sat'], from = '18:30', zone = 'Europe/Berlin'}]"
    )

    check(own(text))

    told = capsys.readouterr().out
    assert "0 s, 30 s, 60 s, 120 s, 300 s" in told
    assert "factory/pay_* │ ask" in told
    assert "deadline_seconds 7200.5" in told
    assert "freeze fri, sat from 18:30 to 24:00 Europe/Berlin" in told
    assert "All pipelines are frozen 2026-12-27 to 2027-01-02 from 00:00 to 24:00 UTC" in told


def test_all_mistakes_are_named_at_once(own):
    with pytest.raises(SettingsError, match=r"\[GatewayTimeout\] risk.*\[ServerBusy\] approval"):
        load(own("[GatewayTimeout]\nrisk = 1\n[ServerBusy]\napproval = 1"), 3)


ROUTE = "[[route]]\nmatch = 'factory/pay_*'\n"


def test_the_first_route_that_fits_pipeline_and_team_holds(own):
    text = (
        ROUTE
        + "slack_channel = 'C0PAYMENTS'\nslack_mention = 'S0PAYONCALL'\n"
        + "[[route]]\nteam = 'sales'\njira_project = 'SALES'"
    )
    books = load(own(text), 3)

    assert books.route_for("Factory", "Pay_out", "sales").slack_channel == "C0PAYMENTS"
    assert books.route_for("factory", "load", "Sales").jira_project == "SALES"
    assert books.route_for("factory", "load", None) == NO_ROUTE
    assert [route.name for route in books.routes] == ["factory/pay_*", "team sales"]
    assert books.route_named("team sales").jira_project == "SALES"
    assert books.route_named("gone by now") == NO_ROUTE


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (ROUTE + "severity = 'P1'", r"\[\[route\]\] 1 severity: must be one of Critical, High"),
        ("route = 1", r"\[\[route\]\]: must be a list of tables"),
        ("[[route]]\nslack_channel = 'C0PAYMENTS'", r"\[\[route\]\] 1: holds for nobody"),
        (ROUTE, r"\[\[route\]\] 1: says nothing"),
        (ROUTE + "colour = 'red'", r"\[\[route\]\] 1 colour: unknown, one of match, team, slack_channel"),
        (ROUTE + "slack_channel = '<!channel>'", r"\[\[route\]\] 1 slack_channel: must be like"),
        (ROUTE + "slack_mention = '@rosa'", r"\[\[route\]\] 1 slack_mention: must be the id"),
        (ROUTE + "jira_project = 'pay'", r"\[\[route\]\] 1 jira_project: must be like OPS"),
        (ROUTE + "teams_webhook_url_file = '/gone'", r"\[\[route\]\] 1 teams_webhook_url_file: /gone cannot be read"),
        (ROUTE + "pagerduty_routing_key_file = '{secret}'", r"pagerduty_routing_key_file: holds no integration key"),
        (ROUTE + "webhook_url_file = '{secret}'", r"webhook_url_file: holds no web address"),
        (ROUTE + "webhook_url_file = '{secret}'", r"webhook_secret_file: must be set too, with webhook_url_file"),
        (ROUTE + "webhook_secret_file = '{secret}'", r"webhook_secret_file: holds no secret"),
    ],
)
def test_a_mistake_in_a_route_is_named_and_no_secret_is(own, tmp_path: Path, text: str, said: str):
    secret = tmp_path / "secret"
    secret.write_text("hunter2")

    with pytest.raises(SettingsError, match=said) as mistake:
        load(own(text.replace("{secret}", str(secret))), 3)

    assert "hunter2" not in str(mistake.value)


def test_the_check_shows_routes_and_the_files_of_their_secrets(own, tmp_path: Path, capsys):
    key = tmp_path / "key"
    key.write_text("R" * 32)

    check(own(f"{ROUTE}slack_channel = '#pay'\npagerduty_routing_key_file = '{key}'"))

    told = capsys.readouterr().out
    assert "factory/pay_* │ any" in told
    assert "slack_channel #pay" in told
    assert f"pagerduty_routing_key {key}"[:40] in told
    assert "RRRR" not in told


def test_an_address_of_a_route_must_be_among_the_hosts_that_may_be_called(own, tmp_path: Path):
    address = tmp_path / "teams"
    address.write_text("https://evil.example/workflows/1?sig=s3cret")

    with pytest.raises(
        SettingsError, match=r"\[\[route\]\] 1 teams_webhook_url_file: evil.example is not among"
    ) as wrong:
        playbooks_of(Settings.of({}), own(f"{ROUTE}teams_webhook_url_file = '{address}'"))

    assert "s3cret" not in str(wrong.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path):
    with pytest.raises(SettingsError, match=r"gone\.toml cannot be read"):
        load(tmp_path / "gone.toml", 3)


def test_a_file_in_another_encoding_is_refused(tmp_path: Path):
    file = tmp_path / "own.toml"
    file.write_bytes("# über".encode("utf-16"))

    with pytest.raises(SettingsError, match=r"is no TOML"):
        load(file, 3)


def test_every_action_is_in_one_list():
    assert {book.action for book in load(None, 3).entries.values()} <= ACTIONS


PAGE = Path(__file__).resolve().parents[1] / "docs/reference/playbooks.md"


def test_every_field_and_every_built_in_entry_is_in_the_page():
    page = PAGE.read_text()
    types = {error_type for error_type, _ in load(None, 3).entries}

    fields = (*FIELDS, *RULE_FIELDS, *FREEZE_FIELDS, *routes.FIELDS, *ACTIONS)
    assert [name for name in fields if f"`{name}`" not in page] == []
    assert [name for name in types if name not in page] == []
