"""What people see: plain pages, rendered here, kept alive by one small script."""

from fastapi import APIRouter

from pipemend.web.pages import (
    account,
    dashboard,
    figures,
    people,
    rules,
    sign_in,
    single_sign_on,
    system,
    ticket,
    trail,
    welcome,
)
from pipemend.web.pages.dashboard import Choices
from pipemend.web.pages.rendering import error_page

router = APIRouter(include_in_schema=False)
PARTS = (sign_in, single_sign_on, welcome, account, people, dashboard, figures, rules, trail, system, ticket)
for part in PARTS:
    router.include_router(part.router)

__all__ = ["Choices", "error_page", "router"]
