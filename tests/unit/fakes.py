"""Stand-ins for what is outside: Orthanc's API, its module and its answers, the clock, the log, the store."""
# ruff: noqa: N802 - the names are Orthanc's

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from framecache.dicom.identity import InstancePath
from framecache.errors import NotFound, SourceError
from framecache.instances.frame_sources import FrameSources
from framecache.instances.stored_files import RemoteFiles, StoredFiles
from framecache.orthanc.instance import Instance
from framecache.ports import OrthancApi
from framecache.shared_buffers import SharedBuffers
from framecache.store.block import Block
from framecache.store.errors import StoreError
from framecache.store.memory_store import MemoryBlocks, MemoryRecords, MemoryRows, MemoryStore
from framecache.store.parts import InstanceVersion

from tests.unit.dicom_files import EXPLICIT, INSTANCE, SERIES, STUDY

ORTHANC_ID = "66c8e41e-ac3a9029-0b85e42a-8195ee0a-92c2e62e"
UUID = "1c4e8b2a-0f37-4b5e-9d61-3a7f2c8e5b90"
SERIES_ID = "5e71e500-00000000-00000000-00000000-00000000"
STUDY_ID = "57d1d000-00000000-00000000-00000000-00000000"
PATH = InstancePath(STUDY, SERIES, INSTANCE)


def orthanc_id(number: int) -> str:
    """An ID of the form that Orthanc gives, a different one for each number."""
    return f"{number:08x}-ac3a9029-0b85e42a-8195ee0a-92c2e62e"


def uuid(number: int) -> str:
    """An attachment's UUID, a different one for each number."""
    return f"{number:08x}-0f37-4b5e-9d61-3a7f2c8e5b90"


def find_answer(
    *,
    orthanc_id: str = ORTHANC_ID,
    series_id: str | None = None,
    uuid: str = UUID,
    path: InstancePath = PATH,
    syntax: str = EXPLICIT,
    number_of_frames: int = 3,
    stored_size: int = 1000,
    file_size: int = 1000,
    offset: int | None = 400,
    tags: Mapping[str, str] | None = None,
    remote_aet: str = "",
) -> dict[str, Any]:
    """One element of the answer to POST /tools/find, as Orthanc 1.12.7 writes it."""
    return {
        "ID": orthanc_id,
        "Type": "Instance",
        # Other series are told apart by their UIDs.
        "ParentSeries": series_id or (SERIES_ID if path.series_instance_uid == SERIES else path.series_instance_uid),
        "MainDicomTags": {"SOPInstanceUID": path.sop_instance_uid, "NumberOfFrames": str(number_of_frames)},
        "RequestedTags": {
            "StudyInstanceUID": path.study_instance_uid,
            "SeriesInstanceUID": path.series_instance_uid,
            **(tags or {}),
        },
        "Metadata": {
            "TransferSyntax": syntax,
            "SopClassUid": "1.2.840.10008.5.1.4.1.1.7",
            "RemoteAET": remote_aet,
            **({} if offset is None else {"PixelDataOffset": str(offset)}),
        },
        "Attachments": [
            {"ContentType": 1, "Uuid": uuid, "CompressedSize": str(stored_size), "UncompressedSize": str(file_size)}
        ],
    }


def instance(number: int = 0, **values: Any) -> Instance:
    """An instance of its own UIDs, ID and attachment for each number."""
    path = InstancePath(STUDY, SERIES, f"{INSTANCE}.{number}")
    defaults: dict[str, Any] = {"orthanc_id": orthanc_id(number), "uuid": uuid(number), "path": path}
    return Instance.from_find(find_answer(**(defaults | values)))


def stored_files(api: OrthancApi, limit: int = 1 << 30, remote: RemoteFiles | None = None) -> StoredFiles:
    """Files, of which those that have to be read whole take no more than so many bytes."""
    return StoredFiles(api, SharedBuffers(limit), remote)


def sources(api: OrthancApi, limit: int = 1 << 30, remote: RemoteFiles | None = None) -> FrameSources:
    """Sources that hold no more than so many bytes in memory."""
    return FrameSources(stored_files(api, limit, remote))


