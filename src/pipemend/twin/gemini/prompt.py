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
    config = _field(body, "generationConfig") or {}
    function = _function(body)
    schema = _parameters(function) if function else _answer_schema(config)
    user = "\n".join(text for content in body.get("contents") or [] for text in _texts(content))
    system = "\n".join(_texts(_field(body, "systemInstruction") or {}))
    return Prompt(user, system, schema, function.get("name") if function else None)


def _answer_schema(config: dict[str, Any]) -> dict[str, Any] | None:
    schema = _field(config, "responseJsonSchema") or _field(config, "responseSchema")
    if schema is None and _field(config, "responseMimeType") == "application/json":
        return RCA_SCHEMA
    return dict(schema) if schema else None


def _texts(content: dict[str, Any]) -> list[str]:
    return [str(part["text"]) for part in content.get("parts") or [] if "text" in part]


def _function(body: dict[str, Any]) -> dict[str, Any] | None:
    """The function that must be called: one of those allowed, the final result before others."""
    calling = _field(_field(body, "toolConfig") or {}, "functionCallingConfig") or {}
    declared = [dict(f) for tool in body.get("tools") or [] for f in _field(tool, "functionDeclarations") or []]
    allowed = _field(calling, "allowedFunctionNames") or [f.get("name") for f in declared]
    usable = [f for f in declared if f.get("name") in allowed]
    if calling.get("mode") != "ANY" or not usable:
        return None
    return next((f for f in usable if f.get("name") == "final_result"), usable[0])


def _parameters(function: dict[str, Any]) -> dict[str, Any]:
    return dict(_field(function, "parametersJsonSchema") or _field(function, "parameters") or {"type": "object"})


def _field(data: dict[str, Any], name: str) -> Any:
    """Google reads a name in camel case and in snake case, and its library sends both."""
    return data.get(name, data.get(re.sub(r"[A-Z]", lambda found: "_" + found[0].lower(), name)))


def _reads_like_an_error(line: str) -> tuple[int, int]:
    words = ("error", "fail", "exception", "timeout", "timed out", "refused", "denied", "missing", "invalid", "429")
    return sum(word in line.lower() for word in words), min(len(line), 2000)
