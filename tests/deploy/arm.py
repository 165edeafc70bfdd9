"""What of an ARM template can be checked without Azure: its shape, its expressions, and that it shows no secret."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pipemend.twin.logic_apps.language.syntax import Function, Literal, read, walk

SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
SECTIONS = {"$schema", "contentVersion", "metadata", "parameters", "variables", "functions", "resources", "outputs"}
PARAMETER = {"type", "defaultValue", "allowedValues", "minLength", "maxLength", "minValue", "maxValue", "metadata"}
RESOURCE = {
    *("type", "apiVersion", "name", "location", "kind", "identity", "sku", "properties", "dependsOn", "scope", "tags"),
    "condition",
}
TYPES = ("string", "secureString", "int", "bool", "object", "array")
API_VERSION = re.compile(r"20\d\d-\d\d-\d\d(-preview)?")
SECRET = re.compile(r"password|secret|token|key$", re.IGNORECASE)
FUNCTIONS = {
    *("concat", "format", "guid", "if", "empty", "json", "createObject", "createArray", "uniqueString", "toLower"),
    *("parameters", "variables", "reference", "resourceId", "subscriptionResourceId", "extensionResourceId"),
    *("resourceGroup", "subscription", "tenant", "environment", "equals", "not", "and", "or", "union", "map", "lambda"),
    *("lambdaVariables", "take", "string", "uriComponent"),
}


def faults(template: Mapping[str, Any]) -> Iterator[str]:
    """Everything that is wrong with it."""
    if strange := set(template) - SECTIONS:
        yield f"unknown sections {strange}"
    if (template.get("$schema"), template.get("contentVersion")) != (SCHEMA, "1.0.0.0"):
        yield "schema or version"
    yield from _parameters(template)
    for resource in template["resources"]:
        yield from _resource(resource)
    yield from _expressions(template)
    yield from _outputs(template)


def expressions(value: Any) -> Iterator[str]:
    """Every `[expression]` below a value, without its brackets."""
    if isinstance(value, str):
        if value.startswith("[") and not value.startswith("[["):
            yield value[1:-1] if value.endswith("]") else value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from expressions(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from expressions(inner)


def calls(value: Any) -> Iterator[Function]:
    """Every call of a function below a value."""
    for text in expressions(value):
        yield from (node for node in walk(read(f"@{text}")) if isinstance(node, Function))


def names(value: Any, function: str) -> set[str]:
    """What the calls of `parameters` or `variables` below a value name."""
    return {
        str(call.arguments[0].value)
        for call in calls(value)
        if call.name == function and isinstance(call.arguments[0], Literal)
    }


def _parameters(template: Mapping[str, Any]) -> Iterator[str]:
    for name, one in template.get("parameters", {}).items():
        if strange := set(one) - PARAMETER:
            yield f"parameter {name}: {strange}"
        if one.get("type") not in TYPES:
            yield f"parameter {name}: type {one.get('type')}"
        if not one.get("metadata", {}).get("description"):
            yield f"parameter {name}: nobody is told what it is"
        if one["type"] == "secureString" and one.get("defaultValue"):
            yield f"parameter {name}: a secret has no default"
        if one["type"] == "string" and SECRET.search(name):
            yield f"parameter {name}: a secret is a secureString"


def _resource(resource: Mapping[str, Any]) -> Iterator[str]:
    kind = resource.get("type", "?")
    if strange := set(resource) - RESOURCE:
        yield f"{kind}: {strange}"
    if not API_VERSION.fullmatch(str(resource.get("apiVersion"))):
        yield f"{kind}: apiVersion"
    if not resource.get("name"):
        yield f"{kind}: name"


def _expressions(template: Mapping[str, Any]) -> Iterator[str]:
    for section, function in (("parameters", "parameters"), ("variables", "variables")):
        said, used = set(template.get(section, {})), names(template, function)
        if said != used:
            yield f"{section}: {said ^ used} are not both declared and used"
    for call in calls(template):
        if call.name not in FUNCTIONS:
            yield f"the function {call.name} is not known"


def _outputs(template: Mapping[str, Any]) -> Iterator[str]:
    secrets = {name for name, one in template.get("parameters", {}).items() if one["type"].startswith("secure")}
    outputs = template.get("outputs", {})
    if shown := secrets & names(outputs, "parameters"):
        yield f"outputs show {shown}"
    for call in calls(outputs):
        if call.name.startswith("list"):
            yield f"outputs show what {call.name} gives"
