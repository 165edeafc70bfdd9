"""Checks of this machine: the data folder and the database."""

import asyncio
import contextlib
import os
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from pipemend.bootstrap import open_database
from pipemend.core.checkup import Amiss, Chain, Check
from pipemend.core.errors import SettingsError
from pipemend.settings import Settings
from pipemend.store.migrate import check

MOUNTS = Path("/proc/mounts")
# SQLite's locks and its write-ahead log need a disk of this machine: https://sqlite.org/wal.html
SHARES = ("nfs", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "fuse.sshfs", "9p", "ceph", "glusterfs", "afs")
SHARE_KINDS = (*SHARES, "fuse.glusterfs", "fuse.blobfuse", "fuse.blobfuse2", "fuse.s3fs", "fuse.rclone")


def chains(settings: Settings, mounts: Path = MOUNTS) -> Sequence[Chain]:
    """On PostgreSQL nothing is kept in the data folder."""
    mend = "look at DATABASE_URL, and whether the server runs and lets this machine in"
    database = Check("Database", partial(asyncio.to_thread, _database, settings), mend)
    if not settings.database.startswith("sqlite"):
        return [[database]]
    folder = Path(settings.database.removeprefix("sqlite:///")).parent
    look = partial(asyncio.to_thread, _folder, folder, mounts)
    return [[Check("Data folder", look, "set PIPEMEND_DATA_DIR to a folder of this machine"), database]]


def _folder(folder: Path, mounts: Path) -> str:
    with contextlib.suppress(OSError):
        if kind := share(folder, mounts.read_text(errors="replace")):
            raise Amiss(
                f"{folder} is on a network share ({kind}), where SQLite loses data",
                "set PIPEMEND_DATA_DIR to a folder on a disk of this machine, or use PostgreSQL (DATABASE_URL)",
            )
    there = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise Amiss(
            f"{folder} cannot be written ({error.strerror})",
            f"let this user write to {there}, or set PIPEMEND_DATA_DIR",
        ) from None
    return f"{folder} can be written" if there == folder.absolute() else f"{folder} can be made"


def share(folder: Path, mounts: str) -> str | None:
    """The kind of network share that a folder is on, by the lines of /proc/mounts; None for a disk of this machine."""
    path = os.path.realpath(folder)
    best, kind = "", ""
    for line in mounts.splitlines():
        parts = line.split(" ")
        if len(parts) < 3:
            continue
        point = parts[1].replace("\\040", " ")
        if len(point) >= len(best) and (point == "/" or f"{path}/".startswith(f"{point}/")):
            best, kind = point, parts[2]
    return kind if kind in SHARE_KINDS else None


def _database(settings: Settings) -> str:
    """Looks without making anything. Raises SettingsError or Amiss."""
    sqlite = settings.database.startswith("sqlite")
    if sqlite and not Path(settings.database.removeprefix("sqlite:///")).exists():
        return "SQLite; its file is made at the first start"
    try:
        database = open_database(settings)
    except SettingsError as error:
        if not sqlite:
            raise
        raise Amiss(str(error), "look whose the file is, and whether it is a whole database of SQLite") from None
    try:
        check(database)
    except SettingsError:
        if sqlite:
            return "SQLite; older than this release, and brought up to date at the next start"
        raise Amiss("the tables are missing or older than this release", "run 'pipemend migrate'") from None
    finally:
        database.close()
    return f"{'SQLite' if sqlite else 'PostgreSQL'}, and its tables are those of this release"
