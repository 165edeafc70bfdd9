"""What people see: plain pages, rendered here, kept alive by one small script."""

from fastapi import APIRouter

from pipemend.web.pages import dashboard, figures, rules, sign_in, system, ticket, trail
from pipemend.web.pages.dashboard import Choices
from pipemend.web.pages.rendering import error_page

router = APIRouter(include_in_schema=False)
for part in (sign_in, dashboard, figures, rules, trail, system, ticket):
    router.include_router(part.router)

__all__ = ["Choices", "error_page", "router"]
