"""JSON schemas of the STAC extensions, written from their specifications, for pystac to validate without a network.

They require what the extensions require of the fields that hsi writes, and refuse other fields of their prefixes.
pystac has the schemas of STAC itself.
"""

from typing import Any

import pystac
from pystac.validation import JsonSchemaSTACValidator

NUMBERS: dict[str, Any] = {"type": "array", "items": {"type": "number"}}
NAMES: dict[str, Any] = {"type": "array", "items": {"type": "string", "minLength": 1}}
DATA_TYPE = {"enum": ["uint8", "uint16", "float32"]}
CLASS = {
    "type": "object",
    "required": ["value", "name"],
    "properties": {
        "value": {"type": "integer"},
        "name": {"type": "string", "pattern": "^[0-9A-Za-z-_]+$"},
        "title": {"type": "string"},
        "description": {"type": "string"},
        "color_hint": {"type": "string", "pattern": "^([0-9A-F]{6})$"},
        "nodata": {"type": "boolean"},
        "percentage": {"type": "number", "minimum": 0, "maximum": 100},
        "count": {"type": "integer", "minimum": 0},
    },
    "additionalProperties": False,
}
CLASSES = {"type": "array", "minItems": 1, "uniqueItems": True, "items": CLASS}
TASKS = {"type": "array", "minItems": 1, "uniqueItems": True, "items": {"enum": ["semantic-segmentation"]}}


def tensor(*order: str) -> dict[str, Any]:
    """The structure of an input or a result with these dimensions."""
    size = {"minItems": len(order), "maxItems": len(order)}
    return {
        "type": "object",
        "required": ["shape", "dim_order", "data_type"],
        "properties": {
            "shape": {"type": "array", "items": {"type": "integer", "minimum": -1}, **size},
            "dim_order": {"const": list(order)},
            "data_type": DATA_TYPE,
        },
    }


INPUT = {
    "type": "object",
    "required": ["name", "bands", "input"],
    "properties": {"bands": NAMES, "input": tensor("batch", "channel", "height", "width")},
}
OUTPUT = {
    "type": "object",
    "required": ["name", "tasks", "result"],
    "properties": {"tasks": TASKS, "result": tensor("batch", "class"), "classification:classes": CLASSES},
}
FIELDS: dict[str, dict[str, Any]] = {
    "projection/v2.0.0": {
        "proj:code": {"type": ["string", "null"], "pattern": "^[A-Z]+:[0-9]+$"},
        "proj:wkt2": {"type": "string"},
        "proj:shape": {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2},
        "proj:transform": {**NUMBERS, "minItems": 6, "maxItems": 6},
        "proj:bbox": {**NUMBERS, "minItems": 4, "maxItems": 4},
    },
    "raster/v2.0.0": {
        "raster:sampling": {"enum": ["area", "point"]},
        "raster:spatial_resolution": {"type": "number", "exclusiveMinimum": 0},
    },
    "classification/v2.0.0": {"classification:classes": CLASSES},
    "eo/v2.0.0": {
        "eo:center_wavelength": {"type": "number", "exclusiveMinimum": 0, "maximum": 100},
        "eo:full_width_half_max": {"type": "number", "exclusiveMinimum": 0, "maximum": 10},
    },
    "file/v2.1.0": {
        "file:size": {"type": "integer", "minimum": 0},
        "file:checksum": {"type": "string", "pattern": "^1220[a-f0-9]{64}$"},
    },
    "mlm/v1.4.0": {
        "mlm:name": {"type": "string", "pattern": "^[a-zA-Z][a-zA-Z0-9_.-]+[a-zA-Z0-9]$"},
        "mlm:architecture": {"type": "string", "minLength": 1},
        "mlm:tasks": TASKS,
        "mlm:framework": {"enum": ["PyTorch"]},
        "mlm:framework_version": {"type": "string", "pattern": "^[0-9]+[.][0-9]+[.][0-9]+$"},
        "mlm:memory_size": {"type": "integer", "minimum": 1},
        "mlm:total_parameters": {"type": "integer", "minimum": 1},
        "mlm:pretrained": {"type": "boolean"},
        "mlm:pretrained_source": {"type": ["string", "null"]},
        "mlm:accelerator": {"type": "null"},
        "mlm:accelerator_constrained": {"const": False},
        "mlm:input": {"type": "array", "minItems": 1, "items": INPUT},
        "mlm:output": {"type": "array", "minItems": 1, "items": OUTPUT},
        "mlm:hyperparameters": {
            "type": "object",
            "minProperties": 1,
            "patternProperties": {"^[0-9a-zA-Z_.-]+$": True},
            "additionalProperties": False,
        },
        "mlm:artifact_type": {"type": "string", "minLength": 1},
    },
}
REQUIRED = {"mlm/v1.4.0": ["mlm:name", "mlm:architecture", "mlm:tasks", "mlm:input", "mlm:output", "bands"]}
MODEL_ASSET = {
    "additionalProperties": {
        "required": ["roles", "mlm:artifact_type"],
        "properties": {"roles": {"contains": {"const": "mlm:model"}}},
    }
}


def schema_of(extension: str) -> dict[str, Any]:
    """The schema of an extension in properties, assets and bands of an Item."""
    address = f"https://stac-extensions.github.io/{extension}/schema.json"
    prefix = next(iter(FIELDS[extension])).partition(":")[0]
    fields: dict[str, Any] = {
        "type": "object",
        "properties": {**FIELDS[extension], "bands": {"items": {"$ref": "#/$defs/fields"}}},
        "patternProperties": {f"^(?!{prefix}:)": True},
        "additionalProperties": False,
    }
    more = MODEL_ASSET if extension in REQUIRED else {}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": address,
        "type": "object",
        "required": ["stac_extensions"],
        "properties": {
            "stac_extensions": {"contains": {"const": address}},
            "properties": {"allOf": [{"$ref": "#/$defs/fields"}, {"required": REQUIRED.get(extension, [])}]},
            "assets": {"allOf": [{"additionalProperties": {"$ref": "#/$defs/fields"}}, more]},
        },
        "$defs": {"fields": fields},
    }


def validate(document: dict[str, Any]) -> pystac.Item:
    """The document as pystac's Item, once pystac finds it valid."""
    validator = JsonSchemaSTACValidator()
    for extension in FIELDS:
        schema = schema_of(extension)
        validator.schema_cache[schema["$id"]] = schema
    item = pystac.Item.from_dict(document, preserve_dict=True)
    assert len(item.validate(validator)) == 1 + len(document["stac_extensions"])
    return item
