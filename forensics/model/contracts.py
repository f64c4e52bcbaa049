"""The JSON documents that the tool writes or reads, each with its JSON Schema.

Schemas lie in ``forensics/schema``. What a document shares with the audit stands in the schema of the audit only:
others refer to it, and are completed here, so that what is handed out needs no other file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

CONTRACTS = ("audit", "baseline", "check", "explain", "journal", "manifest", "restarts", "sources", "timeline")
"""The documents: what the command of that name writes as JSON, a baseline, a journal, a manifest."""

_SHARED = "audit-1.json"
_AUDIT = "#/$defs/audit"
_DEFS = "#/$defs/"


def contract(name: str) -> dict[str, Any]:
    """Give the JSON Schema (draft 2020-12) of one of ``CONTRACTS``, complete in itself.

    >>> contract("check")["$id"], contract("check")["properties"]["audit"]
    ('forensics.check/1', {'$ref': '#/$defs/audit'})
    """
    document, shared = _stored(name), _stored("audit")
    known = shared.pop("$defs") | {"audit": {key: shared[key] for key in shared if not key.startswith("$")}}
    own = document.pop("$defs", {})
    wanted = [*_references(document), *_references(own)]
    while wanted:
        definition = wanted.pop()
        if definition not in own:
            own[definition] = known[definition]
            wanted += _references(known[definition])
    return document | {"$defs": own}


def _stored(name: str) -> dict[str, Any]:
    text = (files("forensics") / "schema" / f"{name}-1.json").read_text("utf-8")
    loaded: dict[str, Any] = json.loads(text, object_hook=_with_own_reference)
    return loaded


def _with_own_reference(schema: dict[str, Any]) -> dict[str, Any]:
    """Turn a reference to the schema of the audit into one to a definition of the same document."""
    if isinstance(schema.get("$ref"), str):
        return schema | {"$ref": schema["$ref"].removeprefix(_SHARED) or _AUDIT}
    return schema


def _references(schema: object) -> Iterator[str]:
    """Name the definitions that a schema refers to."""
    if isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"].removeprefix(_DEFS).split("/", 1)[0]
        schema = list(schema.values())
    if isinstance(schema, list):
        for part in schema:
            yield from _references(part)
