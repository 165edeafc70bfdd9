"""Tables that leave as files."""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from datetime import datetime

from starlette.responses import Response

from pipemend.core.clock import stamp

FORMULAS = ("=", "+", "-", "@", "\t", "\r")  # with these a spreadsheet takes a text for a formula


def csv_of(name: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> Response:
    """A file for spreadsheets. Texts that would be formulas there begin with an apostrophe."""
    lines = io.StringIO()
    writer = csv.writer(lines)
    writer.writerow(header)
    writer.writerows([_cell(value) for value in row] for row in rows)
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"', "Cache-Control": "no-store"}
    return Response(lines.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)


def as_text(value: object) -> object:
    """Times as we write them, collections as JSON."""
    if isinstance(value, datetime):
        return stamp(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value


def _cell(value: object) -> object:
    if value is None:
        return ""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULAS) else value
