"""Tickets through the API of a running server: a list, and one with its story."""

import json
from typing import Any
from urllib.parse import quote, urlencode

from rich.console import Console
from rich.text import Text

from pipemend.cli.remote import call
from pipemend.cli.screen import ago, block, console, say, state, table, text
from pipemend.core.badge import TAB_NAMES
from pipemend.core.spans import span

MOST = 200  # lines of an audit trail, and attempts


def list_tickets(url: str, token: str, asked: dict[str, Any], *, as_json: bool) -> None:
    """A page of tickets that fit what is `asked`; empty values ask for nothing."""
    wanted = {name: value for name, value in asked.items() if value not in (None, "")}
    told = call(url, token, "GET", f"/api/tickets?{urlencode(wanted)}")
    if as_json:
        print(json.dumps(told, indent=2))
        return
    out = console()
    out.print(_tabs(told["counts"], str(wanted.get("tab", ""))))
    rows = table("Ticket", "Pipeline", "Error", "Severity", "State", "Tries", "Open for", "Who")
    for name in ("Ticket", "State", "Tries"):
        next(column for column in rows.columns if column.header == name).no_wrap = True
    for ticket in told["tickets"]:
        rows.add_row(*_row(ticket))
    if told["tickets"]:
        out.print(rows)
    out.print(text(_how_many(told), "dim"))


def show_ticket(url: str, token: str, ticket_id: str, *, as_json: bool) -> None:
    """One ticket: what broke and why, what was decided and tried, who did what. Raises NotFound."""
    path = f"/api/tickets/{quote(ticket_id, safe='')}"
    ticket = call(url, token, "GET", path)
    attempts = call(url, token, "GET", f"{path}/remediation-history?page_size={MOST}")["attempts"]
    wanted = urlencode({"ticket_id": ticket_id, "page_size": MOST})
    trail = call(url, token, "GET", f"/api/audit-trail?{wanted}")["entries"]
    if as_json:
        print(json.dumps({"ticket": ticket, "attempts": attempts, "audit": trail}, indent=2))
        return
    out = console()
    _head(out, ticket)
    _why(out, ticket)
    _decision(out, ticket)
    _handover(out, ticket)
    _attempts(out, attempts)
    _trail(out, trail)


def _tabs(counts: dict[str, int], chosen: str) -> Text:
    said = [
        Text(f"{name} {counts.get(tab, 0)}", "bold reverse" if tab == chosen else "") for tab, name in TAB_NAMES.items()
    ]
    return Text("   ").join(said)


def _row(ticket: dict[str, Any]) -> tuple[Text, ...]:
    tries = ticket["remediation_attempts"]
    most = ticket["max_attempts"]
    closed = ticket["ack_seconds"] is not None
    return (
        text(ticket["id"]),
        text(f"{ticket['display_resource']}/{ticket['pipeline']}"),
        text(ticket["error_type"]),
        text(ticket["severity"], "red" if ticket["severity"] == "Critical" else ""),
        state(ticket),
        text(f"{tries}/{most}" if most else tries or ""),
        text(span(ticket["ack_seconds"]) if closed else ago(ticket["timestamp"]), _late(ticket)),
        text(ticket["ack_user"] or ticket["finops_team"]),
    )


def _late(ticket: dict[str, Any]) -> str:
    return "red" if ticket["sla_status"] == "Breached" else ""


def _how_many(told: dict[str, Any]) -> str:
    if not told["total"]:
        return "No ticket fits."
    first = (told["page"] - 1) * told["page_size"] + 1
    last = first + len(told["tickets"]) - 1
    return f"{first} to {last} of {told['total']}" if told["tickets"] else f"{told['total']} fit, none on this page"


def _head(out: Console, ticket: dict[str, Any]) -> None:
    name = text(f"{ticket['display_resource']}/{ticket['pipeline']}", "bold")
    say(out, Text("  ").join((name, state(ticket))))
    opened = f"opened {ago(ticket['timestamp'])} ago"
    sla = f"SLA {span(ticket['sla_seconds'])}, {ticket['sla_status'].lower()}"
    say(out, text(f"{ticket['id']} · {ticket['severity']} · {ticket['priority']} · {opened} · {sla}", "dim"))
    facts = {
        "Run": ticket["run_link"] or ticket["run_id"],
        "Rerun": ticket["remediation_run_id"],
        "Closed by": ticket["ack_user"],
        "Jira": ticket["itsm_ticket_id"],
        "Merged into": ticket["merged_into"],
        "Automation": ticket["hands_off"],
        "Now": ticket["awaits"],
    }
    for label, value in facts.items():
        if value:
            say(out, Text(f"{label}: ", "bold") + text(value))


def _why(out: Console, ticket: dict[str, Any]) -> None:
    _title(out, "Why")
    say(out, text(ticket["error_type"], "bold"))
    say(out, block(ticket["rca_result"] or "Not known yet."))
    if ticket["error_message"] and ticket["error_message"] not in (ticket["rca_result"] or ""):
        say(out, block(ticket["error_message"], "dim"))
    for line in ticket["recommendations"]:
        say(out, text(f"• {line}"))


def _decision(out: Console, ticket: dict[str, Any]) -> None:
    taken = ticket["decision"]
    if taken:
        _title(out, "Decision")
        say(out, text(f"{taken.get('answer')}: {taken.get('why') or 'every guardrail agrees'}"))
        for word in taken.get("words") or ():
            mark, style = ("✗", "red") if word.get("objects") else ("✓", "green")
            say(out, Text(f"{mark} ", style) + text(word.get("says") or word.get("guardrail")))
    if ticket["approval"] == "awaiting" and ticket["proposal"]:
        asked = ticket["proposal"]
        said = (
            f"Attempt {asked.get('number')} ({asked.get('action')}) needs a yes until {ticket['approval_expires_at']}:"
        )
        say(out, text(said, "yellow"))
        say(out, text(f"pipemend approve {ticket['id']} --proposal {asked.get('id')}", "yellow"))


def _handover(out: Console, ticket: dict[str, Any]) -> None:
    if ticket["handover"]:
        _title(out, "What people need to know")
    for line in ticket["handover"] or ():
        link = f" ({line['link']})" if line["link"] else ""
        say(out, Text(f"{line['label']}: ", "bold") + text(f"{line['says']}{link}"))


def _attempts(out: Console, attempts: list[dict[str, Any]]) -> None:
    if not attempts:
        return
    _title(out, "Attempts")
    rows = table("#", "Action", "Status", "Started", "Took", "Rerun", "By", "Why")
    for one_try in attempts:
        rows.add_row(
            text(one_try["attempt_number"]),
            text((one_try["remediation_action"] or "").replace("_", " ")),
            text(one_try["status"].replace("_", " ")),
            text(one_try["started_at"][:19]),
            text(span(one_try["duration_seconds"])),
            text(one_try["remediation_run_id"]),
            text(one_try["approved_by"] or one_try["by"]),
            text((one_try["failure_reason"] or one_try["awaits"] or "")[:200]),
        )
    out.print(rows)


def _trail(out: Console, trail: list[dict[str, Any]]) -> None:
    if not trail:
        return
    _title(out, "Audit trail")
    rows = table("When", "What", "Who", "Details")
    for line in reversed(trail):
        why = (line["details"] or {}).get("reason") or (line["details"] or {}).get("why")
        when, what = line["timestamp"][:19], line["action"].replace("_", " ")
        rows.add_row(text(when), text(what), text(line["user_name"]), text(why))
    out.print(rows)


def _title(out: Console, words: str) -> None:
    out.print()
    out.print(Text(words, "bold underline"))
