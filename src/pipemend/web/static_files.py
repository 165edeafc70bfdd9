"""Stylesheet, script and icon: held in memory, named by their content, so that a browser keeps them for good."""

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import Response

from pipemend.web.problems import Refusal

FOLDER = Path(__file__).with_name("static")
TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class File:
    body: bytes
    packed: bytes
    mark: str
    media_type: str


@cache
def files() -> dict[str, File]:
    return {path.name: _file(path) for path in FOLDER.iterdir() if path.suffix in TYPES}


def _file(path: Path) -> File:
    body = path.read_bytes()
    return File(body, gzip.compress(body, mtime=0), hashlib.sha256(body).hexdigest()[:12], TYPES[path.suffix])


def address(name: str) -> str:
    """Where a page finds the file; another content has another address."""
    return f"/static/{name}?v={files()[name].mark}"


@router.get("/static/{name}")
async def static(request: Request, name: str) -> Response:
    file = files().get(name)
    if file is None:
        raise Refusal(404, "there is nothing here")
    known = request.query_params.get("v") == file.mark
    headers = {
        "Cache-Control": "public, max-age=31536000, immutable" if known else "no-cache",
        "Vary": "Accept-Encoding",
        "ETag": f'"{file.mark}"',
    }
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(file.packed, headers={**headers, "Content-Encoding": "gzip"}, media_type=file.media_type)
    return Response(file.body, headers=headers, media_type=file.media_type)
