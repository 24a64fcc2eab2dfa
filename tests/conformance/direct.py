"""The plugin as it is installed, with a stand-in for Orthanc around it: no server, no HTTP; its helpers are real."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from framecache import install
from framecache.dicom.identity import InstancePath

from tests.conformance.client import Reply
from tests.conformance.stored import Stored
from tests.unit.fakes import FakeApi, FakeLog, FakeModule, FakeOutput, orthanc_id, recorded_log, uuid

STOCK = 0  # the status of what no route of ours matches: the stock plugin answers it
_SERVER = {
    "/system": {"Version": "1.12.7"},
    "/plugins": ["python", "dicom-web"],
    "/plugins/python": {"Version": "5.0"},
    "/plugins/dicom-web": {"Version": "1.20"},
}


class Module(FakeModule):
    """The module `orthanc`, over a storage folder and instances of its own."""

    def __init__(self, folder: Path, settings: Mapping[str, object]) -> None:
        self.api = FakeApi(folder / "storage")
        configuration = {
            "StorageDirectory": str(folder / "storage"),
            "Python": {"AllowThreads": True},
            "FrameCache": {"Directory": str(folder / "cache"), "Python": sys.executable, **settings},
        }
        super().__init__(configuration, folder)

    def RestApiGet(self, uri: str, /) -> bytes:  # noqa: N802 - Orthanc's name
        return json.dumps(_SERVER[uri]).encode() if uri in _SERVER else self.api.get(uri)

    def RestApiPost(self, uri: str, body: bytes, /) -> bytes:  # noqa: N802 - Orthanc's name
        return self.api.post(uri, body)

    def RestApiGetAfterPlugins(self, uri: str, /) -> bytes:  # noqa: N802 - Orthanc's name
        return Direct(self).get(uri.removeprefix("/dicom-web/")).body


class Direct:
    """A client of the routes that the plugin registered."""

    def __init__(self, module: Module, log: FakeLog | None = None) -> None:
        self.module, self._log = module, log or FakeLog()

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Reply:
        parts = urlsplit(f"/dicom-web/{path}")
        for pattern, route in self.module.routes.items():
            if found := re.fullmatch(pattern, unquote(parts.path)):
                output = FakeOutput()
                arguments = dict(parse_qsl(parts.query, keep_blank_values=True))
                lower = {name.lower(): value for name, value in (headers or {}).items()}
                route(output, parts.path, method="GET", groups=found.groups(), get=arguments, headers=lower)
                return _reply(output)
        return Reply(STOCK, {}, b"")

    def store(self, stored: Stored, content: bytes | None = None, number: int = 0, version: int = 0) -> str:
        """Keep an instance as Orthanc would, of `content` where that is not the instance's own file.

        Each `number` is another instance, each `version` another file of it.
        """
        path = InstancePath(stored.uid("study"), stored.uid("series"), stored.uid("instance"))
        content = stored.file() if content is None else content
        return self.module.api.store(
            content,
            orthanc_id=orthanc_id(number),
            uuid=uuid(version or number),
            path=path,
            syntax=stored.transfer_syntax_uid,
            number_of_frames=len(stored.pixels),
        )

    def forget_errors(self) -> None:
        """Those of other tests of this process, which share the package's log."""
        self._log.lines.clear()

    def errors(self) -> list[str]:
        """Exceptions that were not meant: each of them is a fault."""
        return [line for line in self._log.of("error") if "a request failed: " in line]


def _reply(output: FakeOutput) -> Reply:
    headers = {name.lower(): value for name, value in output.headers.items()}
    if output.content_type:
        headers["content-type"] = output.content_type
    sent = b"".join(output.chunks)
    if headers.pop("transfer-encoding", "") == "chunked":
        sent = b"".join(_decoded(sent))
    return Reply(output.status, headers, output.body + sent)


def _decoded(sent: bytes) -> Iterator[bytes]:
    """The chunked transfer coding (RFC 9112 section 7.1), which a client undoes."""
    while sent != b"0\r\n\r\n":
        size, _, rest = sent.partition(b"\r\n")
        length = int(size, 16)
        yield rest[:length]
        sent = rest[length:].removeprefix(b"\r\n")


@contextmanager
def direct(folder: Path, **settings: object) -> Iterator[Direct]:
    """The plugin, installed and started."""
    module = Module(folder, settings)
    install(module)
    started, stopped = module.ChangeType.ORTHANC_STARTED, module.ChangeType.ORTHANC_STOPPED
    assert module.on_change is not None
    module.on_change(started, 0, "")
    with recorded_log() as log:
        try:
            yield Direct(module, log)
        finally:
            module.on_change(stopped, 0, "")
