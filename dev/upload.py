"""Putting DICOM files into a running Orthanc, and following how its plugin takes their frames out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import requests

from dev.console import SetupError

POLL_SECONDS = 0.2
STALL_SECONDS = 60.0
NOT_CACHED = "not cached"
FINAL_STATES = ("cached", "skipped", "failed")


@dataclass(frozen=True)
class Instance:
    """An instance as Orthanc and as DICOMweb name it."""

    orthanc_id: str
    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str

    @property
    def path(self) -> str:
        """Its DICOMweb path below the server's root (PS3.18 10.4)."""
        return (
            f"/dicom-web/studies/{self.study_instance_uid}/series/{self.series_instance_uid}"
            f"/instances/{self.sop_instance_uid}"
        )


@dataclass(frozen=True)
class Progress:
    """What the plugin says of an instance: its state, how many of its frames are cached, and what went wrong."""

    state: str
    number_of_frames: int
    cached_frames: int
    error: str | None = None

    @property
    def final(self) -> bool:
        return self.state in FINAL_STATES


def files_in(paths: Iterable[Path]) -> Iterator[Path]:
    """The files that `paths` name; a folder stands for all files below it. Raises SetupError for what is not there."""
    for path in paths:
        if not path.exists():
            raise SetupError(f"DICOM={path} does not exist")
        yield from sorted(below for below in path.rglob("*") if below.is_file()) if path.is_dir() else [path]


def upload(url: str, path: Path) -> list[Instance]:
    """Store a file, or all files of a ZIP archive, and return the instances; none when it is not DICOM.

    Raises SetupError when Orthanc cannot store it.
    """
    with path.open("rb") as stream:
        answer = requests.post(f"{url}/instances", data=stream, timeout=600)
    if answer.status_code == requests.codes.bad_request:
        return []
    if not answer.ok:
        raise SetupError(f"Orthanc cannot store {path}: {answer.json().get('Message', answer.reason)}")
    taken = answer.json()
    return [instance(url, one["ID"]) for one in (taken if isinstance(taken, list) else [taken])]


def stored(url: str, sop_instance_uid: str) -> list[Instance]:
    """The instance when Orthanc has it already, in a list; else an empty one."""
    answer = requests.post(f"{url}/tools/lookup", data=sop_instance_uid, timeout=60)
    answer.raise_for_status()
    return [instance(url, found["ID"]) for found in answer.json() if found["Type"] == "Instance"]


def instance(url: str, orthanc_id: str) -> Instance:
    """Look the UIDs of an Orthanc ID up."""
    return Instance(
        orthanc_id,
        _tags(url, orthanc_id, "/study")["StudyInstanceUID"],
        _tags(url, orthanc_id, "/series")["SeriesInstanceUID"],
        _tags(url, orthanc_id)["SOPInstanceUID"],
    )


def modality(url: str, instance: Instance) -> str:
    """Modality (0008,0060) of the instance's series; empty where there is none."""
    return _tags(url, instance.orthanc_id, "/series").get("Modality", "")


def _tags(url: str, orthanc_id: str, level: str = "") -> dict[str, str]:
    answer = requests.get(f"{url}/instances/{orthanc_id}{level}", timeout=60)
    answer.raise_for_status()
    found: dict[str, str] = answer.json()["MainDicomTags"]
    return found


def progress(url: str, orthanc_id: str) -> Progress:
    """Ask the plugin. Raises SetupError when it does not answer."""
    answer = requests.get(f"{url}/frame-cache/instances/{orthanc_id}", timeout=60)
    if not answer.ok:
        raise SetupError(f"the plugin does not answer ({answer.status_code} for /frame-cache): see Orthanc's log")
    told = answer.json()
    return Progress(told["State"], told["NumberOfFrames"], told["CachedFrames"], told.get("LastError"))


def wait_for_frames(url: str, instance: Instance, show: Callable[[Progress], None]) -> Progress:
    """Ask until the plugin is done with the instance, and give each answer to `show`.

    An instance of an earlier run may have left the cache: a frame is asked for then, as a viewer would, which queues
    the rest, unless the settings leave the instance out. Raises SetupError when nothing moves any more.
    """
    told, since = progress(url, instance.orthanc_id), time.monotonic()
    if told.state == NOT_CACHED:
        requests.get(f"{url}{instance.path}/frames/1", timeout=60).raise_for_status()
        told = progress(url, instance.orthanc_id)
    while not (told.final or (told.state == NOT_CACHED and queue_length(url) == 0)):
        show(told)
        time.sleep(POLL_SECONDS)
        before, told = told, progress(url, instance.orthanc_id)
        since = since if told == before else time.monotonic()
        if time.monotonic() - since > STALL_SECONDS:
            raise SetupError(f"the plugin is stuck ({told.state}): see Orthanc's log and {url}/frame-cache/status")
    show(told)
    return told


def queue_length(url: str) -> int:
    """How many instances the plugin has yet to look at."""
    answer = requests.get(f"{url}/frame-cache/status", timeout=60)
    answer.raise_for_status()
    return int(answer.json()["QueueLength"])
