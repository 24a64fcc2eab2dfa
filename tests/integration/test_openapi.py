"""openapi.json against a running server: schemathesis asks for what the document allows, and for what it does not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from framecache.admin.page import Document
from hypothesis import HealthCheck, assume, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance
from schemathesis.specs.openapi.schemas import OpenApiSchema

from dev.orthanc_folder import SUITES
from dev.sample import Sample
from tests.integration.archive import Archive, running

pytestmark = pytest.mark.orthanc

SMALL = Sample(frames=3, rows=64, columns=96)
UNKNOWN = "00000000-00000000-00000000-00000000-00000000"
EXAMPLES = 8
PATHS: dict[str, dict[str, Any]] = Document().document()["paths"]
RULES = "/frame-cache/rules/preview"  # the document leaves out what a rule may be made of
PAGE = "/frame-cache/app/{file}"  # a person's browser shows what it refuses
OPERATIONS = [(path, method) for path, item in PATHS.items() for method in item]


@pytest.fixture(scope="module", params=SUITES[-1:])
def suite(request: pytest.FixtureRequest) -> str:
    """One is enough: what is asked for is answered by the plugin."""
    return str(request.param)


@pytest.fixture(scope="module")
def archive(suite: str, folder: Path) -> Iterator[Archive]:
    with running(suite, folder / "orthanc", in_order=False) as archive:
        yield archive


@pytest.fixture(scope="module")
def document(archive: Archive) -> dict[str, Any]:
    """As it is served, with IDs that there are, and no key of an answer that it does not name."""
    instance = archive.store(SMALL)
    known = [archive.get_json(f"/instances/{instance.orthanc_id}/{level}")["ID"] for level in ("study", "series")]
    told: dict[str, Any] = archive.get_json("/frame-cache/openapi.json")
    told["components"]["parameters"]["ID"]["schema"] = {"enum": [*known, instance.orthanc_id, UNKNOWN]}
    close(told["components"]["schemas"], but="Error")
    return told


def close(schemas: dict[str, Any], but: str) -> None:
    """Let objects have no other properties than those that are named."""
    for name, schema in schemas.items():
        if name != but and isinstance(schema, dict):
            if "properties" in schema:
                schema.setdefault("additionalProperties", False)
                close(schema["properties"], but)
            close({key: schema[key] for key in ("items",) if key in schema}, but)


@pytest.fixture(scope="module")
def api(archive: Archive, document: dict[str, Any]) -> OpenApiSchema:
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=archive.server.url)
    return schema


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
@pytest.mark.parametrize("mode", list(GenerationMode))
def test_answers_are_as_they_are_described(api: OpenApiSchema, path: str, method: str, mode: GenerationMode) -> None:
    @given(case=api[path][method].as_strategy(generation_mode=mode))
    @settings(max_examples=EXAMPLES, derandomize=True, suppress_health_check=list(HealthCheck))
    def ask(case: schemathesis.Case[Any]) -> None:
        # Orthanc's HTTP server refuses a tab in a header field, on every route.
        assume(not any("\t" in str(value) for value in (case.headers or {}).values()))
        answer = case.call_and_validate(excluded_checks=[positive_data_acceptance] if path == RULES else [])
        if answer.status_code >= 400 and mode is GenerationMode.POSITIVE:  # a path of any bytes may not even reach us
            if path == PAGE:
                assert answer.text.startswith("Frame cache: ")
            else:
                assert answer.json()["HttpStatus"] == answer.status_code

    try:
        ask()
    except Unsatisfiable:
        assert mode is GenerationMode.NEGATIVE  # nothing can be asked wrongly that asks for nothing
