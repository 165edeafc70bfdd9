"""The part of JSON Schema in which triggers describe their requests. Another keyword is an error, not a blank."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

KINDS: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
}
KEYWORDS = {
    *("type", "properties", "required", "additionalProperties", "items"),
    *("pattern", "minLength", "maxLength", "enum", "minimum", "description"),
}


class BadSchema(ValueError):
    """A schema says what the twin cannot check."""


def check_schema(schema: Any) -> None:
    """Raises BadSchema."""
    if not isinstance(schema, dict):
        raise BadSchema("a schema is an object")
    if strange := set(schema) - KEYWORDS:
        raise BadSchema(f"schema: {', '.join(sorted(strange))} is not known; known: {', '.join(sorted(KEYWORDS))}")
    if schema.get("type", "object") not in KINDS:
        raise BadSchema(f"schema: the type {schema['type']!r} is not known")
    for inner in (*schema.get("properties", {}).values(), *([schema["items"]] if "items" in schema else ())):
        check_schema(inner)


def faults(schema: Mapping[str, Any], value: Any, at: str = "") -> Iterator[str]:
    """What about a value is against the schema, in the words of the service."""
    kind = schema.get("type")
    if kind is not None and not _is(kind, value):
        yield f"Invalid type. Expected {str(kind).capitalize()} but got {type(value).__name__}. Path '{at}'."
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"Value is not defined in enum. Path '{at}'."
    if isinstance(value, str):
        yield from _of_text(schema, value, at)
    if isinstance(value, int | float) and value < schema.get("minimum", value):
        yield f"{value} is less than minimum value of {schema['minimum']}. Path '{at}'."
    if isinstance(value, dict):
        yield from _of_object(schema, value, at)
    if isinstance(value, list) and "items" in schema:
        for number, one in enumerate(value):
            yield from faults(schema["items"], one, f"{at}[{number}]")


def _is(kind: str, value: Any) -> bool:
    return isinstance(value, KINDS[kind]) and (kind == "boolean" or not isinstance(value, bool))


def _of_text(schema: Mapping[str, Any], value: str, at: str) -> Iterator[str]:
    if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
        yield f"String has a wrong length. Path '{at}'."
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield f"String does not match regex pattern '{schema['pattern']}'. Path '{at}'."


def _of_object(schema: Mapping[str, Any], value: Mapping[str, Any], at: str) -> Iterator[str]:
    known: Mapping[str, Any] = schema.get("properties", {})
    if missing := [name for name in schema.get("required", ()) if name not in value]:
        yield f"Required properties are missing from object: {', '.join(missing)}. Path '{at}'."
    for name, inner in value.items():
        if name in known:
            yield from faults(known[name], inner, f"{at}.{name}" if at else name)
        elif schema.get("additionalProperties") is False:
            yield f"Property '{name}' has not been defined. Path '{at}'."
