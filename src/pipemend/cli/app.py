"""All commands, with their words; each body stands in a module of its own."""

from pathlib import Path
from typing import Annotated

import typer

from pipemend.core.badge import Tab

app = typer.Typer(
    name="pipemend",
    help="Finds out why a data pipeline failed, tries the right repair, watches it, and hands over when it must.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
tokens = typer.Typer(help="API tokens.", no_args_is_help=True)
users = typer.Typer(help="People who sign in.", no_args_is_help=True)
deliveries = typer.Typer(help="What came in at the doors.", no_args_is_help=True)
playbooks = typer.Typer(help="What is done about which error.", no_args_is_help=True)
audit = typer.Typer(help="Whether what was promised was kept.", no_args_is_help=True)
app.add_typer(tokens, name="tokens")
app.add_typer(users, name="users")
app.add_typer(deliveries, name="deliveries")
app.add_typer(playbooks, name="playbooks")
app.add_typer(audit, name="audit")


def _version(asked: bool) -> None:
    if asked:
        from pipemend import __version__

        print(f"pipemend {__version__}")
        raise typer.Exit


@app.callback()
def everywhere(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which release.")
    ] = False,
) -> None:
    """Finds out why a data pipeline failed, tries the right repair, watches it, and hands over when it must."""


Url = Annotated[str, typer.Option(envvar="PIPEMEND_URL", help="Address of the server.")]
Token = Annotated[str, typer.Option(envvar="PIPEMEND_TOKEN", help="API token.")]
REASON = "Why; others read it."


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Instead of PIPEMEND_HOST.")] = None,
    port: Annotated[int | None, typer.Option(help="Instead of PIPEMEND_PORT.")] = None,
    no_worker: Annotated[
        bool, typer.Option("--no-worker", help="Doors alone, beside 'pipemend worker' processes. PostgreSQL only.")
    ] = False,
) -> None:
    """Starts the server: doors, API, dashboard and worker, until Ctrl-C or SIGTERM."""
    from pipemend.cli.serve import run

    run(host, port, works=not no_worker)


@app.command()
def worker(
    health_port: Annotated[
        int | None, typer.Option(help="Answer /healthz and /readyz on this port of 127.0.0.1.")
    ] = None,
) -> None:
    """Starts a worker without doors, until Ctrl-C or SIGTERM. PostgreSQL only; start as many as you like."""
    from pipemend.cli.worker import run

    run(health_port)


@app.command()
def migrate() -> None:
    """Brings the tables to the shape this release needs."""
    from pipemend.cli.tables import bring_up_to_date

    bring_up_to_date()


