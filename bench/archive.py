"""Orthanc's storage with the data in it, filled once by an Orthanc without the plugin, and used by all subjects."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import requests

from bench.samples import DataSet
from dev.console import SetupError, say
from dev.once import make_once
from dev.orthanc_folder import orthanc_folder
from dev.orthanc_server import OrthancServer
from dev.upload import Instance, upload

STOCK_PLUGINS = ("OrthancDicomWeb", "OrthancGdcm")


@dataclass(frozen=True)
class Stored:
    """An instance in the archive."""

    instance: Instance
    number_of_frames: int

    def frame(self, frame_list: str | int) -> str:
        """The path of a frame or of several."""
        return f"{self.instance.path}/frames/{frame_list}"

    @property
    def frames(self) -> list[str]:
        """The paths of all frames."""
        return [self.frame(number) for number in range(1, self.number_of_frames + 1)]


@dataclass(frozen=True)
class Archive:
    """Storage, configuration and log of one suite's Orthanc."""

    suite: str
    folder: Path

    @property
    def storage(self) -> Path:
        return self.folder / "storage"

    def stored(self, data_set: str) -> list[Stored]:
        """The instances of a data set."""
        told = json.loads((self.folder / f"{data_set}.json").read_text())
        return [Stored(Instance(**one["instance"]), one["number_of_frames"]) for one in told]


def make_archive(suite: str, folder: Path, data: Sequence[DataSet], samples: Path, port: int) -> Archive:
    """The archive in `folder`; filled when it is not, or not with these data."""
    archive = Archive(suite, folder)
    recipe = f"{orthanc_folder(suite).root.resolve()} {[(one.name, one.instances) for one in data]}"
    make_once(folder, recipe, lambda: _fill(archive, data, samples, port))
    return archive


def _fill(archive: Archive, data: Sequence[DataSet], samples: Path, port: int) -> None:
    with OrthancServer(archive.suite, archive.folder, {}, port, plugins=STOCK_PLUGINS) as server:
        for data_set in data:
            files = data_set.files(samples)
            say(f"Storing {data_set.title} in Orthanc of {archive.suite} …")
            stored = list(store(server.url, files))
            told = json.dumps([asdict(one) for one in stored])
            archive.folder.joinpath(f"{data_set.name}.json").write_text(told)


def store(url: str, files: Iterable[Path]) -> Iterable[Stored]:
    """Upload the files. Raises SetupError for what is not taken."""
    for path in files:
        for instance in upload(url, path):
            yield Stored(instance, number_of_frames(url, instance))
            break
        else:
            raise SetupError(f"{path} was not taken by Orthanc")


def number_of_frames(url: str, instance: Instance) -> int:
    answer = requests.get(f"{url}/instances/{instance.orthanc_id}/metadata/NumberOfFrames", timeout=60)
    if answer.ok and answer.text:
        return int(answer.text)
    frames = requests.get(f"{url}/instances/{instance.orthanc_id}/frames", timeout=600)
    frames.raise_for_status()
    return len(frames.json())
