"""What `make assets` has built: held in memory, named by its content, so that a browser keeps it for good."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import Response

from pipemend.core.errors import SettingsError
from pipemend.web.problems import Refusal

FOLDER = Path(__file__).with_name("static")
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".map": "application/json",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
PACKED = {"br": ".br", "gzip": ".gz"}  # the best first
LASTING = "public, max-age=31536000, immutable"
router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class File:
    """A file in each form it is sent in; `packed` by its content encoding."""

    body: bytes
    media_type: str
    packed: Mapping[str, bytes] = field(default_factory=dict)


@cache
def files() -> Mapping[str, File]:
    """Every file by its hashed name."""
    return {path.name: _file(path) for path in FOLDER.iterdir() if path.suffix in TYPES}


def _file(path: Path) -> File:
    forms = {name: path.with_name(path.name + end) for name, end in PACKED.items()}
    packed = {name: form.read_bytes() for name, form in forms.items() if form.is_file()}
    return File(path.read_bytes(), TYPES[path.suffix], packed)


@cache
def names() -> Mapping[str, str]:
    """The hashed name of each file by its plain one. Raises SettingsError where nothing was built."""
    try:
        told: dict[str, str] = json.loads((FOLDER / "manifest.json").read_text())
    except FileNotFoundError:
        raise SettingsError("the dashboard's files are not there: run 'make assets'") from None
    return told


def address(name: str) -> str:
    """Where a page finds the file; another content has another address."""
    return f"/static/{names()[name]}"


@router.get("/static/{name}")
async def static(request: Request, name: str) -> Response:
    file = files().get(name)
    if file is None:
        raise Refusal(404, "there is nothing here")
    headers = {"Cache-Control": LASTING, "Vary": "Accept-Encoding"}
    accepted = {word.split(";")[0].strip() for word in request.headers.get("accept-encoding", "").split(",")}
    for encoding, body in file.packed.items():
        if encoding in accepted:
            return Response(body, headers={**headers, "Content-Encoding": encoding}, media_type=file.media_type)
    return Response(file.body, headers=headers, media_type=file.media_type)
