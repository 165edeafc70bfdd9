"""Passwords: argon2, in threads of their own, four at a time, since each takes a tenth of a second and 64 MB."""

import asyncio
import secrets
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

LEAST, MOST = 12, 200
_HASHER = PasswordHash((Argon2Hasher(),))
_POOL = ThreadPoolExecutor(4, thread_name_prefix="passwords")


def objection(password: str, name: str) -> str | None:
    """Why it will not do."""
    if len(password) < LEAST:
        return f"A password has at least {LEAST} characters."
    if len(password) > MOST:
        return f"A password has at most {MOST} characters."
    if password.strip().lower() in (name.lower(), name.partition("@")[0].lower()) or len(set(password)) < 5:
        return "This password is too easy to guess."
    return None


async def hashed(password: str) -> str:
    return await asyncio.get_running_loop().run_in_executor(_POOL, _HASHER.hash, password)


async def fits(password: str, known: str | None) -> bool:
    """Takes as long for somebody who is not known, so that time tells nobody who is."""
    return await asyncio.get_running_loop().run_in_executor(_POOL, _fits, password, known)


def _fits(password: str, known: str | None) -> bool:
    good = _HASHER.verify(password[:MOST], known or _nobodys())
    return good and known is not None


@cache
def _nobodys() -> str:
    return _HASHER.hash(secrets.token_urlsafe(32))
