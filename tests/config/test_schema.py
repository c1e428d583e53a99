"""The schema of the configuration knows what the settings know."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, structs

from bridge.config.schema import configuration_schema
from bridge.config.settings import OutputSettings, Settings
from bridge.options import Duration, Secret, Size


class Inner(Struct):
    user: str
    wait: Duration = Duration("1s")


class Options(Struct, kw_only=True):
    url: Annotated[str, Meta(description="Where to.", pattern="^mqtt", examples=["mqtt://h"])]
    count: Annotated[Annotated[int, Meta(ge=1)] | None, Meta(description="How many.")] = None
    secret: Secret | None = None
    mode: Literal["a", "b"] = "a"
    backlog: Duration | Size | Literal["all"] = "all"
    hosts: list[str] = []
    headers: dict[str, Secret] = {}
    inner: Inner | None = None


SCHEMA = configuration_schema({"odd": Options})
ODD = SCHEMA["properties"]["output"]["additionalProperties"]["oneOf"][0]


def tables(schema: Any) -> list[dict[str, Any]]:
    """All schemas of tables with known keys."""
    if isinstance(schema, list):
        return [table for item in schema for table in tables(item)]
    if not isinstance(schema, dict):
        return []
    own = [schema] if isinstance(schema.get("properties"), dict) and schema.get("type") == "object" else []
    return own + [table for item in schema.values() for table in tables(item)]


def test_it_is_json_and_has_every_key_of_the_settings() -> None:
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA
    assert SCHEMA["properties"].keys() == {field.encode_name for field in structs.fields(Settings)}
    assert "required" not in SCHEMA


def test_an_output_has_the_common_keys_and_its_own() -> None:
    common = {field.encode_name for field in structs.fields(OutputSettings)} - {"options"}
    assert ODD["properties"].keys() == common | {field.name for field in structs.fields(Options)}
    assert ODD["properties"]["type"]["const"] == "odd"
    assert ODD["required"] == ["type", "url"]


def test_unknown_keys_are_errors_in_every_table() -> None:
    assert len(tables(SCHEMA)) > 6
    assert all(table["additionalProperties"] is False for table in tables(SCHEMA))


def test_options_are_described_with_constraints_and_defaults() -> None:
    keys = ODD["properties"]
    assert keys["url"] == {"type": "string", "pattern": "^mqtt", "description": "Where to.", "examples": ["mqtt://h"]}
    assert keys["count"] == {"type": "integer", "minimum": 1, "description": "How many."}
    assert keys["mode"] == {"enum": ["a", "b"], "default": "a"}
    assert keys["backlog"]["default"] == "all"
    assert [member.get("enum") for member in keys["backlog"]["anyOf"]] == [None, None, ["all"]]
    assert keys["hosts"] == {"type": "array", "items": {"type": "string"}}
    assert keys["headers"]["additionalProperties"] == keys["secret"]
    assert keys["inner"]["properties"]["wait"]["default"] == "1s"
    assert keys["timeout"]["default"] == "30s"


def test_durations_and_sizes_are_texts_with_units_or_variables() -> None:
    duration = SCHEMA["properties"]["late_after"]["pattern"]
    size = SCHEMA["properties"]["server"]["properties"]["max_body"]["pattern"]
    assert all(re.search(duration, text) for text in ("5m", "1.5 h", "500ms", "${WAIT}"))
    assert not any(re.search(duration, text) for text in ("5", "m", "5MB", "$WAIT"))
    assert all(re.search(size, text) for text in ("16MB", "1GiB", "${ROOM}"))


def test_a_secret_is_text_or_a_file() -> None:
    text, file = ODD["properties"]["secret"]["anyOf"]
    assert text["type"] == "string"
    assert file["required"] == ["file"]
