"""Log lines: facts with fields, and never a secret."""

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pipemend.core.clock import stamp
from pipemend.core.scrub import scrub

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
# Libraries that log whole addresses or bodies when asked for more than warnings.
_LOUD = ("httpx", "httpx2", "httpcore", "azure", "slack_sdk", "urllib3", "dbos", "google_genai", "alembic", "asyncio")


class TextLine(logging.Formatter):
    """For people: time, level, words, then the fields."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S")
        fields = "".join(f" {key}={value}" for key, value in _fields(record).items())
        line = f"{at} {record.levelname.lower():<8} {record.getMessage()}{fields}"
        return scrub(f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line)


class JsonLine(logging.Formatter):
    """For machines: one object per line."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": stamp(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": scrub(record.getMessage()),
            **{key: scrub(str(value)) for key, value in _fields(record).items()},
        }
        if record.exc_info:
            line["traceback"] = scrub(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)


def _fields(record: logging.LogRecord) -> Mapping[str, Any]:
    return {key: value for key, value in vars(record).items() if key not in _STANDARD}


def set_up(form: str = "text") -> None:
    """From now on log lines go to stderr in this form."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLine() if form == "json" else TextLine())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name in _LOUD:
        logging.getLogger(name).setLevel(logging.WARNING)
