"""The analyst: fills any JSON schema with what it finds in the prompt."""

import re
from typing import Any

from .prompt import Prompt

HINTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"\b504\b|gateway ?time-?out", ("GatewayTimeout",)),
    (r"\b429\b|too ?many ?requests|throttl|rate limit", ("ThrottlingError",)),
    (r"typeconversionfailure|converting value", ("UserErrorInvalidDataType", "DataConversionError", "TypeConversion")),
    (r"blob is missing|blob does not exist", ("UserErrorSourceBlobNotExists", "SourceBlobNotExists")),
    (r"login failed|invalid credentials", ("AuthenticationFailed",)),
    (r"deadlock", ("SqlDeadlock",)),
    (r"not currently available|transient", ("SqlTransientError",)),
    (r"didn't reach the server|connection was closed|unable to connect", ("HttpConnectionFailed",)),
    (r"integration runtime .* is offline", ("IntegrationRuntimeOffline",)),
    (r"column mapping cannot be found", ("SchemaMismatch",)),
    (r"internal error", ("InternalServerError",)),
)
TRANSIENT = r"time-?out|timed out|429|too ?many|throttl|deadlock|not currently available|didn't reach|retry"
WORDS = {
    "severity": "High",
    "priority": "P2",
    "confidence": "High",
    "owner": "data engineering",
}
PASSES = (
    "Run the pipeline again once; a failure of this kind often passes by itself.",
    "If it comes back, look at the service named in the message and at the activity's linked service.",
)
STAYS = (
    "Correct what the message names; the same run would fail again.",
    "Then run the pipeline from the failed activity on.",
)
LONGEST, QUOTED = 600, 120


def analyse(prompt: Prompt, given: dict[str, Any]) -> Any:
    """A value for the prompt's schema; `given` overrules what is found, by name."""
    schema = prompt.schema or {"type": "string"}
    return _Analyst(prompt, given, schema.get("$defs") or schema.get("definitions") or {}).value("answer", schema)


class _Analyst:
    def __init__(self, prompt: Prompt, given: dict[str, Any], definitions: dict[str, Any]) -> None:
        self._prompt = prompt
        self._given = given
        self._definitions = definitions

    def value(self, name: str, schema: dict[str, Any]) -> Any:
        schema = self._resolved(schema)
        if name in self._given:
            return self._given[name]
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return self._choice(name, schema["enum"])
        return self._of_type(name, _type(schema), schema)

    def _of_type(self, name: str, kind: str, schema: dict[str, Any]) -> Any:
        if kind == "object":
            return {key: self.value(key, inner) for key, inner in (schema.get("properties") or {}).items()}
        if kind == "array":
            return self._list(name, schema)
        if kind == "boolean":
            return bool(re.search(TRANSIENT, self._prompt.error_text, re.IGNORECASE))
        if kind in ("number", "integer"):
            return _number(schema, whole=kind == "integer")
        return None if kind == "null" else self._string(name, schema)

    def _resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Without references, and of several possibilities the first that is not null."""
        if "$ref" in schema:
            target = self._definitions.get(str(schema["$ref"]).rpartition("/")[2]) or {}
            return self._resolved({**target, **{k: v for k, v in schema.items() if k != "$ref"}})
        for word in ("anyOf", "oneOf", "allOf"):
            options = [option for option in schema.get(word) or [] if _type(option) != "null"]
            if options:
                return self._resolved(options[0])
        return schema

    def _choice(self, name: str, options: list[Any]) -> Any:
        """What the prompt speaks of, else what its error points to, else a usual word, else the first."""
        words = [option for option in options if isinstance(option, str)]
        named = _first_named(words, self._prompt.user)
        hinted = [word for pattern, types in HINTS if self._says(pattern) for word in types if word in words]
        usual = [word for word in words if word.lower() == WORDS.get(name, "").lower()]
        return next(iter([*hinted, *named, *usual, *options]))

    def _says(self, pattern: str) -> bool:
        return re.search(pattern, self._prompt.user, re.IGNORECASE) is not None

    def _list(self, name: str, schema: dict[str, Any]) -> list[Any]:
        items, least = self._resolved(schema.get("items") or {"type": "string"}), int(schema.get("minItems") or 0)
        most = int(schema.get("maxItems") or 10)
        if _type(items) != "string" or items.get("enum"):
            return [self.value(name, items) for _ in range(min(max(least, 1), most))]
        advice = PASSES if re.search(TRANSIENT, self._prompt.error_text, re.IGNORECASE) else STAYS
        count = min(max(least, len(advice)), most)
        return [_fit(advice[n % len(advice)], items) for n in range(count)]

    def _string(self, name: str, schema: dict[str, Any]) -> str:
        if schema.get("format") == "date-time":
            return "2025-11-24T03:10:22Z"
        return _fit(self._words(name), schema)

    def _words(self, name: str) -> str:
        if name in ("error_type", "errorType"):
            hinted = [types[0] for pattern, types in HINTS if self._says(pattern)]
            return hinted[0] if hinted else "Unclassified"
        if "entity" in name or "resource" in name:
            return _entity(self._prompt.error_text)
        if name == "quote":
            return _sentence(self._prompt.error_text)[:QUOTED].rpartition(" ")[0] or "nothing"
        return WORDS.get(name) or f"The activity failed and said: {_sentence(self._prompt.error_text)[:LONGEST]}"


def _sentence(text: str) -> str:
    """An error as prose: without the name and the quotation marks it may have had as a field of an object."""
    return re.sub(r'^\W*message"?\s*:\s*"?|"\W*$', "", text)


def _first_named(words: list[str], text: str) -> list[str]:
    """Those that the text names as whole words, in the order of the text."""
    found = [(match.start(), word) for word in words if (match := re.search(rf"\b{re.escape(word)}\b", text))]
    return [word for _, word in sorted(found)]


def _entity(text: str) -> str:
    """The first thing in quotation marks, which is how errors name things."""
    quoted = re.search(r"'([^']{3,120})'", text)
    return f"'{quoted[1]}'" if quoted else "the failed activity"


def _type(schema: dict[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), "null")
    if kind is None:
        kind = "object" if "properties" in schema else "string"
    return str(kind).lower()


def _number(schema: dict[str, Any], *, whole: bool) -> float | int:
    low = schema.get("minimum", schema.get("exclusiveMinimum", 0))
    high = schema.get("maximum", schema.get("exclusiveMaximum", low + 1))
    return int(high) if whole else round(low + (high - low) * 0.9, 4)


def _fit(text: str, schema: dict[str, Any]) -> str:
    most, least = int(schema.get("maxLength") or len(text)), int(schema.get("minLength") or 0)
    return text[:most].ljust(least, ".")
