"""Two real Orthancs with the plugin, on one PostgreSQL and one folder of files, each with a cache of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from dev.orthanc_server import PLUGINS
from dev.postgresql import Postgresql
from tests.integration.archive import Archive, running


@contextmanager
def two_nodes(
    suite: str,
    folder: Path,
    postgresql: Postgresql,
    settings: Mapping[str, object] | None = None,
    others: Mapping[str, object] | None = None,
) -> Iterator[tuple[Archive, Archive]]:
    """A and B; `settings` are those of the plugin on both, `others` those of Orthanc. They are killed at the end."""
    with ExitStack() as stack:

        def start(name: str) -> Archive:
            configuration = {
                **postgresql.orthanc_configuration,
                **(others or {}),
                "Name": name,
                "StorageDirectory": str(folder / "storage"),
                "FrameCache": {**(settings or {}), "Directory": str(folder / name / "FrameCache")},
            }
            plugins = [*PLUGINS, "OrthancPostgreSQLIndex"]
            node = running(
                suite, folder / name, configuration, plugins=plugins, others=[postgresql.folder], in_order=False
            )
            return stack.enter_context(node)

        yield start("a"), start("b")
