"""Users, from the command line: it writes to the database itself, also beside a running server."""

from functools import partial

from rich.console import Console
from rich.table import Table

from pipemend.cli.tables import BY, write
from pipemend.core.clock import WallClock, stamp
from pipemend.flows import users
from pipemend.settings import Settings
from pipemend.store import people
from pipemend.store.rows import Row


def add(name: str, role: str) -> None:
    """Raises Stale for a name that is taken, or none, and for an unknown role."""
    link = write(partial(users.add, name=name, role=role, by=BY, now=WallClock().now()))
    _tell(f"{name} is {role}. With this link they set a password, once, within 24 hours:", link)


def reset(name: str) -> None:
    """Raises NotFound and Stale."""
    link = write(partial(users.reset, name=name, by=BY, now=WallClock().now()))
    _tell(f"The password and every session of {name} have ended. With this link they set another:", link)


def give_role(name: str, role: str) -> None:
    """Raises NotFound and Stale."""
    write(partial(users.give_role, name=name, role=role, by=BY, now=WallClock().now()))
    print(f"{name} is {role} now.")


def disable(name: str) -> None:
    """Raises NotFound."""
    write(partial(users.disable, name=name, by=BY, now=WallClock().now()))
    print(f"{name} is let in no more.")


def show() -> None:
    table = Table("Name", "Role", "Signs in", "Made")
    for row in write(people.all_of):
        table.add_row(row.name, row.role, _way(row), stamp(row.created_at))
    Console().print(table)


def _way(row: Row) -> str:
    if row.disabled_at:
        return f"disabled since {stamp(row.disabled_at)}"
    if row.issuer:
        return f"at {row.issuer}"
    return "with a password" if row.password_hash else "has not set a password yet"


def _tell(words: str, link: str) -> None:
    settings = Settings.load()
    base = settings.public_url or f"http://{settings.pipemend_host}:{settings.pipemend_port}"
    print(words)
    print(f"{base}/welcome?link={link}")
