"""Check a document against its committed JSON Schema."""

import json
from pathlib import Path
from typing import Any, cast


def follows(document: dict[str, Any], name: str) -> None:
    """Check a document against its committed schema: the types and the required fields, as deep as it goes."""
    path = Path(__file__).parents[2] / "docs" / "schemas" / f"{name}.json"
    schema = json.loads(path.read_text(encoding="utf-8"))
    _follows(document, schema, schema["$defs"], name)


def _follows(value: Any, schema: dict[str, Any], defs: dict[str, Any], where: str) -> None:
    if "$ref" in schema:
        return _follows(value, defs[schema["$ref"].rpartition("/")[2]], defs, where)
    if "anyOf" in schema:
        failures: list[AssertionError] = []
        for option in schema["anyOf"]:
            try:
                return _follows(value, option, defs, where)
            except AssertionError as error:
                failures.append(error)
        raise failures[-1]
    types: dict[str, type | tuple[type, ...]] = {
        "object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool,
        "null": type(None),
    }  # fmt: skip
    if "type" in schema:
        assert isinstance(value, types[schema["type"]]), f"{where}: {value!r} is no {schema['type']}"
    if "const" in schema:
        assert value == schema["const"], where
    if "enum" in schema:
        assert value in schema["enum"], where
    if isinstance(value, dict) and "properties" in schema:
        properties: dict[str, Any] = schema["properties"]
        value = cast("dict[str, Any]", value)
        assert set(schema.get("required", ())) <= value.keys(), f"{where}: a required field is missing"
        assert value.keys() <= properties.keys(), f"{where}: {value.keys() - properties.keys()} is not in the schema"
        for key, inner in value.items():
            _follows(inner, properties[key], defs, f"{where}.{key}")
    if isinstance(value, list):
        value = cast("list[Any]", value)
        for number, inner in enumerate(value):
            _follows(inner, schema.get("items", {}), defs, f"{where}[{number}]")
    return None