class FakeClock:
    """Time that a test turns; both kinds go together."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now


class FakeLog:
    """Remembers what was written, by level."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def info(self, message: str) -> None:
        self.lines.append(("info", message))

    def warning(self, message: str) -> None:
        self.lines.append(("warning", message))

    def error(self, message: str) -> None:
        self.lines.append(("error", message))

    def of(self, level: str) -> list[str]:
        return [message for its_level, message in self.lines if its_level == level]


class _Recorder(logging.Handler):
    def __init__(self, log: FakeLog) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        self._log.lines.append((record.levelname.lower(), record.getMessage()))


@contextmanager
def recorded_log() -> Iterator[FakeLog]:
    """What the package logs meanwhile, wherever else it goes."""
    log, logger = FakeLog(), logging.getLogger("framecache")
    recorder, level = _Recorder(log), logger.level
    logger.addHandler(recorder)
    logger.setLevel(logging.INFO)
    yield log
    logger.removeHandler(recorder)
    logger.setLevel(level)


@dataclass
class StoredInstance:
    """What the fake Orthanc holds of one instance."""

    answer: dict[str, Any]
    content: bytes
    header: bytes | None = None

    @property
    def uuid(self) -> str:
        return str(self.answer["Attachments"][0]["Uuid"])


class FakeApi:
    """Orthanc's REST API over a storage folder of its own, which may be absent as it is with object storage."""

    def __init__(self, storage: Path | None = None) -> None:
        self.storage = storage
        self.instances: dict[str, StoredInstance] = {}
        self.changes: list[dict[str, Any]] = []
        self.last_change = 0
        self.expected: dict[str, int] = {}
        self.calls: list[str] = []
        self.broken = False
        # Whether all that is stored answers to a query.
        self.finds_all = False
        self.has_database_plugin = False
        self.properties: dict[int, str] = {}

    def get_property(self, number: int) -> str:
        return self.properties.get(number, "")

    def set_property(self, number: int, value: str) -> None:
        self.properties[number] = value

    def store(self, content: bytes, **values: Any) -> str:
        """Take an instance in, its file first; the one with the same Orthanc ID is replaced. Returns its ID."""
        sizes = {"stored_size": len(content), "file_size": len(content), "offset": None}
        answer = find_answer(**{**sizes, **values})
        self.delete(answer["ID"])
        if self.storage is not None:
            path = self.path_of(answer)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        self.instances[answer["ID"]] = StoredInstance(answer, content)
        for kind in ("NewInstance", "NewSeries"):
            self.last_change += 1
            self.changes.append({"ChangeType": kind, "ID": answer["ID"], "Seq": self.last_change})
        return str(answer["ID"])

    def delete(self, orthanc_id: str) -> None:
        """As Orthanc does it: the file goes before anything else is told, and with it what the log said of it."""
        self.changes = [change for change in self.changes if change["ID"] != orthanc_id]
        stored = self.instances.pop(orthanc_id, None)
        if stored is not None and self.storage is not None:
            self.path_of(stored.answer).unlink(missing_ok=True)

    def path_of(self, answer: Mapping[str, Any]) -> Path:
        assert self.storage is not None
        name = str(answer["Attachments"][0]["Uuid"])
        return self.storage / name[:2] / name[2:4] / name

    def get(self, uri: str) -> bytes:
        self._note(f"GET {uri}")
        if uri.startswith("/changes"):
            return json.dumps(self._changes(dict(parse_qsl(urlsplit(uri).query, keep_blank_values=True)))).encode()
        if uri in ("/system", "/statistics"):
            return json.dumps(self._about_itself(uri)).encode()
        _, kind, orthanc_id, *rest = uri.split("/")
        if kind in ("studies", "series"):
            return json.dumps(self._parent(kind, orthanc_id, *rest)).encode()
        if kind != "instances" or orthanc_id not in self.instances:
            raise NotFound("Unknown resource")
        return self._of_instance(self.instances[orthanc_id], rest)

    def _of_instance(self, stored: StoredInstance, what: list[str]) -> bytes:
        if what == ["file"]:
            return stored.content
        if what == ["attachments", "dicom", "info"]:
            return json.dumps(stored.answer["Attachments"][0]).encode()
        if what:
            raise NotFound("Unknown resource")
        return json.dumps({"ID": stored.answer["ID"], "MainDicomTags": stored.answer["MainDicomTags"]}).encode()

    def _about_itself(self, uri: str) -> dict[str, Any]:
        if uri == "/system":
            plugin = "PostgreSQL" if self.has_database_plugin else None
            return {"Version": "1.12.7", "StorageAreaPlugin": None, "DatabaseBackendPlugin": plugin}
        size = sum(len(stored.content) for stored in self.instances.values())
        return {"CountInstances": len(self.instances), "TotalDiskSize": str(size)}

    def _parent(self, kind: str, parent: str, what: str = "") -> Any:
        """A study or series, the series of the study, or the instances; the archive has one study."""
        answers = [stored.answer for stored in self.instances.values()]
        series = sorted({answer["ParentSeries"] for answer in answers})
        if parent not in (series if kind == "series" else [STUDY_ID]):
            raise NotFound("Unknown resource")
        if what == "instances?expand=false":
            return [answer["ID"] for answer in answers if parent in (answer["ParentSeries"], STUDY_ID)]
        if kind == "studies":
            uid = answers[0]["RequestedTags"]["StudyInstanceUID"]
            return [self._series(one) for one in series] if what else {"MainDicomTags": {"StudyInstanceUID": uid}}
        return self._series(parent)

    def _series(self, series_id: str) -> dict[str, Any]:
        answers = [stored.answer for stored in self.instances.values() if stored.answer["ParentSeries"] == series_id]
        return {
            "ID": series_id,
            "ParentStudy": STUDY_ID,
            "Instances": [answer["ID"] for answer in answers],
            "MainDicomTags": {"SeriesInstanceUID": answers[0]["RequestedTags"]["SeriesInstanceUID"]},
            "ExpectedNumberOfInstances": self.expected.get(series_id),
        }

    def _changes(self, query: Mapping[str, str]) -> dict[str, Any]:
        if "last" in query:
            return {"Changes": self.changes[-1:], "Done": True, "Last": self.last_change}
        rest = [change for change in self.changes if change["Seq"] > int(query["since"])]
        page = rest[: int(query["limit"])]
        is_end = len(page) == len(rest)
        return {"Changes": page, "Done": is_end, "Last": self.last_change if is_end else page[-1]["Seq"]}

    def header(self, orthanc_id: str) -> bytes:
        """Where a test has not said what Orthanc's parser makes of it, that cannot read it."""
        self._note(f"HEADER {orthanc_id}")
        stored = self.instances.get(orthanc_id)
        if stored is None or stored.header is None:
            raise SourceError("Orthanc refuses: Internal error")
        return stored.header

    def post(self, uri: str, body: bytes) -> bytes:
        self._note(f"POST {uri}")
        query = json.loads(body)
        if uri == "/tools/find":
            answers = [stored.answer for stored in self.instances.values()]
            found = [answer for answer in answers if self.finds_all or _matches(answer, query["Query"])]
            return json.dumps(_series_of(found, query) if query["Level"] == "Series" else found).encode()
        if uri == "/tools/bulk-content":
            return json.dumps(list(self._bulk(query["Level"], query["Resources"]))).encode()
        raise NotFound("Unknown resource")

    def _bulk(self, level: str, resources: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Instances by their IDs or by those above them; series and studies by the IDs of series."""
        for one in self.instances.values():
            tags, parent = one.answer["RequestedTags"], one.answer["ParentSeries"]
            if level == "Instance" and {one.answer["ID"], parent, STUDY_ID} & set(resources):
                told = {name: one.answer[name] for name in ("ID", "MainDicomTags", "Metadata")}
                yield {**told, "FileSize": len(one.content), "FileUuid": one.uuid, "ParentSeries": parent}
            elif level == "Series" and parent in resources:
                yield {"ID": parent, "MainDicomTags": {k: v for k, v in tags.items() if k != "StudyDate"}}
            elif level == "Study" and parent in resources:
                yield {"ID": "study", "Series": [parent], "MainDicomTags": {"StudyDate": tags.get("StudyDate", "")}}

    def _note(self, call: str) -> None:
        self.calls.append(call)
        if self.broken:
            raise SourceError("Orthanc refuses: Error in the database")


def _series_of(instances: Sequence[Mapping[str, Any]], query: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The series of these instances, a page of them; `study` names another study than the only one there usually is."""
    series: dict[str, dict[str, Any]] = {}
    for one in instances:
        study = one["RequestedTags"].get("study", STUDY_ID)
        found = series.setdefault(
            one["ParentSeries"], {"ID": one["ParentSeries"], "ParentStudy": study, "Instances": []}
        )
        found["Instances"].append(one["ID"])
        found["RequestedTags"] = {"NumberOfSeriesRelatedInstances": str(len(found["Instances"]))}
    since = query.get("Since", 0)
    return list(series.values())[since : since + query.get("Limit", len(series))]


def _matches(answer: Mapping[str, Any], query: Mapping[str, str]) -> bool:
    tags = {**answer["MainDicomTags"], **answer["RequestedTags"]}
    return all(not value or tags.get(name) == value for name, value in query.items())


class WatchedNotes(dict[str, str]):
    """Notes that a test can let fail."""

    fails: Exception | None = None

    def __setitem__(self, key: str, text: str) -> None:
        if self.fails is not None:
            raise self.fails
        super().__setitem__(key, text)


class WatchedBlocks(MemoryBlocks):
    """Blocks before whose writing a test does something, or lets it fail."""

    def __init__(self, rows: MemoryRows, store: WatchedStore) -> None:
        super().__init__(rows)
        self._store = store

    def keep(
        self, version: InstanceVersion, representation: str, frames: Mapping[int, memoryview], *, may_evict: bool = True
    ) -> Block:
        self._store.before_keep()
        self._store.fail()
        return super().keep(version, representation, frames, may_evict=may_evict)

    def keep_index(self, version: InstanceVersion, content: bytes, *, may_evict: bool = True) -> None:
        self._store.fail()
        super().keep_index(version, content, may_evict=may_evict)


class WatchedRecords(MemoryRecords):
    """Records whose writing of views a test lets fail."""

    def __init__(self, rows: MemoryRows, store: WatchedStore) -> None:
        super().__init__(rows)
        self._store = store

    def touch(self, last_views: Mapping[InstancePath, float]) -> None:
        self._store.fail()
        self._store.touched.update(last_views)
        super().touch(last_views)


class WatchedStore(MemoryStore):
    """A store in memory that a test can look into."""

    def __init__(self, limit: int = 1 << 30) -> None:
        super().__init__(limit)
        self.blocks, self.records = WatchedBlocks(self._rows, self), WatchedRecords(self._rows, self)
        self.notes = self.texts = WatchedNotes()
        self.touched: dict[InstancePath, float] = {}
        self.fails: Exception | None = None
        self.before_keep: Callable[[], None] = lambda: None

    def fail(self) -> None:
        if self.fails is not None:
            raise self.fails

    @property
    def rows(self) -> dict[str, tuple[str, Block]]:
        """The blocks by their keys, and of which instances they are, in the order in which they were written."""
        return {row.block.key: (row.orthanc_id, row.block) for row in self._rows.all() if row.block}

    @property
    def known(self) -> dict[InstancePath, Instance]:
        """The records."""
        records = [Instance.from_json(row.content) for row in self._rows.all() if row.record]
        return {record.path: record for record in records}

    @property
    def indexes(self) -> dict[str, bytes]:
        """The indexes, by their attachments."""
        rows = [row for row in self._rows.all() if not row.block and not row.record]
        return {row.attachment_uuid: row.content for row in rows}

    @property
    def in_background(self) -> set[str]:
        """The Orthanc IDs of what came in the background, and nobody viewed."""
        return self._rows.background


FULL = StoreError("No space left on device")


@dataclass
class FakeOutput:
    """Orthanc's side of one answer; with `gone` the client has hung up and every send fails."""

    gone: bool = False
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    chunks: list[bytes] = field(default_factory=list)
    content_type: str = ""
    allowed: str = ""

    def AnswerBuffer(self, content: bytes | bytearray | memoryview, content_type: str, /) -> None:
        self._send(200)
        self.body, self.content_type = bytes(content), content_type

    def SendHttpStatus(self, status: int, body: bytes, /) -> None:
        self._send(status)
        self.body = body

    def SendMethodNotAllowed(self, allowed: str, /) -> None:
        self._send(405)
        self.allowed = allowed

    def SetHttpHeader(self, name: str, value: str, /) -> None:
        assert not self.status, "headers go before the answer"
        self.headers[name] = value

    def StartStreamAnswer(self, content_type: str, /) -> None:
        self._send(200)
        self.content_type = content_type

    def SendStreamChunk(self, chunk: bytes | bytearray | memoryview, /) -> None:
        if self.gone:
            raise RuntimeError(9, "Error in the network protocol")
        self.chunks.append(bytes(chunk))

    def _send(self, status: int) -> None:
        if self.gone:
            raise RuntimeError(9, "Error in the network protocol")
        assert not self.status, "one request has one answer"
        self.status = status


class OrthancException(Exception):
    """As Orthanc's own: a code and a message."""


class FakeModule:
    """What is used of the module `orthanc`."""

    ChangeType = SimpleNamespace(NEW_INSTANCE=4, DELETED=1, ORTHANC_STARTED=14, ORTHANC_STOPPED=15)
    MetricsType = SimpleNamespace(DEFAULT=0, TIMER=1)
    ResourceType = SimpleNamespace(PATIENT=0, STUDY=1, SERIES=2, INSTANCE=3)
    LoadDicomInstanceMode = SimpleNamespace(EMPTY_PIXEL_DATA=3)

    def __init__(
        self, configuration: Mapping[str, Any], folder: Path, *, version: tuple[int, int, int] = (1, 12, 7)
    ) -> None:
        self.configuration, self.folder, self.version = dict(configuration), folder, version
        self.routes: dict[str, Callable[..., None]] = {}
        self.on_change: Callable[[int, int, str], None] | None = None
        self.log = FakeLog()
        self.answers: dict[str, object] = {}
        self.explorer = ""
        self.metrics: dict[str, float] = {}
        self.properties: dict[int, str] = {}

    def LoadDicomInstance(self, instance_id: str, mode: int, /) -> Any:
        """One whose `content` is what the answer under this path says."""
        return SimpleNamespace(GetInstanceData=lambda: self.answers[f"parsed/{mode}/{instance_id}"])

    def CheckVersionAdvanced(self, major: int, minor: int, revision: int, /) -> int:
        return int(self.version >= (major, minor, revision))

    def ExtendOrthancExplorer(self, javascript: str, /) -> None:
        assert not self.explorer, "the last script would be lost"
        self.explorer = javascript

    def GetConfiguration(self) -> str:
        return json.dumps(self.configuration)

    def GetConfigurationPath(self) -> str:
        return str(self.folder / "orthanc.json")

    def GetGlobalProperty(self, number: int, default: str, /) -> str:
        return self.properties.get(number, default)

    def SetGlobalProperty(self, number: int, value: str, /) -> None:
        self.properties[number] = value

    def LogError(self, message: str, /) -> None:
        self.log.error(_as_orthanc_takes_it(message))

    def LogInfo(self, message: str, /) -> None:
        self.log.info(_as_orthanc_takes_it(message))

    def LogWarning(self, message: str, /) -> None:
        self.log.warning(_as_orthanc_takes_it(message))

    def RegisterOnChangeCallback(self, callback: Callable[..., None], /) -> None:
        assert self.on_change is None, "only one callback may be registered"
        self.on_change = callback

    def RegisterRestCallback(self, pattern: str, callback: Callable[..., Any], /) -> None:
        self.routes[pattern] = callback

    def RestApiGet(self, uri: str, /) -> bytes:
        if uri not in self.answers:
            raise OrthancException(17, "Unknown resource")
        return json.dumps(self.answers[uri]).encode()

    def RestApiGetAfterPlugins(self, uri: str, /) -> bytes:
        answer = self.answers.get(uri)
        if isinstance(answer, bytes):
            return answer
        raise OrthancException(17, "Unknown resource")

    def RestApiPost(self, uri: str, body: bytes, /) -> bytes:
        raise OrthancException(17, f"Unknown resource {uri} {len(body)}")

    def SetMetricsValue(self, name: str, value: float, _kind: int, /) -> None:
        self.metrics[name] = value


def _as_orthanc_takes_it(text: str) -> str:
    """As both supported versions of the Python plugin do."""
    if "\0" in text or (not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text)):
        raise TypeError("Bad types for the arguments (1 arguments expected)")
    return text


def eventually(condition: Callable[[], bool], seconds: float = 30.0) -> bool:
    """Whether `condition` comes true in time; for what other threads do."""
    return any(condition() for _ in _ticks(seconds))


def _ticks(seconds: float) -> Iterator[None]:
    for _ in range(int(seconds / 0.005)):
        yield
        threading.Event().wait(0.005)