@app.command()
def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Tries every connection, says what is wrong and how to mend it, and then exits with 1. Starts nothing."""
    from pipemend.cli.doctor import run

    raise typer.Exit(run(as_json=as_json))


@app.command()
def demo(
    headless: Annotated[
        bool, typer.Option("--headless", help="Run to the end, print the checks, exit 0 or 1.")
    ] = False,
    data_dir: Annotated[
        Path | None, typer.Option(help="Where the database is left; a fresh folder without it.")
    ] = None,
) -> None:
    """Breaks a handful of pipelines on this machine and mends them, live."""
    from pipemend.demo import run

    raise typer.Exit(run(headless=headless, data_dir=data_dir))


@app.command()
def twin(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 8100,
    playbook: Annotated[
        list[Path] | None, typer.Option(help="A Logic App to carry out: a template, or its code view. May be repeated.")
    ] = None,
    parameters: Annotated[
        Path | None, typer.Option(help="Values for the parameters of these, as in a parameter file of Azure.")
    ] = None,
) -> None:
    """Serves a stand-in for Data Factory, Logic Apps, Slack, Jira and Gemini, to rehearse against."""
    from pipemend.cli.twin import serve as serve_twin

    serve_twin(host, port, playbook or [], parameters)


@tokens.command("add")
def tokens_add(
    name: Annotated[str, typer.Argument(help="Whose token it is; shown wherever it acts.")],
    role: Annotated[str, typer.Option(help="viewer, operator or admin.")] = "viewer",
) -> None:
    """Makes an API token and prints it, once, as the last line."""
    from pipemend.cli.tables import add_token

    print(add_token(name, role))


@tokens.command("list")
def tokens_list() -> None:
    """Lists the tokens, without their values."""
    from pipemend.cli.tables import list_tokens

    list_tokens()


@tokens.command("revoke")
def tokens_revoke(name: Annotated[str, typer.Argument(help="Whose token ends.")]) -> None:
    """Ends a token, and every session that came of it, at once."""
    from pipemend.cli.tables import revoke_token

    revoke_token(name)


UserName = Annotated[str, typer.Argument(metavar="NAME", help="The name they sign in with.")]


@users.command("add")
def users_add(name: UserName, role: Annotated[str, typer.Option(help="viewer, operator or admin.")] = "viewer") -> None:
    """Makes a user; the last line is a link with which they set their password."""
    from pipemend.cli import users

    users.add(name, role)


@users.command("list")
def users_list() -> None:
    """Lists the users, their roles, and how they sign in."""
    from pipemend.cli import users

    users.show()


@users.command("role")
def users_role(name: UserName, role: Annotated[str, typer.Option(help="viewer, operator or admin.")]) -> None:
    """Gives a user another role, at once."""
    from pipemend.cli import users

    users.give_role(name, role)


@users.command("disable")
def users_disable(name: UserName) -> None:
    """Lets a user in no more, and ends their sessions at once."""
    from pipemend.cli import users

    users.disable(name)


@users.command("reset")
def users_reset(name: UserName) -> None:
    """Ends password and sessions of a user; the last line is a link for another password. It lets a disabled one in."""
    from pipemend.cli import users

    users.reset(name)


@deliveries.command("list")
def deliveries_list(token: Token, url: Url = "http://127.0.0.1:8000") -> None:
    """Lists the newest deliveries and what became of them."""
    from pipemend.cli.remote import list_deliveries

    list_deliveries(url, token)


@deliveries.command("replay")
def deliveries_replay(
    delivery_id: Annotated[int, typer.Argument(metavar="ID", help="Number of the delivery.")],
    token: Token,
    url: Url = "http://127.0.0.1:8000",
) -> None:
    """Reads a kept delivery again, as if it came in now."""
    from pipemend.cli.remote import replay

    replay(url, token, delivery_id)


@app.command("stop-all")
def stop_all(
    token: Token, url: Url = "http://127.0.0.1:8000", reason: Annotated[str, typer.Option(help=REASON)] = ""
) -> None:
    """Presses the red button: nothing is started, anywhere, until start-all."""
    from pipemend.cli import switches

    switches.stop_all(url, token, reason)


@app.command("start-all")
def start_all(
    token: Token, url: Url = "http://127.0.0.1:8000", reason: Annotated[str, typer.Option(help=REASON)] = ""
) -> None:
    """Releases the red button: what was held is judged again."""
    from pipemend.cli import switches

    switches.start_all(url, token, reason)


@app.command()
def pause(
    pipeline: Annotated[str, typer.Argument(help="factory/pipeline.")],
    token: Token,
    url: Url = "http://127.0.0.1:8000",
    until: Annotated[str | None, typer.Option(help="When it ends, as 2026-11-30T06:00.")] = None,
    hours: Annotated[float | None, typer.Option(help="How long it lasts, instead.", min=0.01, max=10000)] = None,
    reason: Annotated[str, typer.Option(help=REASON)] = "",
) -> None:
    """Holds every start of one pipeline, for a while or until resume."""
    from datetime import UTC, datetime

    from pipemend.cli import switches

    switches.pause(url, token, pipeline, switches.until_of(until, hours, datetime.now(UTC)), reason)


@app.command()
def resume(
    pipeline: Annotated[str, typer.Argument(help="factory/pipeline.")],
    token: Token,
    url: Url = "http://127.0.0.1:8000",
) -> None:
    """Ends the pause of one pipeline: what waited is judged again."""
    from pipemend.cli import switches

    switches.resume(url, token, pipeline)


Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("tickets")
def tickets_list(
    token: Token,
    url: Url = "http://127.0.0.1:8000",
    search: Annotated[
        str, typer.Option("--search", "-s", help="Words in it: id, pipeline, error, run, Jira issue.")
    ] = "",
    tab: Annotated[Tab | None, typer.Option(help="Only these.")] = None,
    pipeline: Annotated[str, typer.Option(help="Name of the pipeline or job.")] = "",
    connection: Annotated[str, typer.Option(help="Name of the factory or workspace.")] = "",
    platform: Annotated[str, typer.Option(help="data_factory or databricks.")] = "",
    error_type: Annotated[str, typer.Option(help="As GatewayTimeout.")] = "",
    severity: Annotated[str, typer.Option(help="Critical, High, Medium or Low.")] = "",
    team: Annotated[str, typer.Option(help="Whose they are.")] = "",
    sort: Annotated[str, typer.Option(help="newest, oldest, pipeline or severity.")] = "newest",
    page: Annotated[int, typer.Option(min=1, help="Which page.")] = 1,
    page_size: Annotated[int, typer.Option(min=1, max=200, help="Tickets on a page.")] = 50,
    as_json: Json = False,
) -> None:
    """Lists tickets, with the count of every tab."""
    from pipemend.cli.tickets import list_tickets

    asked = {"q": search, "tab": tab and str(tab), "pipeline": pipeline, "connection": connection, "platform": platform}
    asked |= {"error_type": error_type, "severity": severity, "team": team, "sort": sort}
    list_tickets(url, token, {**asked, "page": page, "page_size": page_size}, as_json=as_json)


TicketId = Annotated[str, typer.Argument(metavar="TICKET", help="Id of the ticket.")]
Proposal = Annotated[str | None, typer.Option(help="Only if this is still what is proposed: its id.")]


@app.command("ticket")
def ticket_show(ticket: TicketId, token: Token, url: Url = "http://127.0.0.1:8000", as_json: Json = False) -> None:
    """Shows one ticket: what broke and why, what was decided and tried, who did what."""
    from pipemend.cli.tickets import show_ticket

    show_ticket(url, token, ticket, as_json=as_json)


@app.command()
def approve(ticket: TicketId, token: Token, url: Url = "http://127.0.0.1:8000", proposal: Proposal = None) -> None:
    """Says yes to the one attempt that is proposed for a ticket."""
    from pipemend.cli.people import ask

    ask(url, token, ticket, "approve", {"proposal": proposal})


@app.command()
def reject(
    ticket: TicketId,
    token: Token,
    url: Url = "http://127.0.0.1:8000",
    proposal: Proposal = None,
    reason: Annotated[str, typer.Option(help=REASON)] = "",
) -> None:
    """Says no to what is proposed: nothing is run, and the ticket is left to people."""
    from pipemend.cli.people import ask

    ask(url, token, ticket, "reject", {"proposal": proposal, "reason": reason})


@app.command()
def ack(ticket: TicketId, token: Token, url: Url = "http://127.0.0.1:8000") -> None:
    """Closes a ticket. A rerun in flight may finish, no further attempt starts."""
    from pipemend.cli.people import ask

    ask(url, token, ticket, "acknowledge")


@app.command()
def retry(ticket: TicketId, token: Token, url: Url = "http://127.0.0.1:8000") -> None:
    """Grants one attempt beyond the limit."""
    from pipemend.cli.people import ask

    ask(url, token, ticket, "retry")


@app.command()
def stop(
    ticket: TicketId,
    token: Token,
    url: Url = "http://127.0.0.1:8000",
    cancel_run: Annotated[bool, typer.Option("--cancel-run", help="End the rerun too.")] = False,
) -> None:
    """Ends the automation of a ticket."""
    from pipemend.cli.people import ask

    ask(url, token, ticket, "stop", {"cancel_run": cancel_run})


@app.command()
def escalate(
    ticket: TicketId,
    token: Token,
    url: Url = "http://127.0.0.1:8000",
    reason: Annotated[str, typer.Option(help=REASON)] = "",
) -> None:
    """Hands a ticket over to people now. Automation stays off until a retry; a rerun in flight goes on."""
    from pipemend.cli.people import ask

    ask(url, token, ticket, "escalate", {"reason": reason})


@app.command()
def reopen(
    ticket: TicketId,
    token: Token,
    url: Url = "http://127.0.0.1:8000",
    reason: Annotated[str, typer.Option(help=REASON)] = "",
) -> None:
    """Opens a closed ticket again. Automation stays off until a retry."""
    from pipemend.cli.people import ask

    ask(url, token, ticket, "reopen", {"reason": reason})


@app.command()
def corrections(token: Token, url: Url = "http://127.0.0.1:8000") -> None:
    """Prints what people corrected, as labelled lines that `pipemend evaluate` reads."""
    from pipemend.cli.corrections import export

    export(url, token)


@playbooks.command("check")
def playbooks_check(
    file: Annotated[Path | None, typer.Argument(help="Your playbooks; without it those of PLAYBOOKS_FILE.")] = None,
) -> None:
    """Checks the playbooks and prints the effective waits."""
    from pipemend.cli.playbooks import check

    check(file)


@audit.command("verify")
def audit_verify(
    twin: Annotated[
        str | None, typer.Option(help="Address of a twin, or a file with its /twin/starts: its word is checked too.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    grace: Annotated[float, typer.Option(help="Seconds in which a closed ticket may still have messages to send.")] = (
        120.0
    ),
) -> None:
    """Reads the whole database, beside a running server, and names what breaks a rule; then it exits with 1."""
    from pipemend.cli.audit import verify

    raise typer.Exit(verify(twin, as_json=as_json, grace=grace))


@app.command()
def classify(
    text: Annotated[str | None, typer.Argument(help="The error text; without it standard input is read.")] = None,
    platform: Annotated[str, typer.Option(help="data_factory or databricks.")] = "data_factory",
    code: Annotated[str, typer.Option(help="Error code beside the text.")] = "",
    context: Annotated[str, typer.Option(help="Activity type or connector, if known.")] = "",
    jsonl: Annotated[Path | None, typer.Option(help="Many messages instead: a file of JSON lines.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where the answers to --jsonl go; else standard output.")] = None,
) -> None:
    """Says what the rules make of an error message. Needs no network, no database and no keys."""
    from pipemend.cli.classify import run

    raise typer.Exit(run(text, platform=platform, code=code, context=context, jsonl=jsonl, out=out))


@app.command()
def evaluate(labelled: Annotated[Path, typer.Argument(help="A file of labelled JSON lines.")]) -> None:
    """Measures the rules on labelled messages."""
    from rich.console import Console

    from pipemend.cli.evaluate import evaluate as measure

    measure(labelled, Console())
