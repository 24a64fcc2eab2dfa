"""Stand-ins for what is outside: Orthanc's API, its module and its answers, the clock, the log, the store."""
# ruff: noqa: N802 - the names are Orthanc's

from __future__ import annotations

import itertools
import json
import logging
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from framecache.dicom.identity import InstancePath
from framecache.errors import NotFound, SourceError
from framecache.instances.frame_source import FrameSources
from framecache.orthanc.instance import Instance
from framecache.ports import OrthancApi
from framecache.shared_buffers import SharedBuffers
from framecache.store.block import Block
from framecache.store.block_format import pack_header
from framecache.store.disk.block_file import BlockFile
from framecache.store.frame_store import Degraded, DoesNotFit, StoreError
from framecache.store.usage import InstanceUsage, Order, StudyUsagePage, TotalUsage
from framecache.telemetry.metrics import RemovalCause

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


def sources(api: OrthancApi, limit: int = 1 << 30) -> FrameSources:
    """Sources that hold no more than so many bytes in memory."""
    return FrameSources(api, SharedBuffers(limit))


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
        self.has_database_plugin = False

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

    def post(self, uri: str, body: bytes) -> bytes:
        self._note(f"POST {uri}")
        query = json.loads(body)
        if uri == "/tools/find":
            answers = [stored.answer for stored in self.instances.values()]
            return json.dumps([answer for answer in answers if _matches(answer, query["Query"])]).encode()
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


def _matches(answer: Mapping[str, Any], query: Mapping[str, str]) -> bool:
    tags = {**answer["MainDicomTags"], **answer["RequestedTags"]}
    return all(not value or tags.get(name) == value for name, value in query.items())


