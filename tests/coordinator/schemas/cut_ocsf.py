"""Cuts one event class out of a checkout of the OCSF schema as a JSON Schema: `cut_ocsf.py FOLDER > ocsf-compliance-finding.schema.json`.

Of each object it takes what OCSF requires and what is listed below, with OCSF's own types and enumerations; any other attribute is refused.
"""

import json
import sys
from pathlib import Path

KEPT = {
    "compliance_finding": "activity_name category_name class_name type_name severity status status_id message cloud remediation resources",
    "metadata": "profiles",
    "product": "name vendor_name version",
    "cloud": "region cloud_partition zone account",
    "account": "uid type_id type",
    "finding_info": "title desc created_time analytic",
    "analytic": "type uid name",
    "compliance": "control standards status_id status status_details",
    "resource_details": "uid type region cloud_partition name",
    "remediation": "",
}
ROOT = Path(sys.argv[1])


def read(path):
    return json.loads((ROOT / path).read_text())


# An object may have the name of an event.
EVENTS, OBJECTS = (
    {found["name"]: found for found in map(json.loads, map(Path.read_text, (ROOT / folder).rglob("*.json"))) if "name" in found}
    for folder in ("events", "objects")
)
DICTIONARY = read("dictionary.json")
TYPES = DICTIONARY["types"]["attributes"]


def attributes(name, files):
    """The attributes of an event or object with those of what it extends and includes, each over the dictionary's words."""
    own = files[name]
    merged = attributes(own["extends"], files) if "extends" in own else {}
    listed = dict(own["attributes"])
    includes = listed.pop("$include", [])
    for include in [includes] if isinstance(includes, str) else includes:
        # Of the profiles, the one that our events name.
        if include == "profiles/cloud.json":
            for key, value in read(include)["attributes"].items():
                if isinstance(value, dict):
                    merged[key] = {**merged.get(key, {}), **value}
    for key, value in listed.items():
        before = merged.get(key, {})
        enum = {**before.get("enum", {}), **value.get("enum", {})}
        merged[key] = {**before, **value, **({"enum": enum} if enum else {})}
    return merged


def schema(name, files=OBJECTS):
    found = attributes(name, files)
    required = sorted(key for key, value in found.items() if value.get("requirement") == "required")
    kept = sorted({*required, *KEPT[name].split()})
    return {
        "type": "object",
        "additionalProperties": False,
        "required": required,
        "properties": {key: attribute(key, found[key]) for key in kept},
    }


def attribute(key, stated):
    known = DICTIONARY["attributes"][key]
    kind = known["type"]
    if kind in OBJECTS:
        one = schema(kind)
    else:
        base = kind if kind in ("string_t", "integer_t", "long_t", "boolean_t") else TYPES[kind].get("type", kind)
        one = {"type": {"string_t": "string", "integer_t": "integer", "long_t": "integer", "boolean_t": "boolean"}[base]}
        enum = {**known.get("enum", {}), **stated.get("enum", {})}
        if enum and one["type"] == "integer":
            one = {"enum": sorted(int(value) for value in enum)}
    return {"type": "array", "items": one} if known.get("is_array") else one


version = read("version.json")["version"]
document = schema("compliance_finding", EVENTS)
category = read("categories.json")["attributes"]["findings"]["uid"]
class_uid = category * 1000 + EVENTS["compliance_finding"]["uid"]
# OCSF computes these from the numbers of category, class and activity.
document["properties"]["category_uid"] = {"const": category}
document["properties"]["class_uid"] = {"const": class_uid}
document["properties"]["type_uid"] = {"enum": [class_uid * 100 + value for value in document["properties"]["activity_id"]["enum"]]}
document["properties"]["metadata"]["properties"]["version"] = {"const": version}
print(json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"OCSF {version}, Compliance Finding", **document}, indent=1))
