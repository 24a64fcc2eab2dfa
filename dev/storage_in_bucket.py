"""A PythonScript: Orthanc keeps its files in a bucket, named as the object-storage plugin names them, with framecache.

For tests and the benchmark. The configuration has the bucket's URL as "StorageBucket".
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import obstore
import orthanc
from obstore.store import from_url

sys.path.append(str(Path(__file__).resolve().parents[1] / "plugin"))

from framecache import install

CONFIGURATION = json.loads(orthanc.GetConfiguration())
STORE: Any = from_url(CONFIGURATION["StorageBucket"])
EXTENSIONS = {1: ".dcm", 2: ".json", 3: ".dcm.head"}


def name_of(uuid: str, content_type: int) -> str:
    return uuid + EXTENSIONS.get(int(content_type), ".unk")


def create(uuid: str, content_type: int, content: bytes) -> None:
    obstore.put(STORE, name_of(uuid, content_type), content)


def read(uuid: str, content_type: int) -> bytes:
    return bytes(obstore.get(STORE, name_of(uuid, content_type)).bytes())


def remove(uuid: str, content_type: int) -> None:
    obstore.delete(STORE, name_of(uuid, content_type))


def create_3(
    uuid: str, content_type: int, _compression: int, content: bytes, _instance: object
) -> tuple[int, bytes | None]:
    create(uuid, content_type, content)
    return 0, None


def read_3(uuid: str, content_type: int, start: int, size: int, _custom: bytes) -> tuple[int, bytes | None]:
    return 0, bytes(obstore.get_range(STORE, name_of(uuid, content_type), start=start, length=size)) if size else b""


def remove_3(uuid: str, content_type: int, _custom: bytes) -> int:
    remove(uuid, content_type)
    return 0


register_3: Any = getattr(orthanc, "RegisterStorageArea3", None)  # Python plugin 7
if register_3 is not None:
    register_3(create_3, read_3, remove_3)
else:
    register: Any = getattr(orthanc, "RegisterStorageArea")  # noqa: B009 - not in the stub: the plugin has no use for it
    register(create, read, remove)

install(orthanc)
