"""Who is measured."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.archive import STOCK_PLUGINS
from dev.console import CHECKOUT, SetupError
from dev.orthanc_server import PLUGINS

VIEWER_SCRIPT = CHECKOUT / "dev/viewer_script.py"
BUCKET_SCRIPT, BUCKET_URL = CHECKOUT / "dev/storage_in_bucket.py", "s3://orthanc/storage"
SCRIPT = Path(__file__).with_name("script.py")
RAM_MEGABYTES = 4000
NEVER = 1_000_000


@dataclass(frozen=True)
class Subject:
    """A server in one configuration. Those without plugins are no Orthanc of their own.

    `cache_folder` lies beside the storage; the same one for all whose frames are cached in the same way.
    """

    name: str
    plugins: tuple[str, ...] = ()
    configuration: Mapping[str, object] = field(default_factory=dict, hash=False)
    cache_folder: str = "FrameCache"

    @property
    def has_cache(self) -> bool:
        """Whether it is measured with the plugin."""
        settings = self.configuration.get("FrameCache")
        return "OrthancPython" in self.plugins and isinstance(settings, Mapping) and settings.get("Enable") is not False


def _shipped() -> dict[str, object]:
    """The checkout's orthanc.json, and a script that adds a trivial route to the plugin."""
    settings: dict[str, object] = json.loads((CHECKOUT / "orthanc.json").read_text())
    return {**settings, "PythonScript": str(SCRIPT)}


def _tuned() -> dict[str, object]:
    names = ("MaximumStorageCacheSize", "StorageMemoryCapacity", "DicomParserMemoryCapacity", "DicomParserCacheSize")
    # As framecache's connections are set, so that only the memory makes the difference.
    connections = {name: value for name, value in _shipped().items() if name in ("KeepAliveTimeout", "TcpNoDelay")}
    return {**connections, **dict.fromkeys(names, RAM_MEGABYTES)}


def _with_frame_cache(**settings: object) -> dict[str, object]:
    shipped = _shipped()
    frame_cache = shipped["FrameCache"]
    if not isinstance(frame_cache, dict):
        raise SetupError('orthanc.json has no "FrameCache" of several settings')
    return {**shipped, "FrameCache": {**frame_cache, **settings}}


def _without_filling() -> dict[str, object]:
    """No instance is worth it: frames are read one by one from the stored files, and no other reading disturbs."""
    return _with_frame_cache(MinimumFrames=NEVER, MinimumFrameMB=NEVER)


def _housekept() -> dict[str, object]:
    """What makes Orthanc's own Housekeeper plugin write each file anew: the storage is to be compressed from now on."""
    return {**_shipped(), "StorageCompression": True, "Housekeeper": {"Enable": True, "ThrottleDelay": 0}}


def _in_bucket(frame_cache: dict[str, object]) -> dict[str, object]:
    """Files in a bucket, by a storage area in Python; the stock plugin reads them whole."""
    settings = {"Python": {"AllowThreads": True}, "PythonScript": str(BUCKET_SCRIPT), "StorageBucket": BUCKET_URL}
    return {**settings, "FrameCache": frame_cache}


def _with_viewer(**settings: object) -> dict[str, object]:
    """OHIF below /ohif/ of the same Orthanc."""
    return {"PythonScript": str(VIEWER_SCRIPT), "Python": {"AllowThreads": True}, **settings}


STOCK = Subject("stock, default", STOCK_PLUGINS)
TUNED = Subject("stock, tuned", STOCK_PLUGINS, _tuned())
FRAMECACHE = Subject("framecache", PLUGINS, _shipped())
INDEX = Subject("framecache, index", PLUGINS, _with_frame_cache(Mode="index"), "FrameCacheIndex")
# The very same configuration, but nobody loads the script.
WITHOUT = Subject("without the plugin", STOCK_PLUGINS, _shipped())
NOT_FILLING = Subject("framecache, no pre-extraction", PLUGINS, _without_filling())
NGINX = Subject("nginx sendfile")
TRIVIAL = Subject("trivial Python route")
HOUSEKEEPER = Subject("framecache beside the Housekeeper", (*PLUGINS, "Housekeeper"), _housekept())
STOCK_VIEWER = Subject("stock, default, in OHIF", PLUGINS, _with_viewer(FrameCache={"Enable": False}))
FRAMECACHE_VIEWER = Subject("framecache, in OHIF", PLUGINS, {**_shipped(), **_with_viewer()})
# Thumbnails as small pictures, so that the viewport is the first to ask for a frame.
FRAMECACHE_SLOW_LINE = Subject(
    "framecache, Transcode, in OHIF",
    PLUGINS,
    {
        **_with_frame_cache(Transcode=[{}], MinimumFrames=1),
        **_with_viewer(Viewer={"thumbnailRendering": "thumbnailDirect"}),
    },
)
NGINX_VIEWER = Subject("nginx, the same bodies, in OHIF")
COPY = Subject("cp, synced")
STOCK_BUCKET = Subject("stock, files in a bucket", PLUGINS, _in_bucket({"Enable": False}))
BUCKET = Subject("framecache, files in a bucket", PLUGINS, _in_bucket({"StorageURL": BUCKET_URL}))
# Nothing else is read but what is asked for.
BUCKET_NOT_FILLING = Subject(
    "framecache, files in a bucket, no extraction",
    PLUGINS,
    _in_bucket({"StorageURL": BUCKET_URL, "Rules": [{"Extract": "never"}]}),
)
FILE_CLIENT = Subject("framecache's file client")
ARCHIVE = Subject("framecache's archive")
COPYING, READING, PUTTING = (Subject(name) for name in ("cp", "pydicom's dcmread", "obstore's put"))
ARCHIVE_CLIENT, OBJECTS_CLIENT = Subject("framecache's client, archive"), Subject("framecache's client, objects")
BARE_READ = Subject("obstore's get")
DICOMWEB_FILE_CLIENT = Subject("dicomweb-client's file client")
ONE_WORKER, TWO_WORKERS = Subject("one worker"), Subject("two workers")
SHARED_WORK = Subject("framecache's shared work")
# Two nodes with one bucket of files and one archive; the second does not know where in the bucket Orthanc's files are.
_ARCHIVING = {"Archive": "s3://orthanc/archive", "Rules": [{"Extract": "demand"}]}
WARMING_NODE = Subject(
    "framecache, one node", PLUGINS, _in_bucket({**_ARCHIVING, "ArchiveWrite": "demand", "StorageURL": BUCKET_URL})
)
OTHER_NODE = Subject("framecache, another node", PLUGINS, _in_bucket({**_ARCHIVING, "ArchiveWrite": "never"}))
