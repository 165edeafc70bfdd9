"""Pages of the platforms on which people look at runs."""

from urllib.parse import quote, urlsplit

from pipemend.core.ticket import Ticket

PAGES = {"data_factory": "Data Factory Studio", "databricks": "Databricks"}
WORK = {"databricks": "Job"}
LONGEST = 2000


def web_link(address: str | None) -> str | None:
    """The address if it leads to the web; one from outside may be anything."""
    try:
        parts = urlsplit(address or "")
    except ValueError:
        return None
    return address if parts.scheme in ("https", "http") and parts.netloc else None


def run_page(ticket: Ticket, run_id: str | None) -> str | None:
    """Where a run of the ticket's pipeline is shown: the ticket's own, or a rerun.

    A platform's pages for two runs of one pipeline differ in the run's id alone. A repair is on its run's page, and its
    id begins with that run's.
    """
    whole = web_link(ticket.run_link)
    if whole is None or not run_id or len(whole) > LONGEST:
        return None
    if run_id == ticket.run_id or run_id.startswith(f"{ticket.run_id}:"):
        return whole
    own, other = (quote(run, safe="", errors="replace") for run in (ticket.run_id, run_id))
    return whole.replace(own, other) if own and own in whole else None


def page_name(platform: str) -> str:
    """What people call the place where its runs are shown."""
    return PAGES.get(platform, platform.replace("_", " ").capitalize())


def work_name(platform: str) -> str:
    """What a platform calls what it runs."""
    return WORK.get(platform, "Pipeline")
