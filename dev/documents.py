"""Writes what the code declares into the documents: `python -m dev.documents`.

The tables of settings in docs/settings.md and of rules in docs/rules.md, and in openapi.json the arguments of routes,
the settings and the keys of a rule.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from dev.console import CHECKOUT

if TYPE_CHECKING:
    from framecache.declaration import Declaration

sys.path.insert(0, str(CHECKOUT / "plugin"))

SETTINGS_PAGE = CHECKOUT / "docs/settings.md"
RULES = CHECKOUT / "docs/rules.md"
OPENAPI = CHECKOUT / "plugin/framecache/admin/openapi.json"


def settings_table() -> str:
    """The settings as Markdown: key, default, what is allowed, meaning with its unit."""
    from framecache.config.settings import SETTINGS  # noqa: PLC0415 - plugin/ is not on the path of dev/

    rows = [f"| `{s.name}` | `{json.dumps(s.default)}` | {s.allowed} | {s.meaning} |" for s in SETTINGS.values()]
    return "\n".join(["| key | default | allowed | meaning |", "|---|---|---|---|", *rows])


def rules_table() -> str:
    """The keys of a rule as Markdown: what an instance has to be, then what is done with it."""
    from framecache.policy.keys import CONDITIONS, DECISIONS  # noqa: PLC0415 - plugin/ is not on the path of dev/

    conditions = _rows(key.declaration for key in CONDITIONS.values())
    head = ["| condition | allowed | what is looked at |", "|---|---|---|"]
    rows = _rows(DECISIONS.values())
    return "\n".join([*head, *conditions, "", "| decision | allowed | meaning |", "|---|---|---|", *rows])


def _rows(declarations: Iterable[Declaration]) -> list[str]:
    return [f"| `{one.name}` | {one.allowed} | {one.meaning} |" for one in declarations]


def with_tables(document: str) -> str:
    """A document with today's tables in their places."""
    return _with(_with(document, "settings", settings_table()), "keys", rules_table())


def _with(document: str, name: str, content: str) -> str:
    place = re.compile(rf"(<!-- {name}: [^\n]*-->\n).*?(<!-- end of {name} -->)", re.DOTALL)
    return place.sub(lambda found: f"{found[1]}{content}\n{found[2]}", document)


def with_declarations(document: str) -> str:
    """openapi.json with today's declarations in their places; all else stays as it is written there."""
    from framecache.admin.dry_run import PREVIEW_ARGUMENTS  # noqa: PLC0415 - plugin/ is not on the path of dev/
    from framecache.admin.resources import STUDIES_ARGUMENTS  # noqa: PLC0415
    from framecache.admin.work import EVENTS_ARGUMENTS  # noqa: PLC0415
    from framecache.config.settings import SETTINGS  # noqa: PLC0415
    from framecache.policy.keys import CONDITIONS, DECISIONS  # noqa: PLC0415

    openapi: dict[str, Any] = json.loads(document)
    paths, schemas = openapi["paths"], openapi["components"]["schemas"]
    paths["/frame-cache/studies"]["get"]["parameters"] = [query_parameter(one) for one in STUDIES_ARGUMENTS]
    paths["/frame-cache/events"]["get"]["parameters"] = [query_parameter(one) for one in EVENTS_ARGUMENTS]
    body = paths["/frame-cache/rules/preview"]["post"]["requestBody"]["content"]["application/json"]
    body["schema"] = {**_object(PREVIEW_ARGUMENTS), "required": []}
    schemas["Rule"] = _object([*(key.declaration for key in CONDITIONS.values()), *DECISIONS.values()])
    schemas["Settings"] = _object(SETTINGS.values())
    return json.dumps(openapi, indent=2, ensure_ascii=False) + "\n"


def query_parameter(declaration: Declaration) -> Mapping[str, Any]:
    """An argument of a query as OpenAPI has it; lists are separated by commas."""
    schema = declaration.schema()
    parameter = {
        "name": declaration.name,
        "in": "query",
        "required": False,
        "description": declaration.meaning,
        "schema": schema,
    }
    return {**parameter, "explode": False, "style": "form"} if schema["type"] == "array" else parameter


def _object(declarations: Iterable[Declaration]) -> dict[str, Any]:
    properties = {one.name: {**one.schema(), "description": one.meaning} for one in declarations}
    return {"type": "object", "properties": properties, "additionalProperties": False}


if __name__ == "__main__":
    for path in (SETTINGS_PAGE, RULES):
        path.write_text(with_tables(path.read_text()))
    OPENAPI.write_text(with_declarations(OPENAPI.read_text()))
