"""The dashboard."""

from fastapi import APIRouter
from starlette.responses import Response

from pipemend.web.auth import Viewer
from pipemend.web.pages.rendering import render

router = APIRouter()


@router.get("/dashboard")
async def dashboard(user: Viewer) -> Response:
    return render("error.html", status=200, title="Dashboard", detail=user.name)
