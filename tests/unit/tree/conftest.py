"""Archives in memory, in a folder, and in a bucket of a real S3 server, where each request takes long."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from framecache.tree.tree import Tree

from dev.s3 import S3Server
from tests.unit.tree.places import Place


@pytest.fixture(params=["memory", "folder"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Where an archive can be opened several times."""
    return Place("memory://" if request.param == "memory" else f"file://{tmp_path}/archive")


@pytest.fixture
def bucket(s3_server: S3Server) -> Place:
    name = f"tree-{uuid.uuid4().hex[:12]}"
    s3_server.make_bucket(name)
    return Place(f"s3://{name}/an/archive", s3_server.settings)


@pytest.fixture
def tree(place: Place) -> Iterator[Tree]:
    with place.open() as tree:
        yield tree