class MemoryStore:
    """A FrameStore whose rows are in memory; its blocks are real files, as readers need them."""

    def __init__(self, folder: Path, limit: int = 1 << 30) -> None:
        self._folder, self.limit = folder, limit
        self.records: dict[InstancePath, Instance] = {}
        self.unasked: set[InstancePath] = set()
        self.rows: dict[str, tuple[str, Block]] = {}
        self.indexes: dict[str, tuple[str, bytes]] = {}
        self.touched: dict[InstancePath, float] = {}
        self.notes: dict[str, str] = {}
        self.fails: Exception | None = None
        self.degraded: Degraded | None = None
        self.pins: set[str] = set()
        self.before_keep: Callable[[], None] = lambda: None
        self._lock = threading.Lock()
        self._chances = itertools.count()

    def record(self, path: InstancePath) -> Instance | None:
        return self.records.get(path)

    def keep_record(self, instance: Instance, *, unasked: bool = False) -> None:
        self.records[instance.path] = instance
        self.unasked |= {instance.path} if unasked else set()

    def blocks(self, instance: Instance) -> list[Block]:
        return [row for key, (_, row) in sorted(self.rows.items()) if key.startswith(f"f/{instance.attachment_uuid}/")]

    def blocks_of(self, orthanc_id: str) -> list[Block]:
        return [row for _, (owner, row) in sorted(self.rows.items()) if owner == orthanc_id]

    def keep(
        self, instance: Instance, representation: str, frames: Mapping[int, memoryview], *, may_evict: bool = True
    ) -> Block:
        self.before_keep()
        if self.fails is not None:
            raise self.fails
        if not may_evict and sum(map(len, frames.values())) > self.room():
            raise DoesNotFit("the instance does not fit into the cache")
        first, count = min(frames), len(frames)
        key = f"f/{instance.attachment_uuid}/{representation}/{first}-{count}"
        path = self._folder / f"{key.replace('/', '_')}-{next(self._chances)}"  # no name is used twice
        content = b"".join([pack_header(key, frames), *frames.values()])
        path.write_bytes(content)
        row = Block(key, representation, first, count, len(content), BlockFile(str(path)))
        with self._lock:
            self.rows[key] = (instance.orthanc_id, row)
        return row

    def index(self, instance: Instance) -> bytes | None:
        return self.indexes.get(instance.attachment_uuid, ("", None))[1]

    def keep_index(self, instance: Instance, content: bytes, *, may_evict: bool = True) -> None:
        if self.fails is not None:
            raise self.fails
        if not may_evict and len(content) > self.room():
            raise DoesNotFit("the instance does not fit into the cache")
        self.indexes[instance.attachment_uuid] = instance.orthanc_id, content

    def forget(self, *orthanc_ids: str) -> int:
        return sum(map(self._forget, orthanc_ids))

    def _forget(self, orthanc_id: str) -> int:
        records = [path for path, record in self.records.items() if record.orthanc_id == orthanc_id]
        rows = [row for owner, row in self.rows.values() if owner == orthanc_id]
        for path in records:
            del self.records[path]
        for row in rows:
            self.forget_block(row)
        for name in [name for name, (owner, _) in self.indexes.items() if owner == orthanc_id]:
            del self.indexes[name]
        return len(records) + len(rows)

    def forget_versions(self, stale: Mapping[str, Collection[str]], cause: RemovalCause = "replaced") -> None:  # noqa: ARG002
        for owner, row in list(self.rows.values()):
            if row.key.split("/")[1] in stale.get(owner, ()):
                self.forget_block(row)
        self.records = {
            path: record
            for path, record in self.records.items()
            if record.attachment_uuid not in stale.get(record.orthanc_id, ())
        }
        self.indexes = {uuid: kept for uuid, kept in self.indexes.items() if uuid not in stale.get(kept[0], ())}

    def forget_block(self, block: Block) -> None:
        del self.rows[block.key]
        assert isinstance(block.content, BlockFile)
        Path(block.content.path).unlink(missing_ok=True)

    def touch(self, last_accesses: Mapping[InstancePath, float]) -> None:
        if self.fails is not None:
            raise self.fails
        self.touched.update(last_accesses)

    def versions(self, after: str, most: int) -> dict[str, set[str]]:
        owners = {record.orthanc_id for record in self.records.values()} | {owner for owner, _ in self.rows.values()}
        return self.versions_of(sorted(name for name in owners if name > after)[:most])

    def versions_of(self, orthanc_ids: Sequence[str]) -> dict[str, set[str]]:
        kept: dict[str, set[str]] = {name: set() for name in orthanc_ids}
        found = [(record.orthanc_id, record.attachment_uuid) for record in self.records.values()]
        found += [(owner, row.key.split("/")[1]) for owner, row in list(self.rows.values())]
        found += [(owner, uuid) for uuid, (owner, _) in self.indexes.items()]
        for owner, uuid in found:
            if owner in kept:
                kept[owner].add(uuid)
        return kept

    def held_in_all(self) -> TotalUsage:
        return TotalUsage(instances=len(self.records))

    def held_studies(self, order: Order, limit: int, offset: int, study_ids: Sequence[str] | None) -> StudyUsagePage:
        raise NotImplementedError

    def held_instances(self, orthanc_ids: Sequence[str]) -> dict[str, InstanceUsage]:
        held = {}
        for one in self.records.values():
            if one.orthanc_id in orthanc_ids:
                rows = [row for owner, row in self.rows.values() if owner == one.orthanc_id]
                frames, size = sum(row.count for row in rows), sum(row.size for row in rows)
                held[one.orthanc_id] = InstanceUsage(
                    one.orthanc_id, one.study_id, one.series_id, one.number_of_frames, frames, size, None
                )
        return held

    def note(self, key: str) -> str | None:
        return self.notes.get(key)

    def remember(self, key: str, value: str) -> None:
        self.notes[key] = value

    def pin(self, study_instance_uid: str) -> None:
        self.pins.add(study_instance_uid)

    def unpin(self, study_instance_uid: str) -> None:
        self.pins.discard(study_instance_uid)

    def pinned(self) -> frozenset[str]:
        return frozenset(self.pins)

    def check(self, is_stopping: Callable[[], bool]) -> None: ...

    def tend(self, is_stopping: Callable[[], bool]) -> None: ...

    def bytes_used(self) -> int:
        return sum(row.size for _, row in self.rows.values())

    def room(self) -> int:
        return self.limit - self.bytes_used()

    def count(self) -> int:
        return len(self.rows) + len(self.records)

    def close(self) -> None: ...


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

    def CheckVersionAdvanced(self, major: int, minor: int, revision: int, /) -> int:
        return int(self.version >= (major, minor, revision))

    def ExtendOrthancExplorer(self, javascript: str, /) -> None:
        assert not self.explorer, "the last script would be lost"
        self.explorer = javascript

    def GetConfiguration(self) -> str:
        return json.dumps(self.configuration)

    def GetConfigurationPath(self) -> str:
        return str(self.folder / "orthanc.json")

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


def eventually(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    """Whether `condition` comes true in time; for what other threads do."""
    return any(condition() for _ in _ticks(seconds))


def _ticks(seconds: float) -> Iterator[None]:
    for _ in range(int(seconds / 0.005)):
        yield
        threading.Event().wait(0.005)
