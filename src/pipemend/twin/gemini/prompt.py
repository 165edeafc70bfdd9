"""What a request to Gemini says and asks for."""

import re
from dataclasses import dataclass
from typing import Any

RCA_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "root_cause": {"type": "string"},
        "error_type": {"type": "string"},
        "affected_entity": {"type": "string"},
        "severity": {"type": "string"},
        "priority": {"type": "string"},
        "confidence": {"type": "string"},
        "recommendations": {"type": "array", "items": {"type": "string"}},
    },
}


@dataclass(frozen=True)
class Prompt:
    """`user` is what is asked, `system` the standing orders; the answer goes into `function` when that is set."""

    user: str
    system: str
    schema: dict[str, Any] | None
    function: str | None

    @property
    def error_text(self) -> str:
        """The part of the prompt that reads most like an error."""
        lines = [line.strip() for line in re.split(r"[\r\n]+", self.user) if line.strip()]
        return max(lines, key=_reads_like_an_error, default="nothing was said")


def read_prompt(body: dict[str, Any]) -> Prompt:
    config = body.get("generationConfig") or {}
    function = _function(body)
    schema = _parameters(function) if function else config.get("responseJsonSchema") or config.get("responseSchema")
    if schema is None and config.get("responseMimeType") == "application/json":
        schema = RCA_SCHEMA
    user = "\n".join(text for content in body.get("contents") or [] for text in _texts(content))
    system = "\n".join(_texts(body.get("systemInstruction") or {}))
    return Prompt(user, system, schema, function.get("name") if function else None)


def _texts(content: dict[str, Any]) -> list[str]:
    return [str(part["text"]) for part in content.get("parts") or [] if "text" in part]


def _function(body: dict[str, Any]) -> dict[str, Any] | None:
    """The function that must be called: one of those allowed, the final result before others."""
    calling = (body.get("toolConfig") or {}).get("functionCallingConfig") or {}
    declared: list[dict[str, Any]] = [
        f for tool in body.get("tools") or [] for f in tool.get("functionDeclarations") or []
    ]
    allowed = calling.get("allowedFunctionNames") or [f.get("name") for f in declared]
    usable = [f for f in declared if f.get("name") in allowed]
    if calling.get("mode") != "ANY" or not usable:
        return None
    return next((f for f in usable if f.get("name") == "final_result"), usable[0])


def _parameters(function: dict[str, Any]) -> dict[str, Any]:
    return dict(function.get("parametersJsonSchema") or function.get("parameters") or {"type": "object"})


def _reads_like_an_error(line: str) -> tuple[int, int]:
    words = ("error", "fail", "exception", "timeout", "timed out", "refused", "denied", "missing", "invalid", "429")
    return sum(word in line.lower() for word in words), min(len(line), 2000)
