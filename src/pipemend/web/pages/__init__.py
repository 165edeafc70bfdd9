"""What people see: plain pages, rendered here, kept alive by one small script."""

from fastapi import APIRouter

from pipemend.web.pages import dashboard, sign_in
from pipemend.web.pages.rendering import error_page

router = APIRouter(include_in_schema=False)
router.include_router(sign_in.router)
router.include_router(dashboard.router)

__all__ = ["error_page", "router"]
