"""What a request to Gemini says and asks for."""

import re
from dataclasses import dataclass
from typing import Any

from ..wire import items, within

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
    function = _function(body)
    schema = _parameters(function) if function else _answer_schema(_object(body, "generationConfig"))
    user = "\n".join(text for content in items(body, "contents") for text in _texts(content))
    system = "\n".join(_texts(_object(body, "systemInstruction")))
    return Prompt(user, system, schema, str(function.get("name")) if function else None)


def _answer_schema(config: dict[str, Any]) -> dict[str, Any] | None:
    schema = _object(config, "responseJsonSchema") or _object(config, "responseSchema")
    wants_json = config.get(_name(config, "responseMimeType")) == "application/json"
    return schema or (RCA_SCHEMA if wants_json else None)


def _texts(content: dict[str, Any]) -> list[str]:
    return [str(part["text"]) for part in items(content, "parts") if "text" in part]


def _function(body: dict[str, Any]) -> dict[str, Any] | None:
    """The function that must be called: one of those allowed, the final result before others."""
    calling = _object(_object(body, "toolConfig"), "functionCallingConfig")
    declared = [f for tool in items(body, "tools") for f in items(tool, _name(tool, "functionDeclarations"))]
    allowed = calling.get(_name(calling, "allowedFunctionNames")) or [f.get("name") for f in declared]
    usable = [f for f in declared if f.get("name") in allowed]
    if calling.get("mode") != "ANY" or not usable:
        return None
    return next((f for f in usable if f.get("name") == "final_result"), usable[0])


def _parameters(function: dict[str, Any]) -> dict[str, Any]:
    return _object(function, "parametersJsonSchema") or _object(function, "parameters") or {"type": "object"}


def _object(data: dict[str, Any], name: str) -> dict[str, Any]:
    return within(data, _name(data, name))


def _name(data: dict[str, Any], name: str) -> str:
    """Google reads a name in camel case and in snake case, and its library sends both."""
    return name if name in data else re.sub(r"[A-Z]", lambda found: "_" + found[0].lower(), name)


def _reads_like_an_error(line: str) -> tuple[bool, int, int]:
    words = ("error", "fail", "exception", "timeout", "timed out", "refused", "denied", "missing", "invalid", "429")
    told = line.startswith('"message"')
    return told, sum(word in line.lower() for word in words), min(len(line), 2000)
