"""Writes src/api/types.ts out of the API's own description: `python web/generate_types.py`."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from scrollintel.api.application import create_api
from scrollintel.composition import from_settings
from scrollintel.settings import load

PLACE = Path(__file__).parent / "src" / "api" / "types.ts"
HEAD = "// Made by web/generate_types.py out of the API's description; a test keeps it in step.\n"
WORDS = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}

Schema = dict[str, Any]  # Any: a JSON Schema


def generated() -> str:
    """Return the text of the file."""
    with tempfile.TemporaryDirectory() as folder:
        settings = load(environment={"HOME": folder}, directory=Path(folder))
        schemas: dict[str, Schema] = create_api(from_settings(settings)).openapi()["components"]["schemas"]
    return HEAD + "".join(_declared(name, schema) for name, schema in sorted(schemas.items()))


def _declared(name: str, schema: Schema) -> str:
    name = _short(name)
    if schema.get("type") != "object" or "properties" not in schema:
        return f"\nexport type {name} = {_type(schema)};\n"
    fields = "".join(f"  {json.dumps(key)}: {_type(value)};\n" for key, value in schema["properties"].items())
    return f"\nexport interface {name} {{\n{fields}}}\n"


def _short(name: str) -> str:
    """Return the name of a schema; two of the same name have their module in front."""
    parts = name.split("__")
    return name if len(parts) == 1 else "".join(part.title() for part in parts[-2].split("_")) + parts[-1]


def _type(schema: Schema) -> str:
    if "$ref" in schema:
        return _short(schema["$ref"].rpartition("/")[2])
    if "enum" in schema:
        return " | ".join(json.dumps(item) for item in schema["enum"])
    if "const" in schema:
        return json.dumps(schema["const"])
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " | ".join(dict.fromkeys(_type(item) for item in schema[several]))
    kind = schema.get("type")
    if kind == "array":
        return f"({_type(schema.get('items', {}))})[]"
    if kind == "object":
        more = schema.get("additionalProperties", {})
        return f"Record<string, {_type(more) if isinstance(more, dict) else 'unknown'}>"
    return WORDS.get(kind, "unknown") if isinstance(kind, str) else "unknown"


if __name__ == "__main__":
    PLACE.write_text(generated(), encoding="utf-8")
    sys.stdout.write(f"{PLACE.name}: written\n")
