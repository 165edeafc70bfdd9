"""The figures: how often repair succeeds, how fast, of what, and day by day."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request
from starlette.responses import Response

from pipemend.store import reports
from pipemend.web.auth import Served, Viewer
from pipemend.web.pages.rendering import frame_in, show
from pipemend.web.pages.ticket import SAID

DAYS = 30
WIDTH, HEIGHT, GAP = 900, 160, 6
router = APIRouter()


@dataclass(frozen=True, slots=True)
class Bar:
    """A day in the chart: heights in its units, from the bottom healed, escalated, others."""

    day: date
    x: float
    width: float
    parts: tuple[tuple[str, float, float], ...]  # tone, y, height
    words: str


@router.get("/dashboard/metrics")
async def metrics(request: Request, services: Served, user: Viewer) -> Response:
    def ask(db: sa.Connection) -> Response:
        frame = frame_in(db, services, user)
        days = whole_days(reports.per_day(db, DAYS), frame.now)
        return show(
            request,
            "metrics.html",
            frame,
            success_rate=reports.success_rate(db),
            mttr=reports.avg_mttr_minutes(db),
            healed=sum(day["auto_remediated"] for day in days),
            escalated=sum(day["escalated"] for day in days),
            opened=sum(day["tickets"] for day in days),
            days=list(reversed(days)),
            bars=bars_of(days),
            top=top_of(days),
            size=(WIDTH, HEIGHT),
            errors=reports.top_errors(db),
            recent=reports.recent_attempts(db),
            said=SAID,
        )

    return await services.database.read(ask)


def whole_days(rows: Sequence[Mapping[str, Any]], now: datetime) -> list[Mapping[str, Any]]:
    """The last thirty days, oldest first, those without a ticket included."""
    known = {row["day"]: row for row in rows}
    names = [f"{now.date() - timedelta(days=back):%Y-%m-%d}" for back in reversed(range(DAYS))]
    return [known.get(name, {"day": name, "tickets": 0, "auto_remediated": 0, "escalated": 0}) for name in names]


def top_of(days: Sequence[Mapping[str, Any]]) -> int:
    """The highest number of the scale: a round one not below any day's."""
    most = max((day["tickets"] for day in days), default=0)
    step = 10 ** max(len(str(most)) - 1, 0)
    return next(int(step * n) for n in (1, 2, 3, 4, 5, 6, 8, 10) if step * n >= most)


def bars_of(days: Sequence[Mapping[str, Any]]) -> list[Bar]:
    scale, slot = HEIGHT / top_of(days), WIDTH / len(days)
    return [_bar(day, number * slot + GAP / 2, slot - GAP, scale) for number, day in enumerate(days)]


def _bar(day: Mapping[str, Any], x: float, width: float, scale: float) -> Bar:
    rest = day["tickets"] - day["auto_remediated"] - day["escalated"]
    counted = (("healed", day["auto_remediated"]), ("escalated", day["escalated"]), ("rest", rest))
    parts, y = [], float(HEIGHT)
    for tone, count in counted:
        if count > 0:
            y -= count * scale
            parts.append((tone, round(y, 1), round(count * scale, 1)))
    when = date.fromisoformat(day["day"])
    words = f"{when:%d %b}: {day['tickets']} tickets, {day['auto_remediated']} healed, {day['escalated']} escalated"
    return Bar(when, round(x, 1), round(width, 1), tuple(parts), words)
